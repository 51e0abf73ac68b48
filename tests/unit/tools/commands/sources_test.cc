#include "tools/commands/sources.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "tests/unit/tools/sample_log.h"
#include "tools/commands/target.h"

namespace pawl {
namespace {

class Sources : public testing::Test {
 protected:
  Sources() { command_.options = with_target_options({{"own", "N", "of the command alone"}}); }

  /// The target and the options that a command gets.
  Result<Arguments> told(std::vector<std::string_view> words) {
    auto arguments = read_arguments(command_, words);
    if (!arguments) return arguments;
    PAWL_TRY(add_sources(
        command_,
        [this](const char* name) {
          const auto found = environment.find(name);
          return found == environment.end() ? nullptr : found->second.c_str();
        },
        *arguments));
    return arguments;
  }

  std::string name_of_target(std::vector<std::string_view> words) {
    const auto arguments = told(std::move(words));
    if (!arguments) return arguments.error().message;
    const auto target = target_of(*arguments);
    return target ? target->name() : target.error().message;
  }

  void write_usual(const std::string& text) {
    ::mkdir(folder.path("pawl").c_str(), 0700);
    folder.file("pawl/pawl.conf", text);
    environment["XDG_CONFIG_HOME"] = folder.path("");
  }

  TestFolder folder;
  std::map<std::string, std::string> environment;

 private:
  Command command_;
};

TEST_F(Sources, the_command_line_comes_before_the_environment_and_that_before_the_file) {
  write_usual("url = file:1\n# a comment\nactor = of-file\n");
  EXPECT_EQ(name_of_target({}), "file:1");
  environment["PAWL_URL"] = "environment:1";
  EXPECT_EQ(name_of_target({}), "environment:1");
  EXPECT_EQ(name_of_target({"--url", "line:1"}), "line:1");
  environment.erase("PAWL_URL");
  EXPECT_EQ(told({})->value("actor"), "of-file");
  EXPECT_EQ(told({"--actor", "me"})->value("actor"), "me");
}

TEST_F(Sources, a_place_outweighs_those_of_weaker_sources_whatever_their_kind) {
  environment["PAWL_URL"] = "environment:1";
  environment["PAWL_DATA"] = "/of/environment";
  EXPECT_EQ(name_of_target({"--data", "/of/line"}), "/of/line/pawl.sock");
  EXPECT_EQ(name_of_target({"--data", "/of/line", "--socket", "/s"}), "/s");
  EXPECT_EQ(name_of_target({}), "environment:1");
  environment["PAWL_URL"] = "";  // counts as not set
  EXPECT_EQ(name_of_target({}), "/of/environment/pawl.sock");
}

TEST_F(Sources, a_token_of_the_file_goes_to_no_other_daemon_than_the_one_of_the_file) {
  const std::string token = folder.file("token", "secret\n");
  ::chmod(token.c_str(), 0600);
  write_usual("url = file:1\ntoken-file = " + token + "\n");
  EXPECT_EQ(target_of(*told({}))->token, "secret");
  EXPECT_EQ(target_of(*told({"--url", "elsewhere:1"}))->token, "");
  environment["PAWL_DATA"] = "/data";
  EXPECT_EQ(target_of(*told({}))->token, "");
  // A file that names no daemon applies to all of them.
  write_usual("token-file = " + token + "\n");
  EXPECT_EQ(target_of(*told({"--url", "elsewhere:1"}))->token, "secret");
}

TEST_F(Sources, a_file_that_is_named_takes_the_place_of_the_usual_one) {
  write_usual("url = usual:1\n");
  const std::string named = folder.file("named", "url = named:1\n");
  EXPECT_EQ(name_of_target({"--config", named}), "named:1");
  EXPECT_EQ(name_of_target({"--config", folder.path("absent")}), folder.path("absent") + ": No such file or directory");
  environment = {{"HOME", folder.path("nowhere")}};
  EXPECT_EQ(name_of_target({}), "which daemon? Give --data DIR, --socket PATH or --url URL");
}

TEST_F(Sources, the_usual_file_is_in_the_home_folder_where_no_other_is_named) {
  write_usual("url = usual:1\n");
  ::mkdir(folder.path(".config").c_str(), 0700);
  ::mkdir(folder.path(".config/pawl").c_str(), 0700);
  folder.file(".config/pawl/pawl.conf", "url = home:1\n");
  environment["HOME"] = folder.path("");
  EXPECT_EQ(name_of_target({}), "usual:1");
  environment["XDG_CONFIG_HOME"] = "not/absolute";
  EXPECT_EQ(name_of_target({}), "home:1");
  environment["HOME"] = "/dev/null";
  EXPECT_EQ(name_of_target({}), "which daemon? Give --data DIR, --socket PATH or --url URL");
}

TEST_F(Sources, a_file_that_others_may_write_is_refused) {
  const std::string file = folder.file("open", "url = file:1\n");
  ::chmod(file.c_str(), 0666);
  EXPECT_EQ(name_of_target({"--config", file}), file + ": others may write this file: run chmod go-w on it");
  write_usual("url = usual:1\n");
  ::chmod(folder.path("pawl/pawl.conf").c_str(), 0666);
  EXPECT_EQ(name_of_target({"--data", "/d"}),
            folder.path("") + "/pawl/pawl.conf" +
                ": others may write this file: run chmod go-w on it; --config FILE names "
                "another");
}

TEST_F(Sources, a_file_that_does_not_fit_is_named_with_what_is_wrong) {
  const auto complaint = [this](const std::string& text) {
    const std::string file = folder.file("wrong", text);
    const std::string said = name_of_target({"--config", file});
    return said.starts_with(file + ": ") ? said.substr(file.size() + 2) : "elsewhere: " + said;
  };
  EXPECT_EQ(complaint("ulr = h:1\n"), "unknown option 'ulr'; did you mean 'url'?");
  EXPECT_EQ(complaint("own = 3\n"),
            "unknown option 'own'; known options: data socket url token-file cacert cert key actor");
  EXPECT_EQ(complaint("url = h:1\nurl = i:1\n"), "'url' is given twice");
  EXPECT_EQ(complaint("url\n"), "this line sets no option: 'url'");
  EXPECT_EQ(complaint("config = x\n"),
            "unknown option 'config'; known options: data socket url token-file cacert cert key actor");
}

}  // namespace
}  // namespace pawl
