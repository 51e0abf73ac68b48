#include "tests/crashpoints/recovery.h"

#include <algorithm>
#include <map>
#include <utility>

#include "store/checkpoint.h"
#include "store/data_dir.h"
#include "store/open.h"

namespace pawl::crash {
namespace {

using Fate = Durability::Fate;

constexpr std::size_t faults_kept = 20;

std::string text(Seq seq) {
  return std::to_string(raw(seq));
}

bool is_write_ahead(const Step& step) {
  return step.kind == StepKind::write && step.path.ends_with(".log");
}

}  // namespace

Result<std::vector<std::string>> faults_of(Log& log, const Story& story, Seq last) {
  std::vector<std::string> faults;
  const Result<Opened> opened = open_state(log);
  if (!opened) return opened.error();
  if (opened->state.last_seq != last) faults.push_back("the state ends at " + text(opened->state.last_seq));
  const Proof& proof = story.proofs[raw(opened->state.last_seq)];
  if (opened->state.digest() != proof.digest) faults.push_back("another digest than without a crash");
  if (opened->chain != proof.chain) faults.push_back("another chain than without a crash");
  for (const std::string& skipped : opened->report.skipped_checkpoints) faults.push_back("skipped " + skipped);

  const bool whole = last == Seq{} || std::any_of(story.batches.begin(), story.batches.end(),
                                                  [&](const StoryBatch& batch) { return batch.last == last; });
  if (!whole) faults.push_back("it ends inside of a batch, at " + text(last));

  std::map<TaskId, Seq> archived;
  const Result<void> read = log.walk(TaskId{1}, [&](TaskId task, RecordBytes bytes) {
    const Result<Unarchived> rows = unpack_archived(bytes);
    archived[task] = rows ? rows->seq : Seq{};
    return true;
  });
  if (!read) faults.push_back("the archive cannot be read: " + read.error().message);
  std::map<TaskId, Seq> expected = story.archived_at;
  std::erase_if(expected, [&](const auto& each) { return each.second > last; });
  if (archived != expected) faults.push_back("the archive is not that of its records");
  return faults;
}

Finding examine(const Story& story, const std::string& dir, const Tree& seen, Durability durability) {
  Finding finding;
  Seq last{};
  {
    CrashFiles files(seen);
    Result<std::unique_ptr<RocksLog>> opened = RocksLog::open(dir, RocksLog::Mode::write, files);
    if (!opened) {
      finding.refused = true;
      finding.error = opened.error();
      return finding;
    }
    RocksLog& log = **opened;
    finding.last = log.last_seq();
    finding.torn_at = log.torn_at();
    finding.sealed = read_seal(dir, files).value();
    Result<std::vector<std::string>> faults = faults_of(log, story, finding.last);
    if (!faults) {
      finding.refused = true;
      finding.error = faults.error();
      return finding;
    }
    finding.faults = std::move(*faults);

    const StoryBatch* more = story.batch_from(next(finding.last));
    PAWL_ASSERT(more != nullptr);
    const Result<void> appended = log.append(more->batch(), more->first);
    if (!appended) finding.faults.push_back("cannot go on: " + appended.error().message);
    last = more->last;
    files.power_off();
    opened->reset();
    for (const Step& step : files.trace()) durability.take(step);
  }
  CrashFiles files(durability.durable());
  const auto again = RocksLog::open(dir, RocksLog::Mode::read_only, files);
  if (!again) {
    finding.faults.push_back("after going on and a power cut it is refused: " + again.error().message);
    return finding;
  }
  if ((*again)->last_seq() != last) {
    finding.faults.push_back("after going on to " + text(last) + " and a power cut it ends at " +
                             text((*again)->last_seq()));
  }
  if ((*again)->torn_at()) finding.faults.push_back("after going on and a power cut it is torn");
  const Result<std::vector<std::string>> faults = faults_of(**again, story, (*again)->last_seq());
  if (!faults) finding.faults.push_back("after going on and a power cut: " + faults.error().message);
  for (const std::string& fault : faults ? *faults : std::vector<std::string>()) {
    finding.faults.push_back("after going on and a power cut: " + fault);
  }
  return finding;
}

Result<std::vector<std::string>> faults_of_backup(const Story& story, const std::string& dir, const Tree& seen) {
  CrashFiles files(seen);
  const auto opened = RocksLog::open(dir, RocksLog::Mode::read_only, files);
  if (!opened) return opened.error();
  return faults_of(**opened, story, (*opened)->last_seq());
}

/// What survived of each pending unit, and what that makes of the write-ahead file.
struct Explorer::Choice {
  std::vector<Fate> fates;
  std::size_t torn_unit = 0;
  std::optional<std::size_t> torn;

