// The scripted run: what is appended, the same bytes each time, the actions in between, and the promises.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "store/chain.h"
#include "store/rocks_log.h"
#include "tests/crashpoints/crash_files.h"

namespace pawl::crash {

/// A batch that can be appended again and again: its records are already decided, stamped and chained.
struct StoryBatch {
  Seq first{};
  Seq last{};
  std::vector<std::vector<std::uint8_t>> records;
  std::vector<ArchivedBytes> archived;

  Batch batch() const;
};

/// The required state of a log after a record.
struct Proof {
  std::uint64_t digest = 0;
  Chain chain{};
};

struct Story {
  std::vector<StoryBatch> batches;
  std::vector<Proof> proofs;          // by seq; the first is for the empty log
  std::map<TaskId, Seq> archived_at;  // which record archives which tasks
  std::size_t kinds_accepted = 0;     // of events

  /// The batch that begins with this seq; null past the end.
  const StoryBatch* batch_from(Seq first) const;
};

/// Plays tests/crashpoints/every_event.jsonl with `pawl simulate`, including a batch of many pages, and keeps the
/// output.
Story load_story();

/// What clients had been told by some step: a crash from there on must not take any of it back.
struct Promise {
  std::size_t step = 0;              // holds once that many steps were done
  Seq submitted{};                   // the last record handed to append()
  Seq acknowledged{};                // the last that append() reported as durable
  Seq sealed{};                      // by the last seal that returned
  Seq checkpointed{};                // by the last stored checkpoint
  std::vector<std::size_t> backups;  // the numbers of the backups that returned
};

/// A run as a power cut would find it at any of its steps.
struct History {
  Tree start;
  std::vector<Step> trace;
  std::vector<Promise> promises;
  std::vector<std::string> troubles;  // reported failures

  /// What had been promised once that many steps were done.
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

/// The whole run: several starts, so that tables are merged too, and more checkpoints than are retained.
constexpr std::string_view whole_run = "oaaaaaaaasaaacaaasxoaaacabaaxoaasaacxoaaaacaaxoaacaabasaax";

/// Does these actions on the disk as the daemon does, until an append fails: then the process ends. `dir` is the data
/// folder; backups go beside it. `before`: what an earlier life promised.
History run(CrashFiles& files, const std::string& dir, const Story& story, std::string_view actions,
            Promise before = {});

std::string backup_path(const std::string& dir, std::size_t number);

}  // namespace pawl::crash
