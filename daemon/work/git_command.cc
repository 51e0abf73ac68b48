#include "daemon/work/git_command.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "daemon/work/output_log.h"
#include "daemon/work/path_component.h"
#include "daemon/work/process_run.h"
#include "store/os/file_io.h"
#include "store/os/inner_file.h"
#include "store/os/system_error.h"

namespace pawl {
namespace {

constexpr std::int64_t git_kill_after_s = 10;
constexpr std::size_t git_message_bytes_max = 1000;
constexpr std::size_t git_output_bytes_max = 256 << 20;

std::string whole(const Descriptor& file) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (off_t at = 0; text.size() < git_output_bytes_max;) {
    const ssize_t got = ::pread(file.get(), buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    at += got;
  }
  return text;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\r', '\n');  // ssh ends its lines with both
  std::string line = without_end_of_line(std::move(text)).substr(0, git_message_bytes_max);
  for (std::size_t at = line.find('\n'); at != std::string::npos; at = line.find('\n', at)) {
    line.replace(at, std::min(line.find_first_not_of('\n', at), line.size()) - at, "; ");
  }
  return line;
}

/// Whether a setting of pawld's user is needed to reach an origin or to check out a file. Keys are in lower case,
/// except for the part between the first and the last dot.
bool is_needed(std::string_view key) {
  constexpr std::array<std::string_view, 8> sections{"credential.", "http.",   "url.",      "ssh.",
                                                     "safe.",       "filter.", "protocol.", "lfs."};
  constexpr std::array<std::string_view, 3> keys{"core.sshcommand", "core.gitproxy", "core.askpass"};
  return std::any_of(sections.begin(), sections.end(), [&](std::string_view each) { return key.starts_with(each); }) ||
         std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// A value, quoted for git's configuration.
std::string quoted(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// The needed settings in the output of `git config --list -z --show-scope`.
std::string needed_settings(const std::string& listed) {
  std::string out;
  for (std::size_t at = 0; at < listed.size();) {
    const std::size_t scope_end = listed.find('\0', at);
    if (scope_end == std::string::npos) break;
    const std::size_t end = std::min(listed.find('\0', scope_end + 1), listed.size());
    const std::string_view scope = std::string_view(listed).substr(at, scope_end - at);
    const std::string_view entry = std::string_view(listed).substr(scope_end + 1, end - scope_end - 1);
    at = end + 1;
    const std::size_t line = entry.find('\n');
    const std::string_view key = entry.substr(0, line);
    if ((scope != "global" && scope != "system") || !is_needed(key)) continue;
    // A key without "=" means true.
    out += setting_lines(key, line == std::string_view::npos ? "true" : entry.substr(line + 1));
  }
  return out;
}

/// Adds the variables that may be needed to reach an origin, in addition to settings.
void add_ways_out(std::vector<std::string>& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
  }
}

/// Replaces a file in the folder, readable only by this user.
Result<void> write_private(const Descriptor& folder, const std::string& path, const std::string& text) {
  const std::string name = std::filesystem::path(path).filename().string();
  const std::string part = name + ".part";
  ::unlinkat(folder.get(), part.c_str(), 0);
  const Descriptor file = open_below(folder, part, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) return inner_error(path);
  PAWL_TRY(write_all(file, text, path));
  if (::renameat(folder.get(), part.c_str(), folder.get(), name.c_str()) != 0) return system_error(path, "rename");
  return {};
}

/// Whether it works in a task's own clone: files checked out there belong to the agents, and get the mode they would
/// use.
bool is_in_worktree(const std::vector<std::string>& words) {
  const bool makes_clone = words.front() == "init" && std::find(words.begin(), words.end(), "--bare") == words.end();
  return words.front() == "-C" || makes_clone;
}

}  // namespace

std::string setting_lines(std::string_view key, std::string_view value) {
  const std::size_t first = key.find('.');
  const std::size_t last = key.rfind('.');
  if (first == std::string_view::npos || key.find('\n') != std::string_view::npos) return {};
  std::string out = "[" + std::string(key.substr(0, first));
  if (last > first) out += " " + quoted(key.substr(first + 1, last - first - 1));
  return out + "]\n\t" + std::string(key.substr(last + 1)) + " = " + quoted(value) + "\n";
}

std::string without_end_of_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

bool is_object_name(std::string_view word) {
  return (word.size() == 40 || word.size() == 64) &&
         word.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<std::string> object_name_in(std::string_view said) {
  for (std::size_t begin = 0; begin < said.size();) {
    const std::size_t end = std::min(said.find('\n', begin), said.size());
    if (const std::string_view line = said.substr(begin, end - begin); is_object_name(line)) return std::string(line);
    begin = end + 1;
  }
  return std::nullopt;
}

std::string GitCommand::credential_file(const std::string& repo) const {
  return data_folder_ + "/repos/" + path_component_of(repo) + ".credential";
}

std::string GitCommand::included_file(const std::string& repo) const {
  return data_folder_ + "/repos/" + path_component_of(repo) + ".gitconfig";
}

std::string GitEnd::message() const {
  switch (how) {
    case How::timed_out:
      return what + ": exceeded its time limit" + (said.empty() ? "" : ": " + one_line(said));
    case How::called_off:
      return what + ": called off";
    case How::exited:
    case How::not_started:
      return what + ": " + one_line(said);
  }
  return what;
}

GitCommand::GitCommand(System& system, std::string data_folder, std::shared_ptr<const Origins> origins)
    : system_(system), data_folder_(std::move(data_folder)), origins_(std::move(origins)) {}

GitEnd GitCommand::run(const Request& request) {
  std::vector<std::string> environment = system_.clean_environment();
  add_ways_out(environment, {"SSH_AUTH_SOCK", "SSH_ASKPASS", "GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "http_proxy",
                             "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
                             "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_NO_VERIFY"});
  environment.push_back("GIT_CONFIG_GLOBAL=" + settings_file());
  environment.emplace_back("GIT_CONFIG_NOSYSTEM=1");
  return run_with(request, environment);
}

GitEnd GitCommand::run_with(const Request& request, const std::vector<std::string>& environment) {
  GitEnd end;
  end.what = "git";
  for (const std::string& word : request.words) end.what += " " + word;
  end.what = mask(std::move(end.what));
  Descriptor output(::memfd_create("git", MFD_CLOEXEC));
  Descriptor written(::fcntl(output.get(), F_DUPFD_CLOEXEC, 3));
  if (!output || !written) {
    end.said = std::string("memfd_create: ") + std::strerror(errno);
    return end;
  }
  RunRequest run_request;
  // On the command line, since agents can change the settings of a task's clone. Background processes would be mistaken
  // for something left behind, and nothing is ever pruned.
  run_request.command = {"git",
                         "-c",
                         "core.hooksPath=/dev/null",
                         "-c",
                         "gc.auto=0",
                         "-c",
                         "maintenance.auto=false",
                         "-c",
                         "core.fsmonitor=false",
                         "-c",
                         "advice.detachedHead=false",
                         "-c",
                         "submodule.recurse=false",
                         "--no-optional-locks"};
  run_request.command.insert(run_request.command.end(), request.words.begin(), request.words.end());
  run_request.folder = data_folder_;
  run_request.environment = environment;
  run_request.environment.emplace_back("LC_ALL=C");  // its messages are parsed
  run_request.environment.emplace_back("GIT_TERMINAL_PROMPT=0");
  // A folder that has lost its .git must not count as part of a repository around the data folder.
  run_request.environment.push_back("GIT_CEILING_DIRECTORIES=" + data_folder_ + "/work");
  run_request.purpose = "git";
  run_request.makes_pawls_files = !is_in_worktree(request.words);
  Result<PreparedProcess> run =
      PreparedProcess::prepare(system_, run_request, std::make_shared<LogFile>(std::move(written), ""));
  if (!run) {
    end.said = run.error().message;
    return end;
  }
  const CommandExit exit =
      run->start_and_wait({request.timeout_s, git_kill_after_s}, request.off ? request.off : &stop_);
  end.said = mask(whole(output));
  if (exit.how == CommandExit::How::timed_out) {
    end.how = GitEnd::How::timed_out;
  } else if (exit.how == CommandExit::How::lost) {
    end.how = GitEnd::How::called_off;
  } else {
    end.how = GitEnd::How::exited;
    end.code = exit.how == CommandExit::How::exited ? exit.code : 128 + exit.code;
  }
  return end;
}

Result<std::string> GitCommand::operator()(std::vector<std::string> words) {
  GitEnd end = run({.words = std::move(words)});
  if (end.is_ok()) return std::move(end.said);
  return Error{is_damage(end.said) ? ErrorCode::damaged : ErrorCode::io, end.message()};
}

std::string GitCommand::credential_settings(const std::string& repo) const {
  const auto origin = origins_->of(repo);
  if (!origin || !origin->username) return {};
  // git asks the user's own helpers first. This one knows the URL's password; without one, the user name is a token,
  // and any password will do. It reads a file, since a password in the helper would appear on a shell's command line.
  std::string file;
  for (const char c : credential_file(repo)) c == '\'' ? file += "'\\''" : file += c;
  const std::string key = "credential." + origin->plain;
  return setting_lines(key + ".username", *origin->username) +
         setting_lines(key + ".helper", "!f() { test \"$1\" = get && cat '" + file + "'; }; f");
}

/// Agents show and copy their clone's configuration file without a thought, and a user name may be a token.
std::string GitCommand::clone_settings(const std::string& repo) const {
  return credential_settings(repo).empty() ? std::string() : setting_lines("include.path", included_file(repo));
}

Result<void> GitCommand::write_settings() {
  std::vector<std::string> environment = system_.clean_environment();
  add_ways_out(environment, {"XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"});
  const GitEnd listed =
      run_with({.words = {"config", "--list", "--includes", "-z", "--show-scope"}, .timeout_s = 30, .off = nullptr},
               environment);
  // If the settings cannot be read, use none.
  std::string text = listed.is_ok() ? needed_settings(listed.said) : std::string();
  const auto origins = origins_->all();
  for (const auto& [repo, origin] : origins) text += credential_settings(repo);
  const MutexLock lock(settings_mutex_);
  std::error_code error;
  if (text == settings_ && std::filesystem::exists(settings_file(), error)) return {};
  const std::string repos = data_folder_ + "/repos";
  PAWL_TRY(make_inner_folders(repos));
  const Descriptor folder = open_inner(repos, O_RDONLY | O_DIRECTORY);
  if (!folder) return inner_error(repos);
  for (const auto& [repo, origin] : origins) {
    if (!origin->username) continue;
    PAWL_TRY(write_private(folder, credential_file(repo), "password=" + origin->password.value_or("") + "\n"));
    PAWL_TRY(write_private(folder, included_file(repo), credential_settings(repo)));
  }
  PAWL_TRY(write_private(folder, settings_file(), text));
  settings_ = std::move(text);
  return {};
}

}  // namespace pawl
