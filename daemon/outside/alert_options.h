// Where alerts go, as the daemon's options say it.
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
  std::string url_file;   // instead of `url`, where the URL is a secret
  std::string body_file;  // template of the body; empty: every fact
  std::vector<std::string> headers;
  std::vector<std::string> header_files;  // for secrets: a header a line
};

/// Describes --alert-command, --alert-url and so on, for the command line and the configuration file alike.
void add_alert_options(boost::program_options::options_description& description);

/// Takes from a source the options that none before it named: so call it for the weightiest source first.
void take_alert_options(const boost::program_options::variables_map& source, AlertOptions& options);

/// The URL to post to: http or https, with a host. Empty if there is none.
/// `malformed`: both url and url_file; not such a URL; a password in one that a process list shows.
Result<std::string> alert_url(const AlertOptions& options);

/// All headers, "Name: value". `malformed`: one has another form, or is a secret that a process list shows. Errors
/// name the option, or file and line, never a value.
Result<std::vector<std::string>> alert_headers(const AlertOptions& options);

}  // namespace pawl
