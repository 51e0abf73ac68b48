// A maker of incidents: a healthy story (the real executor, reaper, reconciler and rules; workers, people and webhooks
// that do as they should) into which exactly one cause is put, and the truth about it. The truth is the world's own:
// what happened at the targets, and what has not moved. Nothing of engine/forensics is asked.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "schema/proposal.h"
#include "tests/world/daemon.h"
#include "tests/world/story.h"

namespace pawl::hostile {

class Incident;

/// A kind of incident. To add one, add a row in incident_kinds.cc.
struct IncidentKind {
  const char* name;
  const char* sentence;
  const char* setting;        // the one that at its default would have prevented it; null: none
  void (*inject)(Incident&);  // an actor from outside, from the moment that the seed gives; null: nothing goes wrong
  bool is_harmless = false;   // what is put in does no harm

  bool is_healthy() const { return !inject || is_harmless; }
};
std::span<const IncidentKind> incident_kinds();

/// What a task's own work is like, whatever else happens.
struct Plan {
  std::uint64_t agent_fails = 0;  // how often its agents still fail
  std::uint64_t gate_is_red = 0;  // how often its gates are still red
  bool ails = false;              // agents fail until an operator has mended it
  bool is_long = false;           // its outside agents take most of an hour
  bool is_endless = false;        // they never end
};

/// How an outside worker behaves, if not as it should. Set by a cause, and used once unless it says otherwise.
struct Habits {
  std::optional<std::int64_t> lease_ttl_s;  // of the task leases it takes
  std::optional<Us> step_takes;             // its next steps, by name `in_step`
  std::string in_step;
  bool is_cut_off = false;  // after the effect of that step nothing reaches the daemon for `step_takes`
  bool dies = false;        // in that step, before or after the effect
  bool is_broken = false;   // its next version: whatever it begins fails at once
  bool is_gone = false;     // once dead, it does not come back
  bool comes_back_at_once = false;
  std::string takes_all_of;  // crosses the daemon's own tasks of that repository too, with a gate that is red for it
};

/// What everybody in the story knows of a task.
struct KnownTask {
  std::string work_item;
  std::string repo;
  std::string pipeline;
  std::string stage;
  std::string blocked;
  std::vector<TaskId> depends_on;
  bool is_over = false;
  std::string position;  // changes whenever it moves
  Us moved = 0;
};

struct Harm {
  std::set<TaskId> victims;
  std::string what;
};

class Incident final : public Script {
 public:
  Incident(const IncidentKind& kind, std::uint64_t records);

  const std::map<std::string, std::string>& repos() const override { return repos_; }
  const std::vector<Pipeline>& pipelines() const override { return pipelines_; }
  void begin(Story& story) override;
  bool is_over() override;
  void see(const fb::Record& record) override;
  bool bears_with(const std::string& fault) override;
  Us downtime() override;
  Fate fate_of_agent(TaskId task) override;
  Fate fate_of_gate(TaskId task) override;
  Fate fate_of_step(const StepKey& key, const PipelineStep& step) override;
  Fate fate_of_probe(const StepKey& key, Verdict truth) override;

  Harm harm() const;
  std::set<TaskId> own() const;
  std::uint64_t records() const { return records_; }

  // For those who take part.

  Story& story() { return *story_; }
  Dice& dice() { return story_->dice; }
  Us now() const { return story_->scheduler.now(); }
  void sleep(Us least, Us most) { story_->scheduler.sleep(dice().between(least / second, most / second) * second); }
  const State& state() { return story_->daemon_that_serves().decided(); }
  Plan& plan(TaskId task);
  /// By an operator. The seq of the record, or of the last of the group; 0: it was refused.
  template <class... Events>
  Seq command(const Events&... events) {
    for (;;) {
      const auto decision = story_->ask(propose_group(operator_now(), events...));
      if (!decision || decision->outcome == Outcome::stale_boot) continue;
      return decision->outcome == Outcome::accepted ? decision->seq : Seq{0};
    }
  }
  /// The same for a setting; a refusal ends the story as wrong.
  Seq set(const std::string& key, const SettingValue& value);
  Requester operator_now();
  /// A pipeline as it is from now on. The seq; 0: it was refused.
  Seq redefine(const Pipeline& pipeline);
  /// Waits until something holds, looking every few seconds; false: in vain.
  bool await(const std::function<bool()>& holds, Us most);
  /// Whether the daemon has no gate or step under way, that its end could cut off.
  bool is_daemon_idle();
  /// A live task for which something holds.
  std::optional<TaskId> some_task(const std::function<bool(const Task&, const KnownTask&)>& is_meant);

