#include "tools/simulation/simulation.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdio>

#include "engine/json/state_json.h"
#include "engine/policies/reconciler.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "store/chain.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

namespace json = boost::json;

constexpr std::int64_t daemon_pid = 1;
/// All boots are on one host, whatever they say, and the world has one answer for each pid.
constexpr std::string_view script_host = "script";

std::string boot_id_of(std::uint64_t start) {
  char id[37];
  std::snprintf(id, sizeof id, "00000000-0000-4000-8000-%012llx", static_cast<unsigned long long>(start));
  return id;
}

/// Whether `found` has all that `expected` has: every member of an object; every object of a list, in order; any other
/// value must be equal.
bool is_in(const json::value& expected, const json::value& found) {
  if (expected.is_object()) {
    if (!found.is_object()) return false;
    return std::all_of(expected.get_object().begin(), expected.get_object().end(), [&](const auto& member) {
      const json::value* other = found.get_object().if_contains(member.key());
      return other && is_in(member.value(), *other);
    });
  }
  const auto is_object = [](const json::value& value) { return value.is_object(); };
  const bool lists = expected.is_array() && found.is_array() && !expected.get_array().empty();
  if (!lists || !std::all_of(expected.get_array().begin(), expected.get_array().end(), is_object)) {
    return expected == found;
  }
  auto at = found.get_array().begin();
  for (const json::value& wanted : expected.get_array()) {
    at = std::find_if(at, found.get_array().end(), [&](const json::value& value) { return is_in(wanted, value); });
    if (at == found.get_array().end()) return false;
    ++at;
  }
  return true;
}

std::string in_json(const json::value& value) {
  return json::serialize(value);
}

}  // namespace

Simulation::Simulation(Print print, Journal* journal) : print_(std::move(print)), journal_(journal) {
  machine_.set_now(script_start);
  machine_.on_group = [this](Decided& decided) { take(decided); };
  start();
  machine_.propose(propose_group(requester(std::string(daemon_name)), pipeline_event(default_pipeline())));
}

Result<std::optional<std::string>> Simulation::play(const ScriptLine& line) {
  machine_.set_now(line.at);
  made_is_stale_ = true;
  std::optional<std::string> miss;
  switch (line.kind) {
    case ScriptLine::Kind::propose:
    case ScriptLine::Kind::set: {
      Group group = PAWL_TRY(group_of(line, speakers(), references()));
      machine_.propose(std::move(group));  // A refusal is a record, not a failure of the script.
      break;
    }
    case ScriptLine::Kind::world:
      set_facts(line.content);
      break;
    case ScriptLine::Kind::tick_reaper:
      tick_reaper();
      break;
    case ScriptLine::Kind::tick_reconciler:
      tick_reconciler();
      break;
    case ScriptLine::Kind::restart:
      PAWL_ASSERT(machine_.replay());
      streaks_.clear();
      totals_ = {};
      start();
      break;
    case ScriptLine::Kind::show_state:
      PAWL_TRY(show("state"));
      break;
    case ScriptLine::Kind::show_queue:
      PAWL_TRY(show("queue"));
      break;
    case ScriptLine::Kind::expect:
      miss = PAWL_TRY(missed(line.content));
      break;
  }
  PAWL_TRY(written_);
  return miss;
}

void Simulation::start() {
  boot_id_ = boot_id_of(++starts_);
  started_ = machine_.now();
  fb::BootStartedT event;
  event.name = daemon_name;
  event.boot_id = boot_id_;
  event.pid = daemon_pid;
  event.host = script_host;
  event.version = "script";
  machine_.propose(propose_group(requester(std::string(daemon_name)), event));
}

/// Takes a decided group: chains, prints and writes it, and carries out its effects in the world.
void Simulation::take(Decided& decided) {
  if (std::exchange(made_is_stale_, false)) made_.clear();
  Batch batch;
  for (std::size_t i = 0; i < decided.records.size(); ++i) {
    Proposal& record = decided.records[i];
    const Applied& applied = decided.applied[i];
    chain_ = stamp_chain(chain_, record);
    append_record_line(made_.emplace_back(), record.record(), applied.effects);
    print_(made_.back());
    batch.records.emplace_back(record.data(), record.size());
    for (const Effect& effect : applied.effects) {
      if (effect.kind == EffectKind::end_group && effect.pid != 0) world_.pid_alive[effect.pid] = false;
    }
    if (applied.outcome != Outcome::accepted) continue;
    if (const auto* reaped = record.record().event_as_JobReaped()) {
      ++totals_.reaped;
      totals_.last_reaped = JobId{reaped->job()};
    }
    if (record.record().event_type() == fb::Event::LeaseReclaimed) ++totals_.leases_reclaimed;
  }
  if (!journal_ || !written_) return;
  const Seq first{decided.records.front().record().stamp()->seq()};
  const Seq last{decided.records.back().record().stamp()->seq()};
  for (const ArchivedTask& archived : decided.archived) batch.archived.push_back(pack_archived(archived, last));
  written_ = journal_->append(batch, first);
}

