// Who may say what (SPEC §4 *Principals*, §8 *Who can know*), derived again from the records alone: who owns each boot,
// lease and start, and what happened later to steps settled as not happened.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "engine/forensics/late_facts.h"
#include "engine/rules/apply.h"

namespace pawl::hostile {

class Entitled {
 public:
  explicit Entitled(std::function<void(std::string)> broken) : broken_(std::move(broken)) {}

  /// Every record, before its group is applied.
  void see(const fb::Record& record, const State& before);
  /// The same record, after its group is applied.
  void seen(const fb::Record& record, const Applied& applied, const State& after);
  /// The log has been replaced by another.
  void forget();

 private:
  struct Starter {
    TaskId task{};
    std::string principal;
    std::string boot;
    std::optional<std::uint64_t> token;
    bool is_settled = false;  // as not happened, beyond doubt
    bool is_late = false;     // has happened after that
  };

  void check_boots(const fb::Record& record, const State& before);
  void check_tokens(const fb::Record& record);
  void check_reports(const fb::Record& record, const State& before);
  void check_steps(const fb::Record& record, const State& before);
  void note(const fb::Record& record);
  void check_late(const fb::Record& record, const Applied& applied, const State& after);
  bool is_the_daemons(const std::string& boot) const;
  bool is_of(const std::string& boot, std::string_view principal) const;
  bool can_know(const fb::Record& record, const fb::StepFinished& event, const Starter& starter) const;
  void wrong(const fb::Record& record, const std::string& what) const;

  std::function<void(std::string)> broken_;
  std::map<std::string, std::pair<std::string, std::string>> boots_;  // by id: name and principal
  std::map<std::uint64_t, std::string> granted_;                      // by token: the lease's owner
  std::map<Seq, Starter> starts_;                                     // of irreversible steps, by seq
  std::map<Seq, std::pair<std::string, std::string>> other_starts_;   // of the other steps: boot and principal
  LateFacts late_facts_;
  std::size_t late_ = 0;  // how many starts happened late
};

}  // namespace pawl::hostile