  bool log_bytes_kept = false;  // part of a batch under way
  bool hole = false;            // in a file, a lost page before one that survived
  bool disordered = false;      // in a folder, a lost name before one that survived
};

std::vector<Explorer::Choice> Explorer::choices(const Durability& durability, const Thoroughness& thoroughness) const {
  const auto& units = durability.pending();
  const std::size_t count = units.size();
  std::vector<Choice> made;
  const auto add = [&](std::vector<Fate> fates, std::size_t torn_unit = 0, std::optional<std::size_t> torn = {}) {
    made.push_back({.fates = std::move(fates), .torn_unit = torn_unit, .torn = torn});
  };
  const std::vector<Fate> all(count, Fate::kept);
  const std::vector<Fate> none(count, Fate::lost);
  add(none);
  if (count > 0) add(all);
  if (count <= thoroughness.all_subsets_up_to) {
    for (std::size_t bits = 1; bits + 1 < std::size_t{1} << count; ++bits) {
      std::vector<Fate> fates = none;
      for (std::size_t i = 0; i < count; ++i) {
        if (bits >> i & 1) fates[i] = Fate::kept;
      }
      add(std::move(fates));
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<Fate> prefix = none;
      std::fill_n(prefix.begin(), i, Fate::kept);
      add(std::move(prefix));
      if (!thoroughness.each_alone) continue;
      std::vector<Fate> one_lost = all;
      one_lost[i] = Fate::lost;
      add(std::move(one_lost));
      std::vector<Fate> one_kept = none;
      one_kept[i] = Fate::kept;
      add(std::move(one_kept));
    }
  }
  std::vector<Fate> zeroed = all;
  for (std::size_t i = 0; i < count; ++i) {
    if (units[i].step->kind == StepKind::write) zeroed[i] = Fate::zeroed;
  }
  if (zeroed != all) add(std::move(zeroed));
  for (std::size_t i = 0; i < count; ++i) {
    const bool last_of_its_file =
        units[i].step->kind == StepKind::write &&
        std::none_of(units.begin() + std::ptrdiff_t(i) + 1, units.end(), [&](const auto& later) {
          return later.step->kind == StepKind::write && later.step->node == units[i].step->node;
        });
    if (!last_of_its_file) continue;
    const std::size_t bytes = units[i].to - units[i].from;
    for (std::size_t n = 1; n <= thoroughness.torn_positions; ++n) {
      // The first byte, the last but one, and evenly spaced ones between.
      const std::size_t at = n == 1 ? 1 : bytes * (n - 1) / thoroughness.torn_positions;
      if (at > 0 && at < bytes) add(all, i, at);
    }
    if (bytes > 1) add(all, i, bytes - 1);
  }
  for (Choice& choice : made) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto& unit = units[i];
      for (std::size_t before = 0; Durability::is_name(unit) && choice.fates[i] == Fate::kept && before < i; ++before) {
        const bool same_folder = Durability::is_name(units[before]) && units[before].step->dir == unit.step->dir;
        if (same_folder && choice.fates[before] == Fate::lost) choice.disordered = true;
      }
      if (unit.step->kind != StepKind::write || choice.fates[i] == Fate::lost) continue;
      if (choice.fates[i] == Fate::zeroed) choice.hole = true;
      if (choice.fates[i] == Fate::kept && is_write_ahead(*unit.step)) choice.log_bytes_kept = true;
      for (std::size_t before = 0; before < i; ++before) {
        const bool same_file =
            units[before].step->kind == StepKind::write && units[before].step->node == unit.step->node;
        if (same_file && choice.fates[before] == Fate::lost) choice.hole = true;
      }
    }
  }
  return made;
}

void Explorer::explore(const History& history, const Thoroughness& thoroughness, std::size_t first_cut) {
  Durability durability(history.start);
  Tree seen = history.start;
  for (std::size_t cut = 0; cut <= history.trace.size(); ++cut) {
    if (cut > 0) {
      durability.take(history.trace[cut - 1]);
      seen.apply(history.trace[cut - 1]);
    }
    if (cut < first_cut) continue;
    ++tally.cuts;
    const Promise& promise = history.promise_at(cut);
    const std::string place = "after " + std::to_string(cut) + " steps" +
                              (cut > 0 ? ", the last: " + description(history.trace[cut - 1]) : std::string());
    const std::vector<Choice> tried = choices(durability, thoroughness);
    for (std::size_t i = 0; i < tried.size(); ++i) {
      const Choice& choice = tried[i];
      const std::string where = place + "; choice " + std::to_string(i);
      const Tree image = durability.after_cut(choice.fates, choice.torn_unit, choice.torn);
      ++tally.images;
      judge(found_in(image, promise), promise, choice, where);
      judge_backups(image, promise, where);
    }
    // With nothing pending, a kill leaves the same as a power cut.
    if (thoroughness.kills && !durability.pending().empty()) {
      ++tally.kills;
      ++tally.recoveries;
      judge(examine(story_, dir_, seen, durability), promise, {}, place + "; killed");
    }
  }
}

