// The contents of a disk after a crash, and whether they are right.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "tests/crashpoints/story.h"

namespace pawl::crash {

/// The results of opening the log that a crash left, of continuing it, and of a second power cut after that.
struct Finding {
  bool refused = false;
  Error error;  // if refused
  Seq last{};
  Seq sealed{};
  std::optional<Seq> torn_at;
  std::vector<std::string> faults;  // what is always wrong, whatever was promised
};

/// Compares an open log with the story: state, chain, groups, archive. Empty if all is right; an error if it has no
/// state.
Result<std::vector<std::string>> faults_of(Log& log, const Story& story, Seq last);

/// Opens the log in `dir` of the tree `seen`, appends a batch, cuts the power at once, and opens it again.
/// `durability`: of the contents of `seen`; after a power cut everything, after a kill what was synced.
Finding examine(const Story& story, const std::string& dir, const Tree& seen, Durability durability);

/// Whether a backup reported as done can be opened and holds part of the story. Empty if it is right.
Result<std::vector<std::string>> faults_of_backup(const Story& story, const std::string& dir, const Tree& seen);

/// The choices to try for each cut.
struct Thoroughness {
  std::size_t all_subsets_up_to = 0;  // pending units; with more of them: each alone, each prefix
  bool each_alone = true;             // lost, and kept; otherwise only each prefix
  std::size_t torn_positions = 4;     // of the last write of each file
  bool kills = true;                  // also: only the process dies, and later the power is cut
};

struct Tally {
  std::size_t cuts = 0;        // places in the trace
  std::size_t images = 0;      // what a crash there may leave
  std::size_t distinct = 0;    // of them
  std::size_t recoveries = 0;  // opens of a log that a crash left
  std::size_t intact = 0;      // images by what came of them
  std::size_t torn = 0;
  std::size_t refused = 0;
  std::size_t refused_disordered = 0;  // of them, with a folder's names surviving out of order
  std::size_t kills = 0;
  std::vector<std::string> faults;  // the first few
};

/// Crashes a run at every possible place, and examines what is left.
class Explorer {
 public:
  /// Keeps every `every_nth` image for explore_recoveries().
  Explorer(const Story& story, std::string dir, std::size_t every_nth)
      : story_(story), dir_(std::move(dir)), every_nth_(every_nth) {}

  void explore(const History& history, const Thoroughness& thoroughness, std::size_t first_cut = 0);
  /// The same for the recovery of each image kept so far.
  void explore_recoveries(const Thoroughness& thoroughness);
  /// A disk that from some sync of a write-ahead file on reports success and does nothing: what it loses is gone, but
  /// where a seal or a checkpoint proves that it existed, a start without it is refused.
  void explore_lies(const History& history);

  Tally tally;

 private:
  struct Choice;
  struct Image {
    Tree tree;
    std::uint64_t hash;
    std::vector<std::size_t> backups;
  };
  std::vector<Choice> choices(const Durability& durability, const Thoroughness& thoroughness) const;
  const Finding& found_in(const Tree& image, const Promise& promise);
  void judge(const Finding& finding, const Promise& promise, const Choice& choice, const std::string& where);
  void judge_backups(const Tree& image, const Promise& promise, const std::string& where);
  void fault(const std::string& where, const std::string& what);

  const Story& story_;
  std::string dir_;
  std::size_t every_nth_;
  std::unordered_map<std::uint64_t, Finding> findings_;  // by the hash of the data folder
  std::unordered_map<std::uint64_t, bool> good_backups_;
  std::vector<Image> images_;
};

}  // namespace pawl::crash
