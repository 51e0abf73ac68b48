#include "daemon/outside/alert_options.h"

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/variables_map.hpp>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace pawl {
namespace {

using Strings = std::vector<std::string>;

namespace po = boost::program_options;

po::variables_map source_of(const Strings& words) {
  po::options_description description;
  add_alert_options(description);
  po::variables_map values;
  po::store(po::command_line_parser(words).options(description).run(), values);
  return values;
}

AlertOptions options_from(const Strings& words) {
  AlertOptions options;
  take_alert_options(source_of(words), options);
  return options;
}

template <class T>
std::string error_of(const Result<T>& result) {
  EXPECT_FALSE(result);
  return result ? "" : result.error().message;
}

class AlertOptionsFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/pawl-alert-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& text) const {
    const std::filesystem::path path = folder_ / "secret";
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms{0600});
    return path.string();
  }

 private:
  std::filesystem::path folder_;
};

TEST(AlertOptions, every_option_is_read) {
  const AlertOptions options = options_from({"--alert-command",
                                             "notify",
                                             "--alert-command=-u",
                                             "--alert-command",
                                             "two words",
                                             "--alert-url",
                                             "http://h/x",
                                             "--alert-body",
                                             "b",
                                             "--alert-header",
                                             "A: 1",
                                             "--alert-header",
                                             "B: 2",
                                             "--alert-header-file",
                                             "s",
                                             "--alert-url-file",
                                             "u",
                                             "--alert-method",
                                             "PUT",
                                             "--alert-smtp",
                                             "smtp://m",
                                             "--alert-smtp-login-file",
                                             "l",
                                             "--alert-smtp-tls",
                                             "off",
                                             "--alert-mail-from",
                                             "f",
                                             "--alert-mail-to",
                                             "t",
                                             "--alert-mail-to",
                                             "v",
                                             "--ca-file",
                                             "c"});
  EXPECT_EQ(options.command, (Strings{"notify", "-u", "two words"}));
  EXPECT_EQ(options.url, "http://h/x");
  EXPECT_EQ(options.url_file, "u");
  EXPECT_EQ(options.body_file, "b");
  EXPECT_EQ(options.headers, (Strings{"A: 1", "B: 2"}));
  EXPECT_EQ(options.header_files, (Strings{"s"}));
  EXPECT_EQ(options.method, "PUT");
  EXPECT_EQ(options.smtp, "smtp://m");
  EXPECT_EQ(options.smtp_login_file, "l");
  EXPECT_EQ(options.smtp_tls, "off");
  EXPECT_EQ(options.mail_from, "f");
  EXPECT_EQ(options.mail_to, (Strings{"t", "v"}));
  EXPECT_EQ(options.ca_file, "c");
}

TEST(AlertOptions, the_first_source_that_names_an_option_wins) {
  AlertOptions options;
  take_alert_options(source_of({"--alert-command", "a", "--alert-url", "http://a/"}), options);
  take_alert_options(source_of({"--alert-command", "b", "--alert-command", "c", "--alert-body", "b"}), options);
  EXPECT_EQ(options.command, (Strings{"a"}));
  EXPECT_EQ(options.url, "http://a/");
  EXPECT_EQ(options.body_file, "b");
}

TEST(AlertOptions, only_http_and_https_are_posted_to) {
  EXPECT_EQ(alert_url({.url = "https://example.org/hook"}).value(), "https://example.org/hook");
  EXPECT_EQ(alert_url({}).value(), "");
  EXPECT_EQ(error_of(alert_url({.url = "file:///etc/passwd"})), "--alert-url: must begin with http:// or https://");
  EXPECT_EQ(error_of(alert_url({.url = "ftp://example.org/"})), "--alert-url: must begin with http:// or https://");
  EXPECT_EQ(error_of(alert_url({.url = "example.org/hook"})), "--alert-url: not a URL");
  EXPECT_EQ(error_of(alert_url({.url = "http://"})), "--alert-url: not a URL");
}

TEST(AlertOptions, a_password_on_the_command_line_is_refused) {
  EXPECT_NE(error_of(alert_url({.url = "https://me:secret@example.org/"})).find("use --alert-url-file"),
            std::string::npos);
  EXPECT_NE(error_of(alert_headers({.headers = {"authorization: Bearer secret"}})).find("use --alert-header-file"),
            std::string::npos);
}

TEST(AlertOptions, a_header_has_a_name_and_a_value) {
  EXPECT_EQ(alert_headers({.headers = {"Title: pawl", "X-A:1"}}).value().all, (Strings{"Title: pawl", "X-A:1"}));
  for (const char* wrong : {"Title", ": x", "Ti tle: x", "Title:", "Title:  ", "Title: a\r\nB: c", ""}) {
    EXPECT_EQ(error_of(alert_headers({.headers = {wrong}})), "--alert-header: must be 'NAME: VALUE'") << wrong;
  }
}

TEST_F(AlertOptionsFile, that_others_may_read_is_refused_and_not_shown) {
  const std::string path = file("https://example.org/s3cret");
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  for (const std::string& error :
       {error_of(alert_url({.url_file = path})), error_of(alert_headers({.header_files = {path}}))}) {
    EXPECT_NE(error.find(path + ": others may read"), std::string::npos) << error;
    EXPECT_EQ(error.find("s3cret"), std::string::npos);
  }
}