  /// From StepStarted to its end, of a step that one at a time may take.
  void note_exclusive(const StepKey& key, Us from, Us to);
  /// It was over earlier.
  void end_exclusive(const StepKey& key);
  /// What a worker made is with it alone, until it has pushed it.
  void note_made(TaskId task, Version version) { pushed_.erase({task, version}); }
  void note_pushed(TaskId task, Version version) { pushed_.insert({task, version}); }

  std::map<TaskId, KnownTask> tasks;
  std::map<std::string, Plan> plans;        // by work item
  std::map<std::string, Habits> habits;     // by worker
  std::map<std::string, ProcessPtr> hands;  // by worker: its process
  std::set<std::string> hands_off;          // settings that the administrator leaves alone
  std::vector<std::string> called;          // workers that look for work at once
  std::optional<Us> away_for;               // the daemon, after its next ends
  bool probes_lie = false;                  // about what is under way
  bool next_step_ends_in_doubt = false;     // of the daemon's, after its request
  Us in_the_air = 0;                        // how long its request is under way then
  std::string in_doubt_of;                  // only of tasks of that pipeline
  std::optional<StepKey> doubtful;          // the step that did
  std::set<TaskId> not_helped;              // tasks that ail, and operators do not look at
  std::optional<Seq> red_from;              // gates of pipelines defined from there on are always red
  Us hangs_from = 0;                        // what stood still before does not count

  // The cause.
  std::optional<Seq> cause;
  std::vector<Seq> also;
  bool needs_proof = false;  // without it, the story is not the one that was meant
  std::optional<Seq> proof;  // a late record that shows the cause
  std::string words;         // about it
  std::string setting;       // if the kind does not say
  /// Sees each record: for causes that others propose.
  std::function<void(const fb::Record&)> watcher;

 private:
  void follow_tasks();
  Us last_move(const KnownTask& known) const;

  const IncidentKind& kind_;
  const std::uint64_t records_wanted_;
  std::uint64_t records_ = 0;
  std::uint64_t turns_ = 0;
  std::uint64_t ends_at_ = 0;
  Story* story_ = nullptr;
  std::map<std::string, std::string> repos_;
  std::vector<Pipeline> pipelines_;
  struct Held {
    std::string repo;
    StepKey key;
    Us from = 0;
    Us to = 0;
  };
  std::vector<Held> held_;
  std::set<TaskId> live_;  // in the state when it was last looked at
  std::set<std::pair<TaskId, Version>> pushed_;
};

/// The truth about a story that has been told.
struct Label {
  std::string kind;
  std::uint64_t seed = 0;
  std::uint64_t tries = 1;
  std::optional<Seq> cause;
  std::vector<Seq> also;
  std::optional<Seq> proof;
  std::string setting;
  Harm harm;
  std::string words;
  std::set<TaskId> own;
};
std::string in_json(const Label& label);

// Those who take part, each in a file of its name.
void send_hands(Incident& incident);
/// One more worker, perhaps under a name that another has.
void send_hand(Incident& incident, const std::string& name, const std::string& machine);
void send_people(Incident& incident);

struct IncidentOrder {
  std::string kind;
  std::uint64_t seed = 1;
  std::uint64_t records = 800;
  bool log = false;
  std::string label;  // a file; empty: standard error
};
/// Tells stories until one has the harm, and writes what was asked for. The program's exit code.
int make_incident(const IncidentOrder& order);
void list_incidents();
/// The log of a story, to standard output, as `pawl export` prints it. False: it cannot be written, as it says there.
bool write_log_of(const Story& story);

}  // namespace pawl::hostile
