// Alerts by e-mail: one plain message to all recipients, by SMTP.
#pragma once

#include <string>
#include <vector>

#include "daemon/outside/alert_delivery.h"

namespace pawl {

/// The message: headers and body, with CRLF at the end of each line. Nothing in an alert can add a header: what is not
/// ASCII in the subject is encoded, and the facts have no line ends there. Date and Message-ID are the same whenever
/// the same alert is sent, so that repeats are recognised.
std::string mail_of(const Alert& alert, const std::string& from, const std::vector<std::string>& to);

class AlertMail {
 public:
  struct Options {
    std::string url;  // smtp:// or smtps://
    std::string from;
    std::vector<std::string> to;
    std::string user;      // empty: no login
    std::string password;  // not shown in messages, even if an answer repeats it
    bool needs_tls = true;
    std::string ca_file;
  };
  explicit AlertMail(Options options) : options_(std::move(options)) {}

  AlertDelivery send(const Alert& alert, const CancelToken& cancel_token) const;

 private:
  Options options_;
};

}  // namespace pawl
