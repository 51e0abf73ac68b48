// `pawl bench replay`: writes a log of deliveries into a fresh data folder, then reads it back in every way that pawl
// has, and prints how long each took relative to plain RocksDB iteration over the same data in the same run.
#include <rocksdb/db.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>

#include "engine/json/state_json.h"
#include "schema/limits.h"
#include "store/open.h"
#include "store/replica.h"
#include "tools/bench/bench.h"
#include "tools/bench/deliveries.h"
#include "tools/commands/output.h"
#include "tools/forensics/line_form.h"

namespace pawl::bench {
namespace {

using std::chrono::steady_clock;

double seconds_since(steady_clock::time_point begin) {
  return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

std::int64_t peak_kib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

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

Row replay_all(Log& log) {
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

}  // namespace

Exit replay(const std::string& dir, std::uint64_t wanted) {
  std::vector<Row> rows;
  {
    auto log = open_log(dir, LogMode::write);
    if (!log) return fail(log.error());
    if (raw((*log)->last_seq()) != 0) return fail(Exit::usage, "bench: " + dir + " already holds a log");
    const auto begin = steady_clock::now();
    Deliveries writer(**log);
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
  for (Row (*way)(Log&) : {read, replay_all, open, write_lines}) rows.push_back(way(**log));
  TextTable table({"what", "records", "seconds", "records/s", "to plain iteration", ""});
  for (const Row& row : rows) {
    table.add({row.what, std::to_string(row.records), number(row.seconds, "%.2f"),
               number(static_cast<double>(row.records) / row.seconds, "%.0f"),
               number(row.seconds / plain.seconds, "%.1f"), row.remark});
  }
  print(table.text());
  print("peak memory after writing " + std::to_string(written_kib / 1024) + " MiB, after reading " +
        std::to_string(peak_kib() / 1024) + " MiB\n");
  return Exit::done;
}

}  // namespace pawl::bench