void Simulation::set_facts(const json::object& facts) {
  if (const json::value* pid = facts.if_contains("pid")) {
    world_.pid_alive[pid->get_int64()] = facts.at("alive").get_bool();
    world_.pid_start.erase(pid->get_int64());
    if (const json::value* start = facts.if_contains("start")) {
      world_.pid_start[pid->get_int64()] = start->get_int64();
    }
    return;
  }
  for (const auto& fact : facts) {
    const json::object& object = fact.value().get_object();
    if (fact.key() == "gate") {
      const json::value& green = object.at("green");
      const TaskId task{static_cast<std::uint64_t>(object.at("task").get_int64())};
      world_.gate_green[task] = green.is_null() ? std::nullopt : std::optional(green.get_bool());
      continue;
    }
    const std::string name(object.at("name").get_string().c_str());
    const std::int64_t code = object.at("exit").get_int64();
    if (fact.key() == "probe") {
      world_.probe_exit[name] = code;
    } else {
      world_.step_exit[name] = {.how = CommandExit::How::exited, .code = code};
    }
  }
}

/// A pass of the reaper: the running jobs by id, then the leases.
void Simulation::tick_reaper() {
  if (!machine_.state().settings().reaper.enabled) return;
  totals_.reaper_last_run = machine_.now();
  ++totals_.reaper_passes;
  totals_.oldest_past_ceiling_s = 0;
  std::vector<std::pair<TaskId, JobId>> running;
  for (const JobId id : machine_.state().indexes.running) {
    running.emplace_back(machine_.state().jobs.find(id)->task, id);
  }
  const Requester reaper = requester("reaper");
  for (const auto& [task, job] : running) {
    const Reaped reaped = reap_job(machine_, world_, task, job, streaks_, reaper, daemon_pid);
    if (reaped.deferred) ++totals_.finalizer_defers;
    totals_.oldest_past_ceiling_s = std::max(totals_.oldest_past_ceiling_s, reaped.past_ceiling_s);
  }
  const auto is_alive = [&](const Owner& owner, const Boot& boot) { return world_.is_alive(owner, boot); };
  for (const LeaseToReclaim& lease : leases_to_reclaim(machine_.state(), machine_.now(), is_alive)) {
    fb::LeaseReclaimedT event;
    event.key = lease.key;
    event.token = raw(lease.token);
    event.reason = lease.reason;
    machine_.propose(propose_group(reaper, event));
  }
}

void Simulation::tick_reconciler() {
  if (!machine_.state().settings().reconciler.enabled) return;
  totals_.reconciler_last_run = machine_.now();
  ++totals_.reconciler_passes;
  for (const TaskId task : reconcile_candidates(machine_.state())) {
    const Reconciled done = reconcile(machine_, world_, task, requester("reconciler"), daemon_pid);
    if (done.move == ReconcileMove::defer) ++totals_.reconciler_defers;
    if (done.answer && done.answer->result == AdvanceResult::advanced) ++totals_.reconciler_moves;
  }
}

Result<void> Simulation::show(std::string_view what) {
  std::string out = "{\"show\":\"" + std::string(what) + "\",\"" + std::string(what) + "\":";
  if (what == "queue") {
    totals_.now = machine_.now();
    totals_.reaper_since_run_s = age_s(totals_.reaper_passes == 0 ? started_ : totals_.reaper_last_run, totals_.now);
    totals_.lease_defers = totals_.finalizer_defers + totals_.reconciler_defers;
    append_queue_open(out, machine_.state(), totals_);
    out += '}';
  } else {
    std::vector<const ArchivedTask*> finished;
    for (const ArchivedTask& archived : machine_.archive()) finished.push_back(&archived);
    std::sort(finished.begin(), finished.end(),
              [](const ArchivedTask* left, const ArchivedTask* right) { return left->task.id < right->task.id; });
    const auto archived = [&](const std::function<void(const ArchivedTask&)>& each) -> Result<void> {
      for (const ArchivedTask* task : finished) each(*task);
      return {};
    };
    PAWL_TRY(write_state_json(machine_.state(), archived, [&](std::string_view piece) { out += piece; }));
  }
  print_(out + '}');
  return {};
}

