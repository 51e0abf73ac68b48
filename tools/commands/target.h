// Where the daemon is and who asks: options of every command that speaks to one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"
#include "tools/commands/command.h"

namespace pawl {

struct Target {
  std::string socket;            // path of its unix socket; empty: `url` alone says where
  std::string url;               // "https://host:port/prefix", without a slash at its end; of a socket, a stand-in
  std::string token = {};        // empty: none is sent
  std::string ca_file = {};      // PEM; empty: the authorities that the system trusts
  std::string certificate = {};  // PEM; empty: this client shows none
  std::string key = {};          // PEM; empty: it stands in the certificate's file

  bool is_tls() const { return url.starts_with("https://"); }
  /// For messages.
  std::string name() const;
};

/// `own`, and what says where the daemon is and who asks.
std::vector<OptionSpec> with_target_options(std::vector<OptionSpec> own);
/// Likewise, with --json besides.
std::vector<OptionSpec> with_daemon_options(std::vector<OptionSpec> own);

/// The place that the weightiest source names, of one source by --url before --socket before --data; and the token from
/// its file. Never the token itself: a command line is everybody's to read.
Result<Target> target_of(const Arguments& arguments);

/// "HOST:PORT", or "http://" or "https://" with HOST, and if need be :PORT and a /PREFIX: as a URL without a slash at
/// its end. `malformed` says what else it is.
Result<std::string> daemon_url(const std::string& text);

}  // namespace pawl
