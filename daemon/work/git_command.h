// git as pawld runs it: without a shell, without anybody's hooks and habits, and without secrets where others see them.
//
//   DIR/repos/gitconfig   0600: what git is told by file. Of the settings of pawld's user it has those that are needed
//                         to reach an origin, or to check a file out (credentials, proxies, certificates, rewritten
//                         URLs, filters); never those that change what a command does (hooks, signing, pruning, …)
//   DIR/repos/<repo>.credential   0600: the password of an origin's URL, where it bears one
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

/// How a call of git ended.
struct GitEnd {
  enum class How { exited, timed_out, called_off, not_started };
  How how = How::not_started;
  std::int64_t code = 0;
  std::string said;  // stdout and stderr, as they came; masked
  std::string what;  // the command, for messages; masked

  bool is_ok() const { return how == How::exited && code == 0; }
  /// For people, on one line: the command and what it said.
  std::string message() const;
};

/// Threads: any.
class GitCommand {
 public:
  GitCommand(System& system, std::string data_folder, std::shared_ptr<const Origins> origins);

  struct Order {
    std::vector<std::string> words;
    std::int64_t timeout_s = 900;
    const CallOff* off = nullptr;  // null: stop() alone calls it off
  };
  GitEnd run(const Order& order);
  /// What it said, if it exits with 0; else an error with its words.
  Result<std::string> operator()(std::vector<std::string> words);

  /// Reads the settings of pawld's user again, and writes them with the origins' credentials into the file above.
  Result<void> write_settings();
  /// The credentials of an origin as lines of a configuration file, for a task's own clone; empty if it has none.
  std::string credential_settings(const std::string& repo) const;
  /// Null if the repository has none, or none any more.
  std::shared_ptr<const OriginUrl> origin(const std::string& repo) const { return origins_->of(repo); }

  std::string mask(std::string text) const { return masked(std::move(text), origins_->secrets()); }

  /// Calls off what is under way, for good.
  void stop() { stop_.call(); }
  const CallOff& stopped() const { return stop_; }

 private:
  std::string settings_file() const { return data_folder_ + "/repos/gitconfig"; }
  std::string credential_file(const std::string& repo) const;
  GitEnd run_with(const Order& order, const std::vector<std::string>& environment);

  System& system_;
  const std::string data_folder_;
  const std::shared_ptr<const Origins> origins_;
  EventCallOff stop_;
  Mutex settings_mutex_;
  std::string settings_ PAWL_GUARDED_BY(settings_mutex_);  // as written last
};

/// A setting ("section.sub.key") as lines of a configuration file; empty for a key that no file can hold.
std::string setting_lines(std::string_view key, std::string_view value);
/// Without the end of the last line.
std::string without_end_of_line(std::string text);
/// The first line that is an object's name and no more. git's warnings may stand before it.
std::optional<std::string> object_name_in(std::string_view said);
bool is_object_name(std::string_view word);

}  // namespace pawl
