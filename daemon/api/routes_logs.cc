// Calls about commands' output: of a job, or of anything that ran for a task.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "daemon/api/call.h"
#include "daemon/work/log_name.h"
#include "daemon/work/stored_output.h"
#include "schema/json/json_text.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t log_bytes_per_answer_max = 1024 * 1024;
/// Polls, because no record says when a command prints; waiting requests do not hold a thread.
constexpr std::chrono::milliseconds look_for_output{200};
/// How many of a job's last attempts to look for.
constexpr std::uint64_t attempts_listed_max = 256;

// ---- the text

struct LogAsked {
  RouteContext& context;
  fs::path path;
  std::string run;
  std::int64_t from;
  LongPolls::Time deadline;
  std::shared_ptr<const std::atomic<bool>> gone;
  std::function<void(HttpResponse)> waits;
  HttpReply reply;
};

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

/// The line in place of output that was not kept, or nothing.
std::string gap_line(const StoredOutput& stored, std::int64_t from, const StoredOutput::Piece& piece) {
  if (piece.range.from <= from) return {};
  const bool is_line_begin = from == 0 || stored.read(from - 1, 1).bytes == "\n";
  return (is_line_begin ? "" : "\n") + std::string("pawl: ") + grouped(piece.range.from - from) +
         " bytes are not kept here\n";
}

/// The answer with the output; none if there is nothing yet and more may come.
std::optional<HttpResponse> log_answer(const LogAsked& asked, const StoredOutput& stored, bool is_over) {
  StoredOutput::Piece piece = stored.read(asked.from, log_bytes_per_answer_max);
  const std::vector<OutputRange> gaps = stored.gaps();
  const bool is_cut_off =
      std::any_of(gaps.begin(), gaps.end(), [&](const OutputRange& gap) { return gap.from == piece.range.to; });
  const bool has_ended = !stored.is_live() && piece.range.to >= stored.produced();
  if (!is_cut_off && !has_ended) {
    // The next read returns an incomplete character in full.
    const std::size_t incomplete = incomplete_at_end(piece.bytes);
    piece.bytes.resize(piece.bytes.size() - incomplete);
    piece.range.to -= static_cast<std::int64_t>(incomplete);
  }
  if (piece.bytes.empty() && !has_ended && !is_over) return std::nullopt;
  HttpResponse response{.content_type = "text/plain; charset=utf-8", .body = {}};
  response.body = gap_line(stored, asked.from, piece) + as_utf8(piece.bytes);
  response.headers.emplace_back("Pawl-Log-Run", asked.run);
  response.headers.emplace_back("Pawl-Log-From", std::to_string(piece.range.from));
  response.headers.emplace_back("Pawl-Log-Next", std::to_string(piece.range.to));
  if (piece.range.from > asked.from) {
    response.headers.emplace_back("Pawl-Log-Skipped",
                                  std::to_string(asked.from) + "-" + std::to_string(piece.range.from));
  }
  response.headers.emplace_back("Pawl-Log-End", has_ended ? "true" : "false");
  return response;
}

void answer_log(std::shared_ptr<LogAsked> asked, LongPolls::Wake wake) {
  if (asked->gone && asked->gone->load()) return;
  RouteContext& context = asked->context;
  const auto look = [asked, wake, &context] {
    const LongPolls::Turn seen = context.record_waits.turn();
    const auto stored = StoredOutput::look_at(asked->path);
    if (!stored) return asked->reply(http_error(404, "no_log", "that run has no captured output"));
    const auto now = std::chrono::steady_clock::now();
    const bool is_over = wake == LongPolls::Wake::stopped || now >= asked->deadline;
    if (auto response = log_answer(*asked, *stored, is_over)) return asked->reply(*std::move(response));
    if (asked->waits) asked->waits(log_answer(*asked, *stored, true).value());
    context.record_waits.wait({.seen = seen,
                               .deadline = std::min(asked->deadline, now + look_for_output),
                               .gone = asked->gone,
                               .wake = [asked](LongPolls::Wake why, auto) { answer_log(asked, why); }});
  };
  // At shutdown the workers accept nothing new, and this thread may block as they may.
  if (wake == LongPolls::Wake::stopped) return look();
  context.workers.post(look);
}

std::shared_ptr<LogAsked> asked_by(const Call& call) {
  return std::make_shared<LogAsked>(
      LogAsked{.context = call.context,
               .path = {},
               .run = {},
               .from = call.query.number("from"),
               .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(call.query.number("wait_s")),
               .gone = call.request.gone,
               .waits = call.request.waits,
               .reply = call.reply});
}

