#include "daemon/outside/forge_place.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "store/memory_log.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

class ForgePlaces : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/pawl-forges-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  void write(const std::string& text) const { std::ofstream(folder + "/forges") << text; }

  static LogPlace place_at(std::uint64_t seq) {
    LogPlace place{.seq = Seq{seq}, .chain = {}};
    for (std::size_t i = 0; i < place.chain.size(); ++i) place.chain.at(i) = static_cast<std::uint8_t>(seq + i);
    return place;
  }

  std::string folder;
};

TEST_F(ForgePlaces, are_read_as_they_were_written) {
  EXPECT_EQ(read_places(folder).value(), LogPlaces{}) << "there is no file yet";
  const LogPlaces places = {{"shop", place_at(12)}, {"with a blank", place_at(13)}};
  ASSERT_TRUE(write_places(folder, places));
  EXPECT_EQ(read_places(folder).value(), places);
  ASSERT_TRUE(write_places(folder, {{"shop", place_at(14)}}));
  EXPECT_EQ(read_places(folder).value(), (LogPlaces{{"shop", place_at(14)}}));
  EXPECT_FALSE(std::filesystem::exists(folder + "/forges.new"));
}

TEST_F(ForgePlaces, that_were_edited_are_damaged) {
  const std::string chain(64, 'a');
  for (const std::string& text : {std::string(), std::string("pawl forges 2\n"), "pawl forges 1\n12 " + chain + "\n",
                                  "pawl forges 1\n12 " + chain + " \n", "pawl forges 1\nx " + chain + " shop\n",
                                  "pawl forges 1\n12 " + std::string(64, 'g') + " shop\n",
                                  "pawl forges 1\n12" + chain + " shop\n", std::string("pawl forges 1\n12 aa shop\n"),
                                  std::string("pawl forges 1\n99999999999999999999 ") + chain + " s\n"}) {
    write(text);
    const auto read = read_places(folder);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::damaged) << text;
  }
}

TEST_F(ForgePlaces, put_aside_are_not_read_again) {
  ASSERT_TRUE(write_places(folder, {{"shop", place_at(12)}}));
  EXPECT_EQ(put_places_aside(folder).value(), folder + "/forges.of-another-log");
  EXPECT_EQ(read_places(folder).value(), LogPlaces{});
}

TEST(ForgePlaceInLog, is_that_of_the_record_with_its_chain) {
  MemoryLog log;
  EXPECT_EQ(last_place(log).value(), LogPlace{});
  EXPECT_TRUE(is_in(log, LogPlace{}).value()) << "before the first record";
  Writer writer(log);
  writer.boot();
  const LogPlace early = last_place(log).value();
  writer.create_task("W-1");
  const LogPlace last = last_place(log).value();
  EXPECT_EQ(last.seq, log.last_seq());
  EXPECT_TRUE(is_in(log, early).value());
  EXPECT_TRUE(is_in(log, last).value());
  EXPECT_FALSE(is_in(log, {.seq = last.seq, .chain = early.chain}).value());
  EXPECT_FALSE(is_in(log, {.seq = next(last.seq), .chain = last.chain}).value()) << "beyond the end";

  MemoryLog other;
  Writer other_writer(other);
  other_writer.boot("boot-2");
  other_writer.create_task("W-1");
  EXPECT_FALSE(is_in(other, last).value());
}

}  // namespace
}  // namespace pawl
