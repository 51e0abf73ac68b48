// `pawl witness`: prints the chain at a log's head, to be kept where the log's owner cannot write.
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "store/os/descriptor.h"
#include "store/os/file_io.h"
#include "tools/commands/answers.h"
#include "tools/commands/output.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/witness_lines.h"

namespace pawl {
namespace {

using std::chrono::steady_clock;

/// How often to retry a daemon that does not answer.
constexpr std::chrono::seconds retry_pause{5};

/// "90", "90s", "15m", "1h", "1d"
Result<std::chrono::seconds> duration_of(const std::string& text, std::string_view option) {
  std::uint64_t unit = 1;
  std::string digits = text;
  if (const std::size_t at = std::string_view("smhd").find(text.empty() ? ' ' : text.back()); at != std::string::npos) {
    constexpr std::uint64_t units[] = {1, 60, 3600, 86'400};
    unit = units[at];
    digits.pop_back();
  }
  constexpr std::uint64_t days_max = 366;
  const auto number = read_number(digits, option);
  if (!number || *number == 0 || *number > days_max * 86'400 / unit) {
    return Error{ErrorCode::malformed,
                 std::string(option) + ": '" + text + "' is not a time such as 90s, 15m, 1h or 1d"};
  }
  return std::chrono::seconds(static_cast<std::int64_t>(*number * unit));
}

/// Where the lines go: to standard output, or durably to the end of a file.
class WitnessFile {
 public:
  static Result<WitnessFile> at(const std::optional<std::string>& path) {
    WitnessFile lines;
    if (!path) return lines;
    lines.path_ = *path;
    lines.file_ =
        Descriptor(::open(path->c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
    struct stat about {};
    if (!lines.file_ || ::fstat(lines.file_.get(), &about) != 0) return lines.trouble(std::strerror(errno));
    if (!S_ISREG(about.st_mode)) return lines.trouble("not a regular file");
    char last = '\n';
    if (about.st_size > 0 && ::pread(lines.file_.get(), &last, 1, about.st_size - 1) != 1) {
      return lines.trouble(std::strerror(errno));
    }
    if (last != '\n') return lines.trouble("its last line is incomplete: nothing was appended");
    return lines;
  }

  /// One write per line: a process killed in between leaves a whole line or none.
  Result<void> add(const std::string& text) {
    if (!file_) {
      print(text + '\n');
      if (std::fflush(stdout) != 0) return Error{ErrorCode::io, "cannot write to standard output"};
      return {};
    }
    PAWL_TRY(write_all(file_, text + '\n', path_));
    if (::fsync(file_.get()) != 0) return trouble(std::strerror(errno));
    return {};
  }

 private:
  Error trouble(const std::string& why) const { return {ErrorCode::io, "--to " + path_ + ": " + why}; }

  std::string path_;
  Descriptor file_;
};

Result<WitnessLine> head_of_daemon(Client& client) {
  const auto answer = PAWL_TRY(call(client, {.method = "GET", .path = "/v1/head"}));
  return read_witness_line(boost::json::serialize(answer));
}

/// The heads of one log, or of one daemon.
class HeadSource {
 public:
  static Result<HeadSource> of(const Arguments& arguments) {
    HeadSource source;
    if (!arguments.positional().empty()) {
      source.log_ = arguments.positional()[0];
      for (const std::string_view option : {"data", "socket", "url", "token-file"}) {
        if (arguments.source_of({option}) == Source::command_line)
          return Error{ErrorCode::malformed, "give LOG or --" + std::string(option) + ", not both"};
      }
      return source;
    }
    source.client_.emplace(PAWL_TRY(target_of(arguments)));
    return source;
  }

  /// Empty: ask the daemon.
  const std::string& log() const { return log_; }
  Result<WitnessLine> head() { return client_ ? head_of_daemon(*client_) : head_of_log(log_); }

 private:
  std::string log_;
  std::optional<Client> client_;
};

/// Prints a line now and one each interval, if the head has moved; waits for a daemon that is away.
Exit go_on(HeadSource& source, WitnessFile& lines, std::chrono::seconds every) {
  std::string last;
  bool is_away = false;
  for (auto due = steady_clock::now();;) {
    const auto head = source.head();
    if (head) {
      is_away = false;
      if (head->text() != last) {
        last = head->text();
        const auto added = lines.add(last);
        if (!added) return fail(Exit::refused, added.error().message);
      }
      while (due <= steady_clock::now()) due += every;
      std::this_thread::sleep_until(due);
      continue;
    }
    if (!is_away) fail(Exit::refused, head.error().message + "; trying again");
    is_away = true;
    std::this_thread::sleep_for(std::min(every, retry_pause));
  }
}

Exit run_witness(const Arguments& arguments) {
  auto source = HeadSource::of(arguments);
  if (!source) return fail(Exit::usage, source.error().message);
  std::optional<std::chrono::seconds> every;
  if (const auto text = arguments.value("every")) {
    const auto read = duration_of(*text, "--every");
    if (!read) return fail(read.error());
    if (source->log() == "-") return fail(Exit::usage, "--every: standard input has only one end");
    every = *read;
  }
  const auto to = arguments.value("to");
  const std::string folder = source->log().empty() ? arguments.value_or("data", "") : source->log();
  if (to && !folder.empty() && lies_in(*to, folder)) {
    return fail(Exit::usage, "--to " + *to + ": is inside the log that it witnesses");
  }
  auto lines = WitnessFile::at(to);
  if (!lines) return fail(Exit::usage, lines.error().message);
  if (every) return go_on(*source, *lines, *every);
  const auto head = source->head();
  if (!head) return source->log().empty() ? fail(head.error()) : fail_to_read(head.error());
  const auto added = lines->add(head->text());
  return added ? Exit::done : fail(Exit::refused, added.error().message);
}

}  // namespace

const Command witness_command = {
    .name = "witness",
    .arguments = "[LOG]",
    .summary = "Prints the chain at a log's head: a line to keep where the log's owner cannot write",
    .details =
        "LOG is a data folder, a backup, a file of exported lines, or '-'; without LOG, pawl asks a daemon (role\n"
        "read). The line has the seq and the time of the last record, the state's digest, and the chain over all\n"
        "records so far. Anyone who can write the log's files can rewrite them with a matching chain; 'pawl check\n"
        "LOG --witness FILE' detects that with lines that were kept elsewhere: on another machine, under another\n"
        "user, on paper.\n",
    .options =
        with_target_options({{"every", "TIME", "continue: print a line each 1h, 15m or 90s, if the head has moved"},
                             {"to", "FILE", "append to this file, durably"}}),
    .positional_max = 1,
    .run = run_witness};

}  // namespace pawl