// ---- everything that ran for a task

/// A run that may have output.
struct RanForTask {
  std::string run;  // its id: the name of its file
  fs::path path;
  LogOf what = LogOf::agent;
  std::string name;  // of the agent or the step
  std::string stage;
  Version version{};
  JobId job{};                // for an agent
  std::uint64_t attempt = 0;  // for an agent
  TimeUs began_at;
};

/// When a file was made or, if unknown, last written to.
std::optional<TimeUs> made_at(const fs::path& path) {
  struct statx about {};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_MTIME, &about) != 0) return std::nullopt;
  const auto& time = (about.stx_mask & STATX_BTIME) != 0 ? about.stx_btime : about.stx_mtime;
  return TimeUs{time.tv_sec * us_per_s + time.tv_nsec / 1000};
}

void add_runs_of(const Job& job, const fs::path& folder, std::vector<RanForTask>& ran) {
  const std::uint64_t first = job.attempts > attempts_listed_max ? job.attempts - attempts_listed_max : 0;
  for (std::uint64_t attempt = first + 1; attempt <= job.attempts; ++attempt) {
    const fs::path path = folder / path_of_job_log(job.id, attempt);
    const auto began_at = made_at(path);
    if (!began_at) continue;
    ran.push_back({.run = path.stem().string(),
                   .path = path,
                   .what = LogOf::agent,
                   .name = job.agent,
                   .stage = job.stage,
                   .version = job.version,
                   .job = job.id,
                   .attempt = attempt,
                   .began_at = *began_at});
  }
}

/// Newest first.
std::vector<RanForTask> ran_for(TaskId task, const std::vector<Job>& jobs, const fs::path& folder) {
  std::vector<RanForTask> ran;
  for (const Job& job : jobs) add_runs_of(job, folder, ran);
  std::error_code error;
  for (fs::directory_iterator entry(folder / log_folder_of(task), error), end; !error && entry != end;
       entry.increment(error)) {
    const auto name = read_log_name(task, entry->path().filename().string());
    if (!name) continue;
    ran.push_back({.run = entry->path().stem().string(),
                   .path = entry->path(),
                   .what = name->what,
                   .name = name->step,
                   .stage = name->stage,
                   .version = name->version,
                   .began_at = name->began_at});
  }
  std::sort(ran.begin(), ran.end(), [](const RanForTask& a, const RanForTask& b) {
    return std::tie(b.began_at, b.run) < std::tie(a.began_at, a.run);
  });
  return ran;
}

/// Calls `found` with everything that ran for the call's task, on a thread that may block.
void with_runs(const Call& call, std::function<void(RouteContext&, const std::vector<RanForTask>&)> found) {
  struct Seen {
    bool given_out = false;
    bool in_memory = false;
    std::vector<Job> jobs;
  };
  const auto seen = std::make_shared<Seen>();
  const TaskId task{call.id};
  call.sequencer().read(
      [seen, task](const State& state) {
        *seen = {.given_out = state.given_out(task), .in_memory = state.tasks.find(task) != nullptr, .jobs = {}};
        const auto& of_tasks = state.indexes.jobs_of_task;
        for (auto at = of_tasks.lower_bound({task, JobId{0}}); at != of_tasks.end() && at->first == task; ++at) {
          seen->jobs.push_back(*state.jobs.find(at->second));
        }
      },
      [&context = call.context, seen, task, narrow = call.narrow, reply = call.reply, found = std::move(found)] {
        context.workers.post([&context, seen, task, narrow, reply, found] {
          if (!seen->given_out) return reply(unknown_answer(Outcome::unknown_task));
          if (!seen->in_memory) {
            if (const auto bytes = context.services.archive.find(task)) {
              if (auto archived = unpack_archived(*bytes)) seen->jobs = std::move(archived->rows.jobs);
            }
          }
          if (narrow) {
            std::erase_if(seen->jobs, [&](const Job& job) { return !narrow->scope().has_agent(job.agent); });
          }
          found(context, ran_for(task, seen->jobs, context.services.logs_folder));
        });
      });
}

