// git as pawld runs it: without a shell, without users' hooks and preferences, and without secrets where others see
// them.
//
//   DIR/repos/gitconfig   0600: git's configuration file. Has those settings of pawld's user that are needed to reach
//                         an origin or to check out a file (credentials, proxies, certificates, rewritten URLs,
//                         filters); never those that change what a command does (hooks, signing, pruning, …)
//   DIR/repos/<repo>.credential   0600: the password of an origin's URL, if it has one
//   DIR/repos/<repo>.gitconfig    0600: the user name of that URL, which may be a token, and how to get the password;
//                                 a task's own clone includes it
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/work/origins.h"
#include "daemon/work/process.h"
#include "daemon/work/system.h"
#include "schema/result.h"
#include "store/os/mutex.h"

namespace pawl {

/// How a git command ended.
struct GitEnd {
  enum class How { exited, timed_out, called_off, not_started };
  How how = How::not_started;
  std::int64_t code = 0;
  std::string said;  // stdout and stderr in order; masked
  std::string what;  // the command, for messages; masked

  bool is_ok() const { return how == How::exited && code == 0; }
  /// For people, on one line: the command and its output.
  std::string message() const;
};

/// Threads: any.
class GitCommand {
 public:
  GitCommand(System& system, std::string data_folder, std::shared_ptr<const Origins> origins);

  struct Request {
    std::vector<std::string> words;
    std::int64_t timeout_s = 900;
    const CancelToken* off = nullptr;  // null: only stop() calls it off
  };
  GitEnd run(const Request& request);
  /// Its output if it exits with 0; else an error with its output.
  Result<std::string> operator()(std::vector<std::string> words);

  /// Rereads the settings of pawld's user, and writes them with the origins' credentials to the file above.
  Result<void> write_settings();
  /// Gives a task's own clone the credentials of its origin, as lines of the clone's configuration file, which contain
  /// no credentials themselves; empty if the origin has none.
  std::string clone_settings(const std::string& repo) const;
  /// Null if the repository has no origin (any more).
  std::shared_ptr<const OriginUrl> origin(const std::string& repo) const { return origins_->of(repo); }

  std::string mask(std::string text) const { return masked(std::move(text), origins_->secrets()); }

  /// Calls off running commands and all later ones.
  void stop() { stop_.call(); }
  const CancelToken& stopped() const { return stop_; }

 private:
  std::string settings_file() const { return data_folder_ + "/repos/gitconfig"; }
  std::string credential_file(const std::string& repo) const;
  std::string included_file(const std::string& repo) const;
  /// The credentials of an origin as lines of a configuration file; empty if it has none.
  std::string credential_settings(const std::string& repo) const;
  GitEnd run_with(const Request& request, const std::vector<std::string>& environment);

  System& system_;
  const std::string data_folder_;
  const std::shared_ptr<const Origins> origins_;
  EventCancelToken stop_;
  Mutex settings_mutex_;
  std::string settings_ PAWL_GUARDED_BY(settings_mutex_);  // as last written
};

/// A setting ("section.sub.key") as lines of a configuration file; empty for a key that no file can hold.
std::string setting_lines(std::string_view key, std::string_view value);
/// Without the final newline.
std::string without_end_of_line(std::string text);
/// The first line that is just an object name. git's warnings may precede it.
std::optional<std::string> object_name_in(std::string_view said);
bool is_object_name(std::string_view word);

}  // namespace pawl
