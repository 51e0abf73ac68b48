// The message of an alert by mail. What a mail server gets is tested by tests/alerts.
#include "daemon/outside/alert_mail.h"

#include <gtest/gtest.h>

#include <string>

namespace pawl {
namespace {

Alert alert_to_mail(const std::string& work_item) {
  return {.reason = "job_failed",
          .type = "JobReaped",
          .seq = Seq{77},
          .time = TimeUs{1'767'225'600 * us_per_s},
          .boot = "b",
          .actor = "reaper",
          .task = TaskId{12},
          .work_item = work_item,
          .repo = "shop",
          .stage = "review"};
}

std::string message_of(const Alert& alert) {
  return mail_of(alert, "pawl@example.org", {"team@example.org", "grace@example.org"});
}

/// Without the lines of continued headers.
std::vector<std::string> header_names(const std::string& message) {
  std::vector<std::string> names;
  std::size_t from = 0;
  for (std::size_t end; (end = message.find("\r\n", from)) != from; from = end + 2) {
    const std::string line = message.substr(from, end - from);
    if (!line.starts_with(' ')) names.push_back(line.substr(0, line.find(':')));
  }
  return names;
}

const std::vector<std::string> all_headers = {"Date",         "From",         "To",
                                              "Subject",      "Message-ID",   "Auto-Submitted",
                                              "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};

TEST(AlertMailText, says_what_happened_and_when) {
  const Alert alert = alert_to_mail("W-1");
  const std::string message = message_of(alert);
  for (const std::string& line :
       {std::string("Date: Thu, 01 Jan 2026 00:00:00 +0000"), std::string("From: pawl@example.org"),
        std::string("To: team@example.org,\r\n grace@example.org"),
        std::string("Subject: pawl: job_failed: W-1 of shop (task 12, review), by reaper, record 77"),
        "Message-ID: <pawl-77-" + id_of(alert) + "@example.org>", std::string("Content-Transfer-Encoding: 7bit"),
        std::string("work_item: W-1"), std::string("incident: pawl incident 77")}) {
    EXPECT_NE(("\r\n" + message).find("\r\n" + line + "\r\n"), std::string::npos) << line << "\n" << message;
  }
  EXPECT_EQ(header_names(message), all_headers);
  EXPECT_EQ(message.find("lease:"), std::string::npos) << "facts that do not apply are left out";
}

TEST(AlertMailText, a_name_adds_no_header_and_no_line) {
  for (const char* injected : {"W\r\nBcc: mallory@example.org\r\n\r\nbody", "W\nBcc: x", "W\rBcc: x"}) {
    Alert alert = alert_to_mail(injected);
    alert.reason = injected;
    const std::string message = message_of(alert);
    EXPECT_EQ(header_names(message), all_headers) << message;
    const std::string head = message.substr(0, message.find("\r\n\r\n"));
    for (std::size_t at = 0; (at = message.find('\n', at)) != std::string::npos; ++at) {
      EXPECT_EQ(message[at - 1], '\r') << at;
    }
    EXPECT_EQ(("\r\n" + message).find("\r\nBcc"), std::string::npos) << message;
  }
}

TEST(AlertMailText, what_is_not_ascii_is_encoded) {
  std::string umlauts;
  for (int i = 0; i < 60; ++i) umlauts += "\u00fc";
  const std::string message = message_of(alert_to_mail(umlauts));
  EXPECT_TRUE(std::all_of(message.begin(), message.end(), [](char byte) { return byte > 0; }));
  EXPECT_NE(message.find("Content-Transfer-Encoding: base64"), std::string::npos);
  EXPECT_NE(message.find("Subject: =?utf-8?B?cGF3bDog"), std::string::npos) << message;
  std::size_t from = 0;
  for (std::size_t end; (end = message.find("\r\n", from)) != std::string::npos; from = end + 2) {
    EXPECT_LE(end - from, 78U) << message.substr(from, end - from);
  }
}

TEST(AlertMailText, a_name_that_looks_encoded_is_encoded) {
  const std::string message = message_of(alert_to_mail("=?utf-8?B?SGVsbG8=?="));
  EXPECT_EQ(message.find("Subject: pawl: job_failed: =?utf-8?B?SGVsbG8=?="), std::string::npos);
}

TEST(AlertMailText, a_long_line_is_not_sent_as_it_is) {
  Alert alert = alert_to_mail("W-1");
  alert.words = std::string(2000, 'x');
  const std::string message = message_of(alert);
  std::size_t from = 0;
  for (std::size_t end; (end = message.find("\r\n", from)) != std::string::npos; from = end + 2) {
    EXPECT_LE(end - from, 998U);
  }
}

TEST(AlertId, is_that_of_the_alert) {
  const Alert alert = alert_to_mail("W-1");
  EXPECT_EQ(id_of(alert), id_of(alert_to_mail("W-1")));
  EXPECT_EQ(id_of(alert).size(), 16U);
  Alert other = alert;
  other.reason = "gate_red";
  EXPECT_NE(id_of(other), id_of(alert)) << "of the same record";
  other = alert;
  other.seq = Seq{78};
  EXPECT_NE(id_of(other), id_of(alert));
  const Alert test = test_alert(TimeUs{1}, "b", "operator", "");
  EXPECT_NE(id_of(test), id_of(test_alert(TimeUs{2}, "b", "operator", "")));
}

}  // namespace
}  // namespace pawl
