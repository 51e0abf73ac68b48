// The lines that pawld writes to stderr: one for each message, with what it is about.
#include "daemon/logging.h"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace pawl {
namespace {

/// What is written to stderr while `say` runs, by line.
std::vector<std::string> lines_of(LogForm form, const std::function<void()>& say) {
  const auto before = spdlog::default_logger();
  const int kept = ::dup(STDERR_FILENO);
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  ::dup2(ends[1], STDERR_FILENO);
  ::close(ends[1]);
  {
    const auto writer = start_logging(form);
    say();
    EXPECT_TRUE(writer->flush(std::chrono::seconds(30)));
    spdlog::set_default_logger(before);
  }
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  std::string text;
  char piece[4096];
  for (ssize_t bytes; (bytes = ::read(ends[0], piece, sizeof piece)) > 0;) {
    text.append(piece, static_cast<std::size_t>(bytes));
  }
  ::close(ends[0]);
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

const NoticeTopic all_of_it{.task = TaskId{3}, .job = JobId{7}, .seq = Seq{99}};
const std::string hostile = "x\n12:00:00 warning [task 9] forged\r\x1b[2K\xe2\x80\xa8{\"seq\":1}";

TEST(Logging, json_line_has_what_it_is_about_as_numbers) {
  const auto lines = lines_of(LogForm::json, [] {
    say_warning({"late", all_of_it});
    say_error({"of a job", {.job = JobId{8}}});
    say_info("of nothing");
  });
  ASSERT_EQ(lines.size(), 3U);
  const auto first = boost::json::parse(lines[0]).as_object();
  EXPECT_EQ(first.at("task").as_int64(), 3);
  EXPECT_EQ(first.at("job").as_int64(), 7);
  EXPECT_EQ(first.at("seq").as_int64(), 99);
  EXPECT_STREQ(first.at("level").as_string().c_str(), "warning");
  EXPECT_STREQ(first.at("message").as_string().c_str(), "late");
  const auto second = boost::json::parse(lines[1]).as_object();
  EXPECT_EQ(second.at("job").as_int64(), 8);
  EXPECT_FALSE(second.contains("task") || second.contains("seq"));
  const auto third = boost::json::parse(lines[2]).as_object();
  EXPECT_FALSE(third.contains("job")) << "what a message is about ends with it";
}

TEST(Logging, text_line_has_it_before_the_message) {
  const auto lines = lines_of(LogForm::text, [] {
    say_warning({"late", all_of_it});
    say_info("of nothing");
  });
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].ends_with(" warning [task 3 job 7 seq 99] late")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with(" info of nothing")) << lines[1];
}

TEST(Logging, hostile_text_begins_no_line) {
  const auto text = lines_of(LogForm::text, [] { say_warning({hostile, all_of_it}); });
  ASSERT_EQ(text.size(), 1U);
  EXPECT_NE(text[0].find(" warning [task 3 job 7 seq 99] x"), std::string::npos) << text[0];
  EXPECT_EQ(text[0].find_first_of("\r\x1b"), std::string::npos) << text[0];
  const auto json = lines_of(LogForm::json, [] { say_warning({hostile, all_of_it}); });
  ASSERT_EQ(json.size(), 1U);
  const auto object = boost::json::parse(json[0]).as_object();
  EXPECT_EQ(object.at("seq").as_int64(), 99);
  EXPECT_EQ(object.at("message").as_string().c_str(), hostile) << "for programs it is exact";
}

}  // namespace
}  // namespace pawl
