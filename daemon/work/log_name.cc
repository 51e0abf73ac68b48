#include "daemon/work/log_name.h"

#include <array>
#include <charconv>
#include <vector>

#include "daemon/work/path_component.h"

namespace pawl {
namespace {

constexpr std::string_view log_suffix = ".log";
constexpr char between = '~';  // which no component contains

constexpr std::array all_whats = {LogOf::agent, LogOf::gate, LogOf::step, LogOf::probe};

/// "20260615T100000.123456Z": sorts by time, and needs no quoting in a shell.
std::string stamp_of(TimeUs time) {
  std::string stamp;
  for (const char c : rfc3339(time)) {
    if (c != '-' && c != ':') stamp += c;
  }
  return stamp;
}

std::optional<TimeUs> time_of(std::string_view stamp) {
  if (stamp.size() < 16) return std::nullopt;
  std::string text(stamp);
  for (const std::size_t at : {13U, 11U}) text.insert(at, ":");
  for (const std::size_t at : {6U, 4U}) text.insert(at, "-");
  const auto time = parse_rfc3339(text);
  return time ? std::optional(*time) : std::nullopt;
}

/// Removes the leading number, and returns it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number == 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string_view name(LogOf what) {
  switch (what) {
    case LogOf::agent:
      return "agent";
    case LogOf::gate:
      return "gate";
    case LogOf::step:
      return "step";
    case LogOf::probe:
      return "probe";
  }
  return "";
}

std::string log_folder_of(TaskId task) {
  return "task-" + std::to_string(raw(task));
}

std::string path_of(const LogName& of) {
  std::string path = log_folder_of(of.task) + "/v" + std::to_string(raw(of.version));
  path += between + path_component_of(of.stage) + between + std::string(name(of.what));
  if (!of.step.empty()) path += between + path_component_of(of.step);
  return path + between + stamp_of(of.began_at) + std::string(log_suffix);
}

std::string path_of_job_log(JobId job, std::uint64_t attempt) {
  return "job-" + std::to_string(raw(job)) + "-" + std::to_string(attempt) + std::string(log_suffix);
}

std::optional<LogName> read_log_name(TaskId task, std::string_view file) {
  // Commands can write there, and the name appears in answers.
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.%~";
  const bool is_plain = file.find_first_not_of(letters) == std::string_view::npos;
  if (!is_plain || !file.ends_with(log_suffix) || !take(file, "v")) return std::nullopt;
  file.remove_suffix(log_suffix.size());
  std::vector<std::string_view> words;
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = file.find(between);
    words.push_back(file.substr(0, end));
    if (end != std::string_view::npos) file.remove_prefix(end + 1);
  }
  if (words.size() < 4 || words.size() > 5) return std::nullopt;
  const auto version = take_number(words[0]);
  const auto began_at = time_of(words.back());
  if (!version || !words[0].empty() || !began_at) return std::nullopt;
  LogName read{
      .task = task, .version = Version{*version}, .stage = std::string(words[1]), .step = {}, .began_at = *began_at};
  if (words.size() == 5) read.step = words[3];
  for (const LogOf what : all_whats) {
    if (words[2] != name(what)) continue;
    read.what = what;
    return read;
  }
  return std::nullopt;
}

LogOwner owner_of_log(std::string_view entry) {
  if (take(entry, "job-")) {
    const auto job = take_number(entry);
    return job && entry.starts_with("-") ? LogOwner{.job = JobId{*job}} : LogOwner{};
  }
  if (!take(entry, "task-")) return {};
  const auto task = take_number(entry);
  // A '-' follows in logs of an older version, which did not use folders.
  return task && (entry.empty() || entry.starts_with("-")) ? LogOwner{.task = TaskId{*task}} : LogOwner{};
}

}  // namespace pawl
