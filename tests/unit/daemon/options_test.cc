// The daemon's options: command line, environment and file.
#include "daemon/options.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace pawl {
namespace {

Result<Options> options(std::vector<const char*> arguments,
                        const std::map<std::string, std::string>& environment = {}) {
  return read_options(arguments, [environment](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

std::string error_of(const std::vector<const char*>& arguments,
                     const std::map<std::string, std::string>& environment = {}) {
  const auto read = options(arguments, environment);
  return read ? "none" : read.error().message;
}

TEST(Options, command_line_outweighs_environment_and_file) {
  const std::string file = testing::TempDir() + "pawl-options-" + std::to_string(::getpid());
  std::ofstream(file) << "data = /from-file\nlisten = 127.0.0.1:1\npipeline = one.yaml\n"
                      << "repo = shop=./url-file\nrepo = depot=git/depot.git\n";
  const auto read = options({"--data", "/from-line", "--config", file.c_str(), "--repo", "shop=host:url-line"},
                            {{"PAWL_DATA", "/from-environment"}, {"PAWL_LISTEN", "[::1]:2"}});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->data, "/from-line");
  EXPECT_EQ(read->listen->host, "::1");
  EXPECT_EQ(read->listen->port, 2);
  EXPECT_EQ(read->socket, "/from-line/pawl.sock") << "in addition to the --listen address";
  ASSERT_EQ(read->notes.size(), 2U) << "each unused folder is named";
  EXPECT_EQ(read->notes[0],
            "the data folder is /from-line, from the command line; the one from the environment, "
            "/from-environment, is not used");
  EXPECT_NE(read->notes[1].find("the one from the file " + file + ", /from-file, is not used"), std::string::npos)
      << read->notes[1];
  EXPECT_EQ(read->pipelines, std::vector<std::string>{"one.yaml"});
  EXPECT_EQ(read->repos.at("shop"), "host:url-line");
  EXPECT_EQ(read->repos.at("depot"), std::filesystem::path(file).parent_path() / "git/depot.git")
      << "a relative path starts from the file that holds it";
  ::unlink(file.c_str());
}

TEST(Options, environment_outweighs_file_and_the_same_folder_twice_is_no_matter) {
  const std::string file = testing::TempDir() + "pawl-options-two-" + std::to_string(::getpid());
  std::ofstream(file) << "data = /same\nlisten = 127.0.0.1:1\n";
  const auto read = options({"--config", file.c_str()}, {{"PAWL_DATA", "/same/"}, {"PAWL_LISTEN", "[::1]:2"}});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->listen->port, 2);
  const auto other = options({"--config", file.c_str()}, {{"PAWL_DATA", "/other"}});
  EXPECT_EQ(other->data, "/other");
  EXPECT_EQ(other->notes.size(), 1U);
  ::unlink(file.c_str());
}

TEST(Options, the_wall_clock_is_accepted_by_the_command_line_alone) {
  EXPECT_FALSE(options({"--data", "/d"})->accept_clock);
  EXPECT_TRUE(options({"--data", "/d", "--accept-clock"})->accept_clock);
  const std::string file = testing::TempDir() + "pawl-clock-" + std::to_string(::getpid());
  std::ofstream(file) << "data = /d\naccept-clock = true\n";
  EXPECT_NE(error_of({"--config", file.c_str()}).find("accept-clock"), std::string::npos)
      << "an option in the file would apply to every start";
  ::unlink(file.c_str());
}

TEST(Options, the_socket_is_in_the_data_folder_unless_said) {
  EXPECT_EQ(options({"--data", "/d"})->socket, "/d/pawl.sock");
  EXPECT_EQ(options({"--data", "/d", "--socket", "/s"})->socket, "/s");
  EXPECT_EQ(options({"--data", "/d", "--listen", "127.0.0.1:0"})->socket, "/d/pawl.sock");
}

TEST(Options, a_repository_may_be_nowhere_and_a_relative_path_is_one_from_here) {
  const auto read = options({"--data", "/d", "--repo", "shop=", "--repo", "depot=../depot.git", "--repo",
                             "till=https://token@host/till.git"});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->repos.at("shop"), "");
  EXPECT_EQ(read->repos.at("depot"), std::filesystem::current_path().parent_path() / "depot.git");
  EXPECT_EQ(read->repos.at("till"), "https://token@host/till.git");
  EXPECT_EQ(repos_for_log(*read).at("till"), "https://host/till.git");
}

TEST(Options, every_error_names_the_option) {
  EXPECT_NE(error_of({}).find("--data"), std::string::npos);
  EXPECT_NE(error_of({"--data"}).find("--data"), std::string::npos);
  EXPECT_NE(error_of({"--data", "/d", "--colour"}).find("colour"), std::string::npos);
  EXPECT_NE(error_of({"--data", "/d", "--dat", "/e"}).find("dat"), std::string::npos) << "no guessing";
  EXPECT_NE(error_of({"--data", "/d", "stray"}).find("only options"), std::string::npos);
  for (const char* listen : {"7777", ":7777", "host:", "host:port", "::1:7777", "host:70000", "host:7x"}) {
    EXPECT_NE(error_of({"--data", "/d", "--listen", listen}).find("--listen"), std::string::npos) << listen;
  }
  for (const char* repo : {"shop", "=url", "../x=url", "-x=url", "a//b=url", "sh\nop=url"}) {
    EXPECT_NE(error_of({"--data", "/d", "--repo", repo}).find("--repo"), std::string::npos) << repo;
  }
  const std::string with_password = error_of({"--data", "/d", "--repo", "shop=https://me:s3cret@example.org/shop.git"});
  EXPECT_NE(with_password.find("--repo: the URL of shop has a password"), std::string::npos) << with_password;
  EXPECT_EQ(with_password.find("s3cret"), std::string::npos);
  for (const char* repo :
       {"https://tok3n@host/shop.git", "https://tok3n@host/shop.git?a=b", "ssh://me:tok3n@host/x=y"}) {
    const std::string said = error_of({"--data", "/d", "--repo", repo});
    EXPECT_TRUE(said.starts_with("--repo: ")) << said;
    EXPECT_EQ(said.find("tok3n"), std::string::npos) << "a value without a name is not shown";
  }
  for (const char* repo :
       {"shop=git@example.org:shop.git", "shop=ssh://git@example.org:22/shop.git", "shop=/a/b:c@d"}) {
    EXPECT_EQ(error_of({"--data", "/d", "--repo", repo}), "none") << repo;
  }
  EXPECT_NE(error_of({"--data", "/d", "--log", "xml"}).find("--log"), std::string::npos);
  EXPECT_NE(error_of({"--data", "/d", "--config", "/none"}).find("/none"), std::string::npos);
  EXPECT_NE(error_of({"--data", "/d"}, {{"PAWL_LISTEN", "x"}}).find("--listen"), std::string::npos);
}

TEST(Options, unknown_names_in_the_file_are_refused_with_the_file) {
  const std::string file = testing::TempDir() + "pawl-options-bad-" + std::to_string(::getpid());
  std::ofstream(file) << "data = /d\ncolour = red\n";
  const std::string error = error_of({"--config", file.c_str()});
  EXPECT_NE(error.find("colour"), std::string::npos);
  EXPECT_NE(error.find(file), std::string::npos);
  ::unlink(file.c_str());
}

TEST(Options, an_unknown_name_is_told_with_the_nearest_known_one) {
  EXPECT_EQ(error_of({"--data", "/d", "--pipline", "x"}),
            "command line: unrecognised option '--pipline'; did you mean '--pipeline'?");
  EXPECT_EQ(error_of({"--data", "/d", "--colour"}), "command line: unrecognised option '--colour'");
  const std::string file = testing::TempDir() + "pawl-options-near-" + std::to_string(::getpid());
  std::ofstream(file) << "data = /d\nlissten = 127.0.0.1:7777\n";
  EXPECT_TRUE(error_of({"--config", file.c_str()}).ends_with("'lissten'; did you mean 'listen'?"));
  ::unlink(file.c_str());
}

TEST(Options, help_and_version_are_answers) {
  EXPECT_NE(options({"--help"})->answer->find("--pipeline"), std::string::npos);
  EXPECT_TRUE(options({"--version"})->answer->starts_with("pawld "));
}

}  // namespace
}  // namespace pawl