TEST_F(AlertOptionsFile, secrets_come_from_a_file) {
  const std::string url = file("https://example.org/bot123/send\n");
  EXPECT_EQ(alert_url({.url_file = url}).value(), "https://example.org/bot123/send");
  const std::string headers = file("Authorization: Bearer s\r\n\nX-Other: 1");
  const AlertHeaders read = alert_headers({.headers = {"Title: pawl"}, .header_files = {headers}}).value();
  EXPECT_EQ(read.all, (Strings{"Title: pawl", "Authorization: Bearer s", "X-Other: 1"}));
  EXPECT_EQ(read.secrets, (Strings{"Bearer", "s", "1"}));
}

TEST_F(AlertOptionsFile, an_error_names_file_and_line_but_no_secret) {
  const std::string headers = file("Authorization: Bearer s\nsecret\n");
  EXPECT_EQ(error_of(alert_headers({.header_files = {headers}})), headers + ":2: must be 'NAME: VALUE'");
  const std::string url = file("secret\n");
  EXPECT_EQ(error_of(alert_url({.url_file = url})), "--alert-url-file " + url + ": not a URL");
  EXPECT_EQ(error_of(alert_url({.url_file = file("\n")})), "--alert-url-file " + url + ": the first line is empty");
  EXPECT_EQ(alert_url({.url_file = url + "-not"}).error().code, ErrorCode::missing);
}

TEST(AlertOptions, only_post_and_put_are_sent) {
  EXPECT_EQ(alert_method({}).value(), "POST");
  EXPECT_EQ(alert_method({.method = "PUT"}).value(), "PUT");
  EXPECT_EQ(error_of(alert_method({.method = "DELETE"})), "--alert-method: must be POST or PUT");
}

TEST(AlertOptions, what_of_a_url_is_secret) {
  const Strings secrets = secrets_of_url("https://me:word@h:8/services/T0123456/abcdefgh?key=0123456789");
  for (const char* secret : {"me", "word", "/services/T0123456/abcdefgh", "T0123456", "abcdefgh", "0123456789"}) {
    EXPECT_NE(std::find(secrets.begin(), secrets.end(), secret), secrets.end()) << secret;
  }
  EXPECT_EQ(std::find(secrets.begin(), secrets.end(), "h"), secrets.end());
}

AlertOptions mail_options() {
  return {.smtp = "smtp://mail.example.org:587",
          .mail_from = "pawl@example.org",
          .mail_to = {"team@example.org", "a.b+c@x"}};
}

TEST(AlertOptions, mail_needs_a_server_a_sender_and_a_recipient) {
  EXPECT_FALSE(alert_mail({}).value());
  const auto mail = alert_mail(mail_options()).value();
  ASSERT_TRUE(mail);
  EXPECT_TRUE(mail->needs_tls);
  EXPECT_EQ(mail->user, "");
  EXPECT_EQ(error_of(alert_mail({.mail_to = {"a@b"}})), "alerts by mail need --alert-smtp");
  EXPECT_EQ(error_of(alert_mail({.smtp = "smtp://h"})), "--alert-smtp needs --alert-mail-from and --alert-mail-to");
  const auto with = [](const auto& change) {
    AlertOptions options = mail_options();
    change(options);
    return error_of(alert_mail(options));
  };
  EXPECT_EQ(with([](auto& options) { options.smtp = "http://h"; }),
            "--alert-smtp: must begin with smtp:// or smtps://");
  EXPECT_EQ(with([](auto& options) { options.smtp = "smtp://me:secret@h"; }),
            "--alert-smtp: contains a user name or a password: use --alert-smtp-login-file");
  EXPECT_EQ(with([](auto& options) { options.smtp_tls = "maybe"; }), "--alert-smtp-tls: must be required or off");
  for (const char* wrong : {"pawl", "@h", "a@", "a@b@c", "a b@c", "<a@b>", "a@b\r\nBcc: x@y", "a@b,c@d", "\u00e4@b"}) {
    EXPECT_NE(with([&](auto& options) { options.mail_from = wrong; }).find("--alert-mail-from: must be an address"),
              std::string::npos)
        << wrong;
    EXPECT_NE(
        with([&](auto& options) { options.mail_to.push_back(wrong); }).find("--alert-mail-to: must be an address"),
        std::string::npos)
        << wrong;
  }
}

TEST_F(AlertOptionsFile, a_login_goes_nowhere_in_the_clear) {
  AlertOptions options = mail_options();
  options.smtp_login_file = file("me\nsecret\n");
  const auto mail = alert_mail(options).value();
  EXPECT_EQ(mail->user, "me");
  EXPECT_EQ(mail->password, "secret");
  options.smtp_tls = "off";
  EXPECT_EQ(error_of(alert_mail(options)), "--alert-smtp-tls off: the login would go to mail.example.org in the clear");
  options.smtp = "smtp://127.0.0.1:25";
  EXPECT_FALSE(alert_mail(options).value()->needs_tls);
  options.smtp_login_file = file("secret\n");
  const std::string error = error_of(alert_mail(options));
  EXPECT_NE(error.find("must have two lines, user and password"), std::string::npos) << error;
  EXPECT_EQ(error.find("secret\n"), std::string::npos) << error;
}

TEST_F(AlertOptionsFile, two_urls_are_one_too_many) {
  EXPECT_NE(error_of(alert_url({.url = "http://a/", .url_file = "b"})).find("only one of them"), std::string::npos);
}

}  // namespace
}  // namespace pawl
