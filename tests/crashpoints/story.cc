#include "tests/crashpoints/story.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "schema/layout.h"
#include "store/checkpoint.h"
#include "store/open.h"
#include "store/take_checkpoint.h"
#include "tests/unit/store/log_kit.h"

namespace pawl::crash {
namespace {

constexpr std::size_t big_record_bytes = 2000;

/// An event with only its required fields, about a task and a job that still exist at the end of the script.
std::string plain_event(fb::Event type) {
  std::string text = R"({"type": ")" + std::string(fb::EnumNameEvent(type)) + '"';
  for (const FieldLayout& field : layout_of(type)->fields) {
    if (!field.required) continue;
    text += R"(, ")" + field.name + R"(": )";
    using Type = FieldLayout::Type;
    const bool is_text = field.type == Type::text;
    const bool is_flag = field.type == Type::boolean;
    const bool is_list = field.type == Type::texts || field.type == Type::integers || field.type == Type::tables;
    text += field.enumeration      ? '"' + field.enumeration->values.front().second + '"'
            : field.name == "task" ? "3"
            : field.name == "job"  ? "5"
            : is_text              ? "\"x\""
            : is_list              ? "[]"
            : is_flag              ? "true"
                                   : "1";
  }
  return text + '}';
}

/// A restore after the record `from`, and the start that follows it. It skips no seq: here everything is identified by
/// its seq. (tests/unit/store/log_contract_test.cc has restores that do.)
std::string restored(Seq from) {
  return R"({"at": 157, "do": {"type": "LogRestored", "from": )" + std::to_string(raw(from)) + R"(, "next_seq": )" +
         std::to_string(raw(from) + 1) + R"(, "next_task": 1000, "next_job": 1000}, "actor": "restore"})" + "\n" +
         R"({"at": 157, "restart": true})" + "\n";
}

/// The script, with notes before its last lines that make a batch of some 50 KB, and a restore, if `from` says where;
/// after them the events that it does not reach, so that a new event is in the story as soon as it is in the schema.
std::string script(const std::set<fb::Event>& missing, std::optional<Seq> from) {
  std::istringstream lines(content_of(PAWL_STORY));
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("\"at\": 157") != std::string::npos) {
      for (int i = 0; i < 12; ++i) {
        text += R"({"at": 156, "do": {"type": "TaskNote", "task": 3, "text": ")" + std::string(4000, char('a' + i)) +
                "\"}}\n";
      }
      if (from) text += restored(*from);
    }
    text += line + "\n";
  }
  for (const fb::Event type : missing) text += R"({"at": 161, "do": )" + plain_event(type) + "}\n";
  return text;
}

const fb::Stamp& stamp_of(const std::vector<std::uint8_t>& record) {
  return *fb::GetRecord(record.data())->stamp();
}

std::set<fb::Event> events_not_accepted(RocksLog& log) {
  std::set<fb::Event> missing(std::begin(fb::EnumValuesEvent()), std::end(fb::EnumValuesEvent()));
  missing.erase(fb::Event::NONE);
  for (const auto& record : records_in(log)) {
    if (stamp_of(record).outcome() == static_cast<std::uint16_t>(Outcome::accepted)) {
      missing.erase(fb::GetRecord(record.data())->event_type());
    }
  }
  return missing;
}

/// Plays the script into a log in that folder, and opens it.
std::unique_ptr<RocksLog> play(const TempDir& dir, const std::string& script) {
  write_file(dir.path("script.jsonl"), script);
  const std::string command = std::string("'") + PAWL_PROGRAM + "' simulate '" + dir.path("script.jsonl") +
                              "' --data '" + dir.path("data") + "' > '" + dir.path("out") + "'";
  PAWL_ASSERT(std::system(command.c_str()) == 0);
  auto log = RocksLog::open(dir.path("data"), RocksLog::Mode::read_only);
  PAWL_ASSERT(log.has_value());
  return std::move(*log);
}

/// The record before the note with that text.
Seq before_note(RocksLog& log, std::string_view text) {
  Seq last{};
  for (const auto& record : records_in(log)) {
    const auto* note = fb::GetRecord(record.data())->event_as_TaskNote();
    if (note && note->text()->string_view() == text) break;
    last = seq_of(record);
  }
  return last;
}

}  // namespace

Batch StoryBatch::batch() const {
  Batch made;
  for (const auto& record : records) made.records.emplace_back(record.data(), record.size());
  made.archived = archived;
  return made;
}

const StoryBatch* Story::batch_from(Seq first) const {
  const auto found =
      std::find_if(batches.begin(), batches.end(), [&](const StoryBatch& batch) { return batch.first == first; });
  return found == batches.end() ? nullptr : &*found;
}

