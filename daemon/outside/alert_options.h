// The daemon's options for alerts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schema/result.h"

namespace boost::program_options {
class options_description;
class variables_map;
}  // namespace boost::program_options

namespace pawl {

struct AlertOptions {
  std::vector<std::string> command;  // words; executed without a shell
  std::string url;
  std::string url_file;   // instead of `url`, for a URL that is a secret
  std::string method;     // empty: POST
  std::string body_file;  // template of the body; empty: the default, with every fact
  std::vector<std::string> headers;
  std::vector<std::string> header_files;  // for secrets: one header per line
  std::string smtp;                       // the mail server's URL
  std::string smtp_login_file;            // two lines: user and password
  std::string smtp_tls;                   // "required" or "off"; empty: required
  std::string mail_from;
  std::vector<std::string> mail_to;
  std::string ca_file;  // authorities to trust besides the system's; also for forges
};

/// Describes --alert-command, --alert-url and so on, for both the command line and the configuration file.
void add_alert_options(boost::program_options::options_description& description);

/// Takes from a source the options that no earlier source named: call it for the source with the highest precedence
/// first.
void take_alert_options(const boost::program_options::variables_map& source, AlertOptions& options);

/// The URL to post to: http or https, with a host. Empty if neither option is set. `malformed`: both url and url_file
/// are set; it is not such a URL; a URL on the command line, visible in process lists, has a password.
Result<std::string> alert_url(const AlertOptions& options);

/// POST or PUT.
Result<std::string> alert_method(const AlertOptions& options);

struct AlertHeaders {
  std::vector<std::string> all;      // "Name: value"
  std::vector<std::string> secrets;  // the values of those from files, and each of their words
};

/// All headers. `malformed`: a header has another form, or one on the command line, visible in process
/// lists, is a secret. Errors name the option, or file and line, never a value.
Result<AlertHeaders> alert_headers(const AlertOptions& options);

/// The parts of a URL that may be secret: everything but its scheme, host and port.
std::vector<std::string> secrets_of_url(const std::string& url);

struct AlertMailOptions {
  std::string url;
  std::string from;
  std::vector<std::string> to;
  std::string user;
  std::string password;
  bool needs_tls = true;
};

/// The mail server and whom to write to; none if no option about mail is set. `malformed`: one of them is missing or
/// cannot work; a login would go in the clear to another host.
Result<std::optional<AlertMailOptions>> alert_mail(const AlertOptions& options);

}  // namespace pawl