void append_json(std::string& out, const RanForTask& ran, const StoredOutput& stored) {
  out += R"({"run":)";
  append_json_text(out, ran.run);
  append_json_member(out, "what");
  append_json_text(out, name(ran.what));
  append_json_member(out, "name");
  append_json_text_or_null(out, ran.name);
  append_json_member(out, "stage");
  append_json_text(out, ran.stage);
  append_json_member(out, "version", raw(ran.version));
  append_json_member(out, "job");
  out += ran.what == LogOf::agent ? std::to_string(raw(ran.job)) : "null";
  append_json_member(out, "attempt");
  out += ran.what == LogOf::agent ? std::to_string(ran.attempt) : "null";
  append_json_member(out, "began_at");
  append_json_time(out, ran.began_at);
  append_json_member(out, "ended_at");
  if (stored.is_live()) {
    out += "null";
  } else {
    append_json_time(out, stored.written_at());
  }
  append_json_member(out, "bytes", stored.produced());
  append_json_member(out, "kept", stored.kept());
  out += '}';
}

/// The runs requested.
struct Wanted {
  std::optional<std::string> run;
  std::optional<std::string> what;
  std::optional<std::string> stage;
  std::optional<std::string> step;
  std::optional<std::int64_t> attempt;

  bool fits(const RanForTask& ran) const {
    const bool is_step = ran.what == LogOf::step || ran.what == LogOf::probe;
    return (!run || *run == ran.run) && (!what || *what == name(ran.what)) && (!stage || *stage == ran.stage) &&
           (!step || (is_step && *step == ran.name)) &&
           (!attempt || (ran.what == LogOf::agent && static_cast<std::uint64_t>(*attempt) == ran.attempt));
  }
};

std::optional<std::string> wanted(const Call& call, std::string_view parameter) {
  const auto value = call.query.text(parameter);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

/// "agent of development, gate of review, step merge of deploy"
std::string what_there_is(const std::vector<RanForTask>& ran) {
  std::set<std::string> kinds;
  for (const RanForTask& each : ran) {
    const bool is_step = each.what == LogOf::step || each.what == LogOf::probe;
    kinds.insert(std::string(name(each.what)) + (is_step ? " " + each.name : "") + " of " + each.stage);
  }
  std::string all;
  for (const std::string& kind : kinds) all += (all.empty() ? "" : ", ") + kind;
  return all;
}

}  // namespace

void jobs_log(Call call) {
  const auto asked = asked_by(call);
  with_job(call,
           [asked, attempt = call.query.integer("attempt")](RouteContext& context, const Job& job, const HttpReply&) {
             const std::uint64_t number = attempt ? static_cast<std::uint64_t>(*attempt) : job.attempts;
             asked->path = context.services.logs_folder / path_of_job_log(job.id, number);
             asked->run = asked->path.stem().string();
             answer_log(asked, LongPolls::Wake::again);
           });
}

void tasks_log(Call call) {
  const auto asked = asked_by(call);
  const Wanted which{.run = wanted(call, "run"),
                     .what = wanted(call, "what"),
                     .stage = wanted(call, "stage"),
                     .step = wanted(call, "step"),
                     .attempt = call.query.integer("attempt")};
  with_runs(call, [asked, which, task = call.id](RouteContext&, const std::vector<RanForTask>& ran) {
    const auto found = std::find_if(ran.begin(), ran.end(), [&](const RanForTask& each) { return which.fits(each); });
    if (found == ran.end()) {
      const std::string there_is = what_there_is(ran);
      return asked->reply(http_error(404, "no_log",
                                     there_is.empty()
                                         ? "nothing that ran for task " + std::to_string(task) + " has captured output"
                                         : "no captured output matches; there is output of " + there_is));
    }
    asked->path = found->path;
    asked->run = found->run;
    answer_log(asked, LongPolls::Wake::again);
  });
}

void tasks_logs(Call call) {
  with_runs(call, [reply = call.reply, after = wanted(call, "after"),
                   limit = static_cast<std::size_t>(call.query.number("limit"))](RouteContext&,
                                                                                 const std::vector<RanForTask>& ran) {
    auto at = ran.begin();
    if (after) {
      at = std::find_if(ran.begin(), ran.end(), [&](const RanForTask& each) { return each.run == *after; });
      if (at != ran.end()) ++at;
    }
    HttpResponse response;
    std::string& out = response.body;
    out = R"({"items":[)";
    std::size_t count = 0;
    std::string last;
    for (; at != ran.end() && count < limit; ++at) {
      const auto stored = StoredOutput::look_at(at->path);
      if (!stored) continue;
      if (count++ > 0) out += ',';
      append_json(out, *at, *stored);
      last = at->run;
    }
    out += R"(],"next":)";
    append_json_text_or_null(out, at == ran.end() ? "" : last);
    out += '}';
    reply(std::move(response));
  });
}

}  // namespace pawl
