// What is found on a disk after a crash, and whether that is right.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "tests/crashpoints/story.h"

namespace pawl::crash {

/// What came of opening the log that a crash left, of going on with it, and of losing the power once more after that.
struct Finding {
  bool refused = false;
  Error error;  // if refused
  Seq last{};
  Seq sealed{};
  std::optional<Seq> torn_at;
  std::vector<std::string> faults;  // what can never be right, whatever was promised
};

/// What an open log says of itself, held against the story: state, chain, groups, archive. Empty if all is right; an
/// error if it has no state.
Result<std::vector<std::string>> faults_of(Log& log, const Story& story, Seq last);

/// Opens the log in `dir` of the tree `seen`, appends a batch, cuts the power at once, and opens it again.
/// `durability`: of all that stands in `seen`; after a power cut everything, after a kill what was synced.
Finding examine(const Story& story, const std::string& dir, const Tree& seen, Durability durability);

/// Whether a backup that was called done can be opened and holds a part of the story. Empty if it is right.
Result<std::vector<std::string>> faults_of_backup(const Story& story, const std::string& dir, const Tree& seen);

/// How many choices a cut is tried with.
struct Thoroughness {
  std::size_t all_subsets_up_to = 0;  // units in the air; with more of them: each alone, each prefix
  bool each_alone = true;             // lost, and kept; else each prefix only
  std::size_t torn_positions = 4;     // of the last write of each file
  bool kills = true;                  // the process alone dies too, and later the power is cut
};

struct Tally {
  std::size_t cuts = 0;        // places in the trace
  std::size_t images = 0;      // what a crash there may leave
  std::size_t distinct = 0;    // of them
  std::size_t recoveries = 0;  // opens of a log that a crash left
  std::size_t intact = 0;      // images by what came of them
  std::size_t torn = 0;
  std::size_t refused = 0;
  std::size_t refused_disordered = 0;  // of them, with names of a folder that came through out of order
  std::size_t kills = 0;
  std::vector<std::string> faults;  // the first few
};

/// Crashes a run wherever it can be crashed, and examines what is left.
class Explorer {
 public:
  /// `every_nth` image is kept for explore_recoveries().
  Explorer(const Story& story, std::string dir, std::size_t every_nth)
      : story_(story), dir_(std::move(dir)), every_nth_(every_nth) {}

  void explore(const History& history, const Thoroughness& thoroughness, std::size_t first_cut = 0);
  /// The same for the recovery of each image that was kept so far.
  void explore_recoveries(const Thoroughness& thoroughness);
  /// A disk that from some sync of a write-ahead file on says done and does nothing: what it loses cannot be brought
  /// back, but where a seal or a checkpoint says that it was there, nobody may start without it.
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