Result<std::optional<std::string>> Simulation::missed(const json::object& expected) {
  if (const json::value* records = expected.if_contains("records")) return missed_records(records->get_array());
  const auto id_of = [&](const char* name) { return static_cast<std::uint64_t>(expected.at(name).get_int64()); };
  if (expected.contains("task")) {
    json::object fields = expected;
    fields.erase("task");
    return missed_in(fields, "task " + std::to_string(id_of("task")), row_of(TaskId{id_of("task")}));
  }
  if (expected.contains("job")) {
    json::object fields = expected;
    fields.erase("job");
    return missed_in(fields, "job " + std::to_string(id_of("job")), row_of(JobId{id_of("job")}));
  }
  json::object fields = expected;
  fields.erase("lease");
  const std::string key(expected.at("lease").get_string().c_str());
  const Lease* lease = machine_.state().lease(key);
  if (const json::value* held = fields.if_contains("held")) {
    const bool wanted = held->get_bool();
    if (wanted != (lease != nullptr)) {
      const std::string is =
          lease ? "held, by " + lease->owner.actor + " with token " + std::to_string(raw(lease->token)) : "free";
      return std::optional("expected lease '" + key + "' to be " + (wanted ? "held" : "free") + ", but it is " + is);
    }
    fields.erase("held");
    if (fields.empty()) return std::optional<std::string>();
  }
  std::string row;
  if (lease) append_json(row, *lease);
  return missed_in(fields, "lease '" + key + "'", row);
}

Result<std::optional<std::string>> Simulation::missed_in(const json::object& expected, const std::string& subject,
                                                         const std::string& row) {
  if (row.empty()) {
    return std::optional("expected " + subject + " to have " + in_json(expected) + ", but there is none");
  }
  const json::value found = PAWL_TRY(parse_json(row));
  for (const auto& member : expected) {
    const std::string name(member.key());
    const json::value* value = found.get_object().if_contains(member.key());
    if (!value) return Error{ErrorCode::malformed, subject + " has no '" + name + "'"};
    if (is_in(member.value(), *value)) continue;
    return std::optional("expected " + subject + " to have " + name + ' ' + in_json(member.value()) + ", but it is " +
                         in_json(*value));
  }
  return std::optional<std::string>();
}

/// Each expected record must match a record after the one that matched the previous expectation.
std::optional<std::string> Simulation::missed_records(const json::array& expected) const {
  std::size_t at = 0;
  for (const json::value& wanted : expected) {
    bool is_met = false;
    while (at < made_.size() && !is_met) is_met = is_in(wanted, *parse_json(made_[at++]));
    if (is_met) continue;
    std::string made;
    for (const std::string& line : made_) {
      const json::value record = *parse_json(line);
      made += (made.empty() ? "" : ", ") + std::string(record.at("type").get_string()) + " " +
              std::string(record.at("outcome").get_string());
    }
    return "expected a record " + in_json(wanted) + ", but there were: " + (made.empty() ? "none" : made);
  }
  return std::nullopt;
}

std::string Simulation::row_of(TaskId id) const {
  std::string row;
  if (const Task* task = machine_.state().tasks.find(id)) append_json(row, *task);
  for (const ArchivedTask& archived : machine_.archive()) {
    if (archived.task.id == id) append_json(row, archived.task);
  }
  return row;
}

std::string Simulation::row_of(JobId id) const {
  std::string row;
  if (const Job* job = machine_.state().jobs.find(id)) append_json(row, *job);
  for (const ArchivedTask& archived : machine_.archive()) {
    for (const Job& job : archived.jobs) {
      if (job.id == id) append_json(row, job);
    }
  }
  return row;
}

Requester Simulation::requester(std::string actor) const {
  return {.boot = boot_id_, .actor = std::move(actor), .key = {}, .request = {}};
}

Speakers Simulation::speakers() const {
  return {.boot = boot_id_, .pid = daemon_pid, .host = std::string(script_host)};
}

References Simulation::references() const {
  return {.token = [this](const std::string& key) -> std::optional<Token> {
            const Lease* lease = machine_.state().lease(key);
            return lease ? std::optional(lease->token) : std::nullopt;
          },
          .start = [this](TaskId id, const std::string& step) -> std::optional<Seq> {
            const Task* task = machine_.state().tasks.find(id);
            const StepRow* open = task ? open_step(*task) : nullptr;
            return open && open->step == step ? std::optional(open->started) : std::nullopt;
          }};
}

}  // namespace pawl
