// The scripted run: what is appended, the same bytes each time, what is done between, and what was promised when.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "store/chain.h"
#include "store/rocks_log.h"
#include "tests/crashpoints/crash_files.h"

namespace pawl::crash {

/// A batch that can be appended again and again: its records were decided, stamped and chained beforehand.
struct StoryBatch {
  Seq first{};
  Seq last{};
  std::vector<std::vector<std::uint8_t>> records;
  std::vector<ArchivedBytes> archived;

  Batch batch() const;
};

/// What a log has to be after a record.
struct Proof {
  std::uint64_t digest = 0;
  Chain chain{};
};

struct Story {
  std::vector<StoryBatch> batches;
  std::vector<Proof> proofs;          // by seq; the first is that of the empty log
  std::map<TaskId, Seq> archived_at;  // which tasks are archived by which record
  std::size_t kinds_accepted = 0;     // of events

  /// The batch that begins with this seq; null beyond the end.
  const StoryBatch* batch_from(Seq first) const;
};

/// Plays tests/crashpoints/every_event.jsonl by `pawl simulate`, with a batch of many pages, and keeps what it wrote.
Story load_story();

/// What the outside was told by some step: a crash from there on may take back none of it.
struct Promise {
  std::size_t step = 0;              // holds once so many steps were done
  Seq submitted{};                   // the last record that was handed to append()
  Seq acknowledged{};                // the last that append() called durable
  Seq sealed{};                      // by the last seal that returned
  Seq checkpointed{};                // by the last checkpoint that was stored
  std::vector<std::size_t> backups;  // the numbers of those that returned
};

/// A run as it would be found by a power cut at any of its steps.
struct History {
  Tree start;
  std::vector<Step> trace;
  std::vector<Promise> promises;
  std::vector<std::string> troubles;  // what failed and was said

  /// What was promised by the time that so many steps were done.
  const Promise& promise_at(std::size_t steps) const;
  Durability durability_at(std::size_t steps) const;
};

enum class Action : char {
  open = 'o',
  append = 'a',
  checkpoint = 'c',
  seal = 's',
  backup = 'b',
  close = 'x',
};

/// The whole run: several starts, so that tables are merged too, and more checkpoints than are kept.
constexpr std::string_view whole_run = "oaaaaaaaasaaacaaasxoaaacabaaxoaasaacxoaaaacaaxoaacaabasaax";

/// Does these actions on the disk as the daemon does them, until an append fails: then the process ends.
/// `dir` is the data folder; backups go beside it. `before`: what was promised in an earlier life.
History run(CrashFiles& files, const std::string& dir, const Story& story, std::string_view actions,
            Promise before = {});

std::string backup_path(const std::string& dir, std::size_t number);

}  // namespace pawl::crash
