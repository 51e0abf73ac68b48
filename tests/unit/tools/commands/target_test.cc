#include "tools/commands/target.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

std::string url_of(const std::string& text) {
  const auto url = daemon_url(text);
  return url ? *url : url.error().message;
}

TEST(Target, an_address_is_a_url_or_host_and_port) {
  EXPECT_EQ(url_of("127.0.0.1:7777"), "http://127.0.0.1:7777");
  EXPECT_EQ(url_of("[::1]:7777"), "http://[::1]:7777");
  EXPECT_EQ(url_of("http://pawl:1/"), "http://pawl:1");
  EXPECT_EQ(url_of("https://pawl.example"), "https://pawl.example");
  EXPECT_EQ(url_of("https://pawl.example:8443/ci/pawl/"), "https://pawl.example:8443/ci/pawl");
}

TEST(Target, another_address_is_refused_with_what_is_wrong) {
  EXPECT_EQ(url_of("htps://h"), "--url: the scheme of 'htps://h' is 'htps', not http or https; did you mean 'https'?");
  EXPECT_EQ(url_of("ftp://h"), "--url: the scheme of 'ftp://h' is 'ftp', not http or https");
  EXPECT_NE(url_of("https://u:secret@h").find("must not contain a user"), std::string::npos);
  EXPECT_EQ(url_of("https://u:secret@h").find("secret"), std::string::npos);
  for (const std::string wrong :
       {"", "h", "h:", ":1", "h:x", "::1:7777", "h:99999", "https://", "https://h/?a", "h:1/#b", "http://h:1/a b"}) {
    EXPECT_NE(url_of(wrong).find("is not HOST:PORT or https://HOST[:PORT][/PREFIX]"), std::string::npos)
        << wrong << ": " << url_of(wrong);
  }
}

class TargetFiles : public testing::Test {
 protected:
  std::string told(std::vector<std::string_view> words) {
    const Command command{.options = with_target_options({})};
    const auto arguments = read_arguments(command, words);
    const auto target = arguments ? target_of(*arguments) : arguments.error();
    return target ? "accepted" : target.error().message;
  }
  TestFolder folder;
};

TEST_F(TargetFiles, certificates_are_for_https_and_can_be_read) {
  const std::string file = folder.file("f.pem", "x");
  const std::string open = folder.file("open.pem", "x");
  ::chmod(file.c_str(), 0600);
  ::chmod(open.c_str(), 0644);
  EXPECT_EQ(told({"--url", "https://h", "--cacert", open}), "accepted");
  EXPECT_EQ(told({"--url", "https://h", "--cert", open, "--key", file}), "accepted");
  EXPECT_EQ(told({"--url", "https://h", "--cert", file}), "accepted");
  EXPECT_EQ(told({"--url", "https://h", "--cert", file, "--key", open}),
            open + ": others may read or write this file: run chmod o= on it");
  EXPECT_EQ(told({"--url", "https://h", "--key", file}), "--key needs --cert");
  EXPECT_EQ(told({"--url", "https://h", "--cacert", "/nowhere/ca.pem"}), "/nowhere/ca.pem: No such file or directory");
  EXPECT_EQ(told({"--url", "h:1", "--cacert", open}), "--cacert needs --url https://…, but the daemon is at h:1");
}

}  // namespace
}  // namespace pawl