Story load_story() {
  const TempDir first_run;
  auto log = play(first_run, script({}, {}));
  std::set<fb::Event> missing = events_not_accepted(*log);
  missing.erase(fb::Event::LogRestored);
  const Seq from = before_note(*log, "one");
  const TempDir second_run;
  log = play(second_run, script(missing, from));

  Story story;
  std::map<Seq, ArchivedBytes> archived;
  PAWL_ASSERT(log->walk(TaskId{1},
                        [&](TaskId task, RecordBytes bytes) {
                          const Seq seq = unpack_archived(bytes)->seq;
                          story.archived_at[task] = seq;
                          archived[seq] = {task, {bytes.begin(), bytes.end()}};
                          return true;
                        })
                  .has_value());

  story.proofs.push_back({.digest = State().digest(), .chain = {}});
  std::set<int> kinds;
  std::size_t groups = 0;
  for (const auto& record : records_in(*log)) {
    const fb::Stamp& stamp = stamp_of(record);
    const fb::Record& view = *fb::GetRecord(record.data());
    const Seq seq{stamp.seq()};
    if (stamp.outcome() == static_cast<std::uint16_t>(Outcome::accepted)) kinds.insert(int(view.event_type()));
    story.proofs.push_back({.digest = stamp.digest(), .chain = chain_of(view)});
    // Every third batch has two groups; big ones continue in the current batch.
    const bool begins_group = stamp.group() == stamp.seq();
    const bool goes_on = !story.batches.empty() && story.batches.back().records.back().size() > big_record_bytes &&
                         record.size() > big_record_bytes;
    groups += begins_group ? 1 : 0;
    if (begins_group && !goes_on && groups % 4 != 0) story.batches.push_back({.first = seq});
    StoryBatch& batch = story.batches.back();
    batch.last = seq;
    batch.records.push_back(record);
    if (archived.contains(seq)) batch.archived.push_back(archived.at(seq));
  }
  story.kinds_accepted = kinds.size();
  return story;
}

const Promise& History::promise_at(std::size_t steps) const {
  const auto later = std::upper_bound(promises.begin(), promises.end(), steps,
                                      [](std::size_t at, const Promise& promise) { return at < promise.step; });
  PAWL_ASSERT(later != promises.begin());
  return *std::prev(later);
}

Durability History::durability_at(std::size_t steps) const {
  Durability durability(start);
  for (std::size_t i = 0; i < steps; ++i) durability.take(trace[i]);
  return durability;
}

std::string backup_path(const std::string& dir, std::size_t number) {
  return dir + "-backup-" + std::to_string(number);
}

History run(CrashFiles& files, const std::string& dir, const Story& story, std::string_view actions, Promise before) {
  before.step = 0;
  History run{.start = files.tree(), .trace = {}, .promises = {before}, .troubles = {}};
  std::unique_ptr<RocksLog> log;
  Promise promise = before;
  std::size_t backups_tried = 0;
  // A promise holds from the step at which it was given.
  const auto promised = [&] {
    promise.step = files.steps();
    run.promises.push_back(promise);
  };
  const auto failed = [&](const Error& error) { run.troubles.push_back(error.message); };

  for (const char letter : actions) {
    bool ended = false;
    switch (static_cast<Action>(letter)) {
      case Action::open: {
        auto opened = RocksLog::open(dir, RocksLog::Mode::write, files);
        ended = !opened;
        if (!opened) failed(opened.error());
        if (opened) log = std::move(*opened);
        // Anyone may see what it found, so that must not go away either.
        if (opened) promise.acknowledged = std::max(promise.acknowledged, log->last_seq());
        if (opened) promise.submitted = std::max(promise.submitted, log->last_seq());
        break;
      }
      case Action::append: {
        const StoryBatch* batch = story.batch_from(next(log->last_seq()));
        PAWL_ASSERT(batch != nullptr);
        promise.submitted = batch->last;
        promised();
        const Result<void> appended = log->append(batch->batch(), batch->first);
        ended = !appended;
        if (!appended) failed(appended.error());
        if (appended) promise.acknowledged = batch->last;
        break;
      }
      case Action::checkpoint: {
        const Result<Seq> taken = take_checkpoint(*log);
        if (!taken) failed(taken.error());
        if (taken) promise.checkpointed = *taken;
        break;
      }
      case Action::seal: {
        const Result<void> sealed = log->seal();
        if (!sealed) failed(sealed.error());
        if (sealed) promise.sealed = log->last_seq();
        break;
      }
      case Action::backup: {
        const Result<void> made = log->backup(backup_path(dir, ++backups_tried));
        if (!made) failed(made.error());
        if (made) promise.backups.push_back(backups_tried);
        break;
      }
      case Action::close:
        log.reset();
        break;
    }
    files.wait_for_quiet();
    if (!ended) promised();
    if (ended) break;
  }
  files.power_off();
  log.reset();
  run.trace = files.trace();
  return run;
}

}  // namespace pawl::crash
