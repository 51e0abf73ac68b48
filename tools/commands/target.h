// Where the daemon is and who asks: options of every command that talks to one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"
#include "tools/commands/command.h"

namespace pawl {

struct Target {
  std::string socket;            // path of its unix socket; empty: `url` alone says where
  std::string url;               // "https://host:port/prefix", without a trailing slash; a placeholder for a socket
  std::string token = {};        // empty: send none
  std::string ca_file = {};      // PEM; empty: the authorities that the system trusts
  std::string certificate = {};  // PEM; empty: present none
  std::string key = {};          // PEM; empty: it is in the certificate's file

  bool is_tls() const { return url.starts_with("https://"); }
  /// For messages.
  std::string name() const;
};

/// `own`, and the options that say where the daemon is and who asks.
std::vector<OptionSpec> with_target_options(std::vector<OptionSpec> own);
/// The same, and --json.
std::vector<OptionSpec> with_daemon_options(std::vector<OptionSpec> own);

/// The place that the source of highest precedence names; within one source, --url before --socket before --data. The
/// token comes from a file, never from the command line, which every user can read.
Result<Target> target_of(const Arguments& arguments);

/// "HOST:PORT", or "http://" or "https://" with HOST and optionally :PORT and /PREFIX, as a URL without a trailing
/// slash. `malformed` says what is wrong.
Result<std::string> daemon_url(const std::string& text);

}  // namespace pawl