const Finding& Explorer::found_in(const Tree& image, const Promise& promise) {
  const std::uint64_t hash = image.hash(dir_);
  const auto [at, fresh] = findings_.try_emplace(hash);
  if (fresh) {
    ++tally.distinct;
    ++tally.recoveries;
    at->second = examine(story_, dir_, image, Durability(image));
    if (findings_.size() % every_nth_ == 1)
      images_.push_back({.tree = image, .hash = hash, .backups = promise.backups});
  }
  return at->second;
}

void Explorer::judge(const Finding& finding, const Promise& promise, const Choice& choice, const std::string& where) {
  for (const std::string& what : finding.faults) fault(where, what);
  if (finding.refused) {
    ++tally.refused;
    // A hole is not a cut, so it counts as damage, although no client was told of that batch: doubt counts as damage.
    // RocksDB does not survive names that arrive out of order; every Linux file system keeps their order.
    if (choice.disordered) ++tally.refused_disordered;
    if (!choice.hole && !choice.disordered) fault(where, "refused: " + finding.error.message);
    return;
  }
  ++(finding.torn_at ? tally.torn : tally.intact);
  if (finding.last < promise.acknowledged) {
    fault(where, "acknowledged up to " + text(promise.acknowledged) + ", found up to " + text(finding.last));
  }
  if (finding.last > promise.submitted) {
    fault(where, "only " + text(promise.submitted) + " was ever written, found up to " + text(finding.last));
  }
  if (finding.sealed < promise.sealed) {
    fault(where, "sealed at " + text(promise.sealed) + ", found sealed at " + text(finding.sealed));
  }
  if (finding.torn_at && *finding.torn_at != next(finding.last)) {
    fault(where, "torn at " + text(*finding.torn_at) + ", but it ends at " + text(finding.last));
  }
  if (!finding.torn_at && choice.log_bytes_kept && finding.last < promise.submitted) {
    fault(where, "a part of a batch was there and is gone without a word");
  }
}

void Explorer::judge_backups(const Tree& image, const Promise& promise, const std::string& where) {
  for (const std::size_t number : promise.backups) {
    const std::string path = backup_path(dir_, number);
    const auto [at, fresh] = good_backups_.try_emplace(image.hash(path), true);
    if (!fresh) continue;
    ++tally.recoveries;
    const auto faults = faults_of_backup(story_, path, image);
    if (!faults) fault(where, "the backup is refused: " + faults.error().message);
    for (const std::string& what : faults ? *faults : std::vector<std::string>()) fault(where, path + ": " + what);
  }
}

void Explorer::fault(const std::string& where, const std::string& what) {
  if (tally.faults.size() < faults_kept) tally.faults.push_back(where + ": " + what);
}

void Explorer::explore_recoveries(const Thoroughness& thoroughness) {
  for (const Image& image : std::exchange(images_, {})) {
    const Finding& first = findings_.at(image.hash);
    if (first.refused) continue;
    // What the first recovery finds is on the disk, so the second must find it too.
    const Promise before{
        .submitted = first.last, .acknowledged = first.last, .sealed = first.sealed, .backups = image.backups};
    CrashFiles files(image.tree);
    explore(run(files, dir_, story_, "oa", before), thoroughness);
  }
}

void Explorer::explore_lies(const History& history) {
  const auto lied_about = [](const Step& step) {
    return step.kind == StepKind::sync_file && step.path.ends_with(".log");
  };
  for (std::size_t lie = 0; lie < history.trace.size(); ++lie) {
    if (!lied_about(history.trace[lie])) continue;
    Durability durability = history.durability_at(lie);
    std::size_t cut = lie;
    for (const Promise& promise : history.promises) {
      if (promise.step <= lie) continue;
      for (; cut < promise.step; ++cut) {
        if (!lied_about(history.trace[cut])) durability.take(history.trace[cut]);
      }
      ++tally.images;
      const Finding& finding = found_in(durability.durable(), promise);
      const std::string where = "lied to from step " + std::to_string(lie) + " on, after " + std::to_string(cut);
      for (const std::string& what : finding.faults) fault(where, what);
      if (finding.refused) {
        ++tally.refused;
        if (finding.error.code != ErrorCode::damaged) fault(where, "refused: " + finding.error.message);
        continue;
      }
      ++(finding.torn_at ? tally.torn : tally.intact);
      if (finding.last < promise.sealed) fault(where, "it starts without what was sealed");
      if (finding.last < promise.checkpointed) fault(where, "it starts without what a checkpoint was made of");
    }
  }
}

}  // namespace pawl::crash
