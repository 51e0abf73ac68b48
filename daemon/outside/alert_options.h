// The daemon's options for alerts.
#pragma once

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
  std::string body_file;  // template of the body; empty: the default, with every fact
  std::vector<std::string> headers;
  std::vector<std::string> header_files;  // for secrets: one header per line
};

/// Describes --alert-command, --alert-url and so on, for both the command line and the configuration file.
void add_alert_options(boost::program_options::options_description& description);

/// Takes from a source the options that no earlier source named: call it for the source with the highest precedence
/// first.
void take_alert_options(const boost::program_options::variables_map& source, AlertOptions& options);

/// The URL to post to: http or https, with a host. Empty if neither option is set. `malformed`: both url and url_file
/// are set; it is not such a URL; a URL on the command line, visible in process lists, has a password.
Result<std::string> alert_url(const AlertOptions& options);

/// All headers, "Name: value". `malformed`: a header has another form, or one on the command line, visible in process
/// lists, is a secret. Errors name the option, or file and line, never a value.
Result<std::vector<std::string>> alert_headers(const AlertOptions& options);

}  // namespace pawl
