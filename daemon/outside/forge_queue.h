// The words that wait for one forge, and when the next may be tried. It knows no thread and no clock.
//
// Of the statuses of a stage on a commit only the newest waits: a forge that is down for a day is told how things are,
// not how they came to be, and what waits is bounded by commits and stages. Words are told in the order of their
// records, one at a time, and the first one until it is told or refused: so a stale one never follows a newer one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "daemon/outside/forge_word.h"

namespace pawl {

class ForgeQueue {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Backoff = std::function<std::chrono::milliseconds(unsigned failures)>;

  /// A forge that has been told everything up to `told`. Words up to `known` may have been sent by an earlier boot.
  ForgeQueue(const LogPlace& told, Seq known, Backoff backoff)
      : begun_(told.seq), known_(known), read_(told), backoff_(std::move(backoff)) {}

  /// Adds a word, unless the forge has been told of it. Requires: the words come in the order of the log.
  void add(ForgeWord word);
  /// Everything up to there has been added.
  void read_to(const LogPlace& place);

  struct Next {
    std::uint64_t number = 0;
    ForgeWord word;
    bool may_be_there = false;  // it may have arrived before
  };
  /// The word to tell now, if there is one and no pause.
  std::optional<Next> next(Time now) const;
  /// When next() will have one; none: nothing waits.
  std::optional<Time> due() const;

  // What became of a word from next(). A newer one may have replaced it meanwhile.
  void told(std::uint64_t number);
  void refused(std::uint64_t number) { told(number); }
  /// Returns for how long it pauses.
  std::chrono::milliseconds failed(std::uint64_t number, Time now, std::chrono::milliseconds not_before);

  /// Where to go on after a restart: before the first word that waits.
  const LogPlace& place() const;
  std::size_t size() const { return waiting_.size(); }
  /// Failures in a row.
  unsigned failures() const { return failures_; }

 private:
  struct Waiting {
    ForgeWord word;
    bool is_tried = false;
  };
  using Key = std::pair<std::string, std::string>;  // commit and stage

  void remove(std::map<std::uint64_t, Waiting>::iterator at);

  std::map<std::uint64_t, Waiting> waiting_;  // in the order of their records
  std::map<Key, std::uint64_t> newest_;       // of the statuses that wait
  std::uint64_t next_number_ = 1;
  Seq begun_;
  Seq known_;
  LogPlace read_;
  Backoff backoff_;
  unsigned failures_ = 0;
  Time due_ = {};
};

}  // namespace pawl
