#include "tools/forensics/reading_progress.h"

#include <gtest/gtest.h>

#include "schema/time.h"

namespace pawl {
namespace {

/// What a progress line wrote, and the clock that it goes by.
class ReadingProgressTest : public testing::Test {
 protected:
  ReadingProgressTest() : out_(::open_memstream(&text_, &size_)) {}
  ~ReadingProgressTest() override {
    std::fclose(out_);
    std::free(text_);
  }
  ReadingProgressTest(const ReadingProgressTest&) = delete;
  ReadingProgressTest& operator=(const ReadingProgressTest&) = delete;

  ReadingProgress progress() {
    return ReadingProgress("reading the log", out_, [this] { return now_us_; });
  }
  std::string shown() {
    std::fflush(out_);
    return {text_, size_};
  }

  std::int64_t now_us_ = 0;

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* out_;
};

TEST_F(ReadingProgressTest, a_quick_reading_shows_nothing) {
  {
    ReadingProgress quick = progress();
    for (std::uint64_t i = 1; i <= 100; ++i) quick.show(i, 100, i);
    now_us_ = us_per_s - 1;
    quick.show(100, 100, 101);
  }
  EXPECT_EQ(shown(), "");
}

TEST_F(ReadingProgressTest, a_long_one_shows_a_line_and_removes_it) {
  {
    ReadingProgress slow = progress();
    slow.show(10, 100, 10);
    now_us_ = us_per_s;
    slow.show(25, 100, 1025);
    EXPECT_EQ(shown(), "\rreading the log [##########                              ]  25 %  record 1025");
    slow.show(25, 100, 1026);  // the same percentage
  }
  EXPECT_EQ(shown(), "\rreading the log [##########                              ]  25 %  record 1025\r\x1b[K");
}

TEST_F(ReadingProgressTest, of_an_unknown_length_only_the_record_is_shown) {
  {
    ReadingProgress slow = progress();
    now_us_ = us_per_s;
    slow.show(7, 0, 999);
    slow.show(8, 0, 2000);
  }
  EXPECT_EQ(shown(), "\rreading the log: record 2000\r\x1b[K");
}

TEST_F(ReadingProgressTest, nothing_is_written_without_a_terminal) {
  {
    ReadingProgress unseen("reading the log", nullptr, [this] { return now_us_; });
    now_us_ = 10 * us_per_s;
    unseen.show(50, 100, 50);
  }
  EXPECT_EQ(shown(), "");
}

}  // namespace
}  // namespace pawl
