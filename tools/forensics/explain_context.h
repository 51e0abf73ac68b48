// What a story remembers of its tasks as it reads on, so that it can tell a record together with what the record ends,
// answers or runs into. Follows what was accepted, even where ownership was off and the state has no lease.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "engine/forensics/deciding.h"
#include "engine/rules/apply.h"
#include "engine/state/effects.h"
#include "engine/state/state.h"

namespace pawl {

/// Something that a record did, for other records to point to.
struct RecordRef {
  Seq seq{};
  TimeUs time;
  std::string actor;
  std::string boot = {};  // its id
};

struct BootSeen {
  std::string name;
  std::string host;
};

struct TaskSeen {
  std::string work_item;
  std::string repo;
  std::string branch;
  std::string stage;  // empty: unknown
  Version version{};
  RecordRef entered;    // what brought it to its stage
  std::string blocked;  // why; empty: not blocked
  RecordRef blocked_by;
  RecordRef cancel_asked;
  RecordRef committed;  // start of the irreversible step of this version
  RecordRef gate;       // last evaluation at this version
  RecordRef step_end;   // last step of this version that ended
};

struct JobSeen {
  TaskId task{};
  std::uint64_t attempt = 0;
  RecordRef queued;
  RecordRef claimed;
  RecordRef started;
  RecordRef exited;
  RecordRef ended;
};

struct LeaseSeen {
  std::string key;
  Owner owner;
  RecordRef taken;
};

struct StepSeen {
  std::string step;
  RecordRef started;
};

class StoryContext {
 public:
  /// The boots and settings that a log begins with, if it begins with a checkpoint.
  void begin(const State& state);
  /// Takes a task from the state, if the story does not have its earlier records.
  void know(const State& state, TaskId id);

  /// Takes a record that concerns one of the tasks. `state` is the one after its group.
  void add(const fb::Record& record, Outcome outcome, const Effects& effects, const State& state);
  /// Takes every record, after add(): boots, settings and limits matter to every story.
  void add_circumstance(const fb::Record& record, const Applied& applied, const State& state);

  /// The tasks that began a version since the last call.
  std::set<TaskId> take_moved() { return std::exchange(moved_, {}); }

  const TaskSeen* task(TaskId id) const { return find(tasks_, id); }
  const JobSeen* job(JobId id) const { return find(jobs_, id); }
  const LeaseSeen* lease(Token token) const { return find(leases_, token); }
  const StepSeen* step(Seq started) const { return find(steps_, started); }
  const RecordRef* boot_end(const std::string& boot) const { return find(boot_ends_, boot); }
  const RecordRef* setting(const std::string& key) const { return find(settings_, key); }
  const DecidingValues& deciding() const { return deciding_; }

  const std::map<TaskId, TaskSeen>& tasks() const { return tasks_; }
  /// "pawld"; the id itself for an unknown boot.
  std::string boot_name(const std::string& boot_id) const;
  const BootSeen* boot(const std::string& boot_id) const { return find(boots_, boot_id); }
  const std::map<std::string, BootSeen>& boots() const { return boots_; }
  /// The id of the boot in force under that name; empty: none.
  std::string boot_in_force(const std::string& name) const;

  /// The value as JSON, and whether it was never set.
  std::string setting_value(const std::string& key) const;
  bool is_default(const std::string& key) const { return !setting_values_.contains(key); }

 private:
  template <class Map, class Key>
  static const typename Map::mapped_type* find(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second;
  }

  void add_event(const fb::Record& record, const RecordRef& ref, const State& state);
  void add_effects(const fb::Record& record, const RecordRef& ref, const Effects& effects, const State& state);
  void leaves(TaskId id, const std::string& to, const RecordRef& ref);

  std::map<TaskId, TaskSeen> tasks_;
  std::set<TaskId> moved_;
  std::map<JobId, JobSeen> jobs_;
  std::map<Token, LeaseSeen> leases_;
  std::map<Seq, StepSeen> steps_;
  std::map<std::string, BootSeen> boots_;
  std::map<std::string, std::string> boot_in_force_;  // by name
  std::map<std::string, RecordRef> boot_ends_;
  std::map<std::string, RecordRef> settings_;
  std::map<std::string, std::string> setting_values_;  // as JSON
  DecidingValues deciding_;
};

RecordRef ref_of(const fb::Record& record);
/// The boot that acts in a record. One that starts does, even if the daemon's boot proposes it.
std::string boot_of(const fb::Record& record);
Owner owner_of(const fb::Owner& owner);

}  // namespace pawl
