// pawl_bench DIR RECORDS: writes a log of deliveries into a fresh data folder, then reads it back in every way that
// pawl has, and prints how long each took relative to plain RocksDB iteration over the same data in the same run.
//
// Each delivery is complete: a task goes through every stage of `delivery`, with its jobs, leases, gates and steps, in
// about fifty records. Only the engine runs, so records are written as fast as this machine can decide, chain and sync
// them in full batches.
#include <rocksdb/db.h>
#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>

#include "engine/json/state_json.h"
#include "schema/limits.h"
#include "store/chain.h"
#include "store/checkpoint.h"
#include "store/log.h"
#include "store/open.h"
#include "tools/commands/output.h"
#include "tools/forensics/line_form.h"

namespace pawl {
namespace {

using std::chrono::steady_clock;

double seconds_since(steady_clock::time_point begin) {
  return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

std::int64_t peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

/// Decides deliveries and appends them in full batches.
class Writer {
 public:
  explicit Writer(Log& log) : log_(log) {
    state_.last_time = now_ = TimeUs{1'767'225'600 * us_per_s};
    fb::BootStartedT boot;
    boot.name = "pawld";
    boot.boot_id = boot_id;
    boot.pid = 1;
    boot.host = "bench";
    boot.version = "bench";
    tell(propose_group(requester("pawld"), boot));
    tell(propose_group(requester("pawld"), pipeline_event(default_pipeline())));
  }

  std::uint64_t records() const { return raw(state_.last_seq); }

  void deliver() {
    fb::TaskCreatedT created;
    created.work_item = "SHOP-" + std::to_string(++items_);
    created.repo = "shop";
    created.branch = "feature/shop-" + std::to_string(items_);
    task_ = TaskId{tell(propose_group(requester("webhook"), created)).front().id};
    for (version_ = 1;; ++version_) {
      const Task& task = *state_.tasks.find(task_);
      const Stage stage = *state_.stage_of(task);
      const Job* job = state_.open_job(task);
      if (job) work(job->id);
      std::vector<std::pair<std::string, std::uint64_t>> held;
      if (stage.guarded()) {
        for (const std::string& key : {task_key(task_), repo_key("shop")}) held.emplace_back(key, lease(key, stage));
      }
      if (stage.gate) evaluate(stage);
      for (const PipelineStep& step : stage.steps) run(stage, step, held);
      const bool ends = stage.to == stage_done;
      advance(stage, job ? std::optional(job->id) : std::nullopt, held);
      if (ends) return;
    }
  }

  void flush() {
    if (batch_.records.empty()) return;
    const auto appended = log_.append(batch_, first_);
    PAWL_ASSERT(appended);
    batch_ = {};
    kept_.clear();
    first_ = next(state_.last_seq);
  }

 private:
  static constexpr const char* boot_id = "7b0c5a52-3d0e-4a7e-9d61-6a1f0e4f9c11";

  static Requester requester(const std::string& actor) {
    return {.boot = boot_id, .actor = actor, .key = {}, .request = {}};
  }
  static std::unique_ptr<fb::OwnerT> owner() {
    auto row = std::make_unique<fb::OwnerT>();
    row->boot_id = boot_id;
    row->pid = 1;
    row->actor = "monitor";
    return row;
  }

  Effects tell(Group group) {
    now_ = TimeUs{now_.us + 1000};
    Decided decided = decide(state_, std::move(group), now_);
    PAWL_ASSERT(decided.outcome == Outcome::accepted);
    for (Proposal& record : decided.records) {
      chain_ = stamp_chain(chain_, record);
      batch_.records.emplace_back(record.data(), record.size());
      kept_.push_back(std::move(record));
    }
    for (const ArchivedTask& archived : decided.archived) {
      batch_.archived.push_back(pack_archived(archived, state_.last_seq));
    }
    Effects effects;
    for (const Applied& applied : decided.applied) {
      effects.insert(effects.end(), applied.effects.begin(), applied.effects.end());
    }
    if (batch_.records.size() + 64 > limits::batch_records_max) flush();
    return effects;
  }

  void work(JobId job) {
    fb::JobClaimedT claimed;
    claimed.job = raw(job);
    claimed.owner = owner();
    tell(propose_group(requester("executor"), claimed));
    fb::RunStartedT started;
    started.job = raw(job);
    started.attempt = 1;
    started.pid = 4242;
    started.pid_start = 77;
    tell(propose_group(requester("monitor"), started));
    fb::RunExitedT exit;
    exit.job = raw(job);
    exit.attempt = 1;
    tell(propose_group(requester("monitor"), exit));
  }
  std::uint64_t lease(const std::string& key, const Stage& stage) {
    fb::LeaseAcquiredT event;
    event.key = key;
    event.owner = owner();
    event.edge = stage.name + "->" + stage.to;
    return tell(propose_group(requester("monitor"), event)).front().token;
  }
  void evaluate(const Stage& stage) {
    fb::GateEvaluatedT event;
    event.task = raw(task_);
    event.version = version_;
    event.gate = stage.name;
    event.passed = true;
    event.reason = "6 of 6 tests passed";
    tell(propose_group(requester("monitor"), event));
  }
  void run(const Stage& stage, const PipelineStep& step,
           const std::vector<std::pair<std::string, std::uint64_t>>& held) {
    fb::StepStartedT started;
    started.task = raw(task_);
    started.version = version_;
    started.to = stage.to;
    started.step = step.name;
    started.token = held[0].second;
    if (step.exclusive) started.repo_token = held[1].second;
    started.run = "0123456789abcdef0123456789abcdef";
    tell(propose_group(requester("monitor"), started));
    fb::StepFinishedT finished;
    finished.task = raw(task_);
    finished.version = version_;
    finished.step = step.name;
    finished.started = raw(state_.last_seq);
    finished.outcome = fb::StepOutcome::done;
    finished.by = fb::StepBy::command;
    tell(propose_group(requester("monitor"), finished));
  }
  void advance(const Stage& stage, std::optional<JobId> job,
               const std::vector<std::pair<std::string, std::uint64_t>>& held) {
    fb::StageTransitionT transition;
    transition.task = raw(task_);
    transition.to = stage.to;
    transition.expected_version = version_;
    if (!held.empty()) transition.token = held[0].second;
    transition.reason = "advanced";
    Group group = propose_group(requester("monitor"), transition);
    if (job) {
      fb::JobFinishedT finished;
      finished.job = raw(*job);
      finished.attempt = 1;
      finished.result = fb::JobResult::done;
      group.push_back(propose(requester("monitor"), finished));
    }
    for (const auto& [key, token] : held) {
      fb::LeaseReleasedT released;
      released.key = key;
      released.token = token;
      group.push_back(propose(requester("monitor"), released));
    }
    tell(std::move(group));
  }

  Log& log_;
  State state_;
  Chain chain_{};
  TimeUs now_;
  std::uint64_t items_ = 0;
  TaskId task_{};
  std::uint64_t version_ = 1;
  Batch batch_;
  Seq first_{1};
  std::vector<Proposal> kept_;  // what the batch points into
};

struct Row {
  std::string what;
  std::uint64_t records = 0;
  double seconds = 0;
  std::string remark;
};

std::string number(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Reads every block's key and value without decoding them: no reader of this log can be faster.
Row iterate(const std::string& dir, std::uint64_t records) {
  rocksdb::Options options;
  std::vector<std::string> names;
  PAWL_ASSERT(rocksdb::DB::ListColumnFamilies(options, dir + "/log", &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  PAWL_ASSERT(rocksdb::DB::OpenForReadOnly(options, dir + "/log", families, &handles, &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  const auto begin = steady_clock::now();
  std::uint64_t bytes = 0;
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator(rocksdb::ReadOptions(), handle));
    for (at->SeekToFirst(); at->Valid(); at->Next()) bytes += at->key().size() + at->value().size();
  }
  const double seconds = seconds_since(begin);
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  return {"RocksDB iteration", records, seconds, number(static_cast<double>(bytes) / 1e6, "%.0f MB")};
}

Row read(Log& log) {
  const auto begin = steady_clock::now();
  std::uint64_t records = 0;
  PAWL_ASSERT(log.read(Seq{1}, [&](RecordBytes) {
    ++records;
    return true;
  }));
  return {"log, blocks checked", records, seconds_since(begin), {}};
}

Row replay(Log& log) {
  const auto begin = steady_clock::now();
  Replica replica(State(), Chain{}, proving_policy());
  PAWL_ASSERT(replica.read(log) && !replica.difference());
  return {"pawl replay", replica.records(), seconds_since(begin), "outcome, digest and chain of each"};
}

Row open(Log& log) {
  const auto begin = steady_clock::now();
  const auto opened = open_state(log);
  PAWL_ASSERT(opened.has_value());
  return {"start without a checkpoint", opened->report.replayed, seconds_since(begin), "chain on a second thread"};
}

Row write_lines(Log& log) {
  std::FILE* nowhere = std::fopen("/dev/null", "w");
  PAWL_ASSERT(nowhere);
  const auto begin = steady_clock::now();
  std::string line;
  std::uint64_t bytes = 0;
  const auto write = [&](const AppliedGroup& group) {
    for (const AppliedRecord& item : group.records) {
      line.clear();
      append_record_line(line, item.record, item.applied.effects);
      line += '\n';
      bytes += line.size();
      std::fwrite(line.data(), 1, line.size(), nowhere);
    }
  };
  Replica replica(State(), Chain{}, proving_policy(write));
  PAWL_ASSERT(replica.read(log) && !replica.difference());
  std::fclose(nowhere);
  return {"pawl export log", replica.records(), seconds_since(begin),
          number(static_cast<double>(bytes) / 1e6, "%.0f MB of lines")};
}

int bench(const std::string& dir, std::uint64_t wanted) {
  std::vector<Row> rows;
  {
    auto log = open_log(dir, LogMode::write);
    if (!log) {
      std::fprintf(stderr, "pawl_bench: %s\n", log.error().message.c_str());
      return 1;
    }
    if (raw((*log)->last_seq()) != 0) {
      std::fprintf(stderr, "pawl_bench: %s already holds a log\n", dir.c_str());
      return 1;
    }
    const auto begin = steady_clock::now();
    Writer writer(**log);
    while (writer.records() < wanted) writer.deliver();
    writer.flush();
    PAWL_ASSERT((*log)->seal());
    rows.push_back({"decide, chain, append", writer.records(), seconds_since(begin),
                    std::to_string(limits::batch_records_max) + " per sync"});
  }
  const std::uint64_t records = rows[0].records;
  const std::int64_t written_kib = peak_kib();
  iterate(dir, records);  // warms the page cache, so that all measurements start equal
  const Row plain = iterate(dir, records);
  rows.push_back(plain);
  auto log = open_log(dir, LogMode::read_only);
  PAWL_ASSERT(log.has_value());
  for (Row (*way)(Log&) : {read, replay, open, write_lines}) rows.push_back(way(**log));
  TextTable table({"what", "records", "seconds", "records/s", "to plain iteration", ""});
  for (const Row& row : rows) {
    table.add({row.what, std::to_string(row.records), number(row.seconds, "%.2f"),
               number(static_cast<double>(row.records) / row.seconds, "%.0f"),
               number(row.seconds / plain.seconds, "%.1f"), row.remark});
  }
  print(table.text());
  print("peak memory after writing " + std::to_string(written_kib / 1024) + " MiB, after reading " +
        std::to_string(peak_kib() / 1024) + " MiB\n");
  return 0;
}

}  // namespace
}  // namespace pawl

int main(int count, char** words) {
  std::uint64_t records = 0;
  const std::string text = count == 3 ? words[2] : "";
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), records);
  if (count != 3 || error != std::errc() || end != text.data() + text.size() || records == 0) {
    std::fputs("usage: pawl_bench DIR RECORDS\n", stderr);
    return 2;
  }
  return pawl::bench(words[1], records);
}
