#include "tools/forensics/explain_words.h"

#include <algorithm>

#include "engine/json/state_json.h"
#include "engine/rules/claim.h"
#include "engine/state/approvals.h"
#include "schema/event.h"
#include "schema/proposal.h"
#include "schema/subject.h"
#include "tools/forensics/text_forms.h"

namespace pawl {
namespace {

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string after_colon(const flatbuffers::String* text) {
  return text && text->size() > 0 ? ": " + text->str() : std::string();
}

/// What was requested: "takes …" if it was granted, else "tries to take …".
std::string does(const Scene& scene, const std::string& does_it, const std::string& rest) {
  if (scene.accepted()) return does_it + rest;
  return "tries to " + does_it.substr(0, does_it.size() - 1) + rest;  // "takes" → "take": no verb here is irregular
}

// The requests, by event.

std::string task_text(const Scene& scene, TaskId id) {
  const TaskSeen* task = scene.context.task(id);
  return "task " + number(raw(id)) + (task ? " (" + task->work_item + ')' : "");
}

Narration tell(const Scene& scene, const fb::BootStarted& event) {
  Narration narration{does(scene, "starts",
                           ": " + event.name()->str() + ", boot " + event.boot_id()->str() + ", pid " +
                               std::to_string(event.pid()) + " on " + event.host()->str()),
                      {},
                      {}};
  if (scene.accepted()) narration.notes.emplace_back("every earlier boot of that name is dead from here on");
  return narration;
}

Narration tell(const Scene& scene, const fb::BootEnded& event) {
  return {
      does(scene, "ends",
           " boot " + event.boot_id()->str() + " of " + scene.context.boot_name(event.boot_id()->str()) +
               boot_mark(BootMark::host, event.boot_id()->str()) + ": " + fb::EnumNameBootEndReason(event.reason())),
      {},
      {}};
}

Narration tell(const Scene& scene, const fb::PipelineDefined& event) {
  Narration narration{does(scene, "defines", " the pipeline " + event.name()->str()), {}, {}};
  if (event.calendar()) narration.notes.push_back("with a calendar, in " + event.calendar()->zone()->str());
  return narration;
}

Narration tell(const Scene& scene, const fb::SettingChanged& event) {
  std::string value;
  append_json(value, setting_value_from(*event.value()));
  const std::string key = event.key()->str();
  Narration narration{does(scene, "sets", ' ' + key + " to " + value), {}, {}};
  if (!setting_named(key)) return narration;
  const std::string before = scene.context.setting_value(key);
  const RecordRef* changed = scene.context.setting(key);
  narration.notes.push_back((scene.accepted() ? "it was " : "it stays ") + before +
                            (changed                         ? ", by " + by_record(*changed, scene.now())
                             : scene.context.is_default(key) ? ", its default"
                                                             : ""));
  if (changed) point_to(narration, *changed);
  const std::string principal = principal_of(scene.record);
  if (!principal.empty()) narration.notes.push_back("requested by " + principal);
  return narration;
}

Narration tell(const Scene& scene, const fb::TaskCreated& event) {
  std::string rest = " a task for " + event.work_item()->str() + " of " + event.repo()->str();
  if (event.branch()) rest += ", branch " + event.branch()->str();
  for (const Effect& effect : scene.applied.effects) {
    if (effect.kind == EffectKind::task) rest += ": task " + number(effect.id);
    const Task* task = effect.kind == EffectKind::task ? scene.state.tasks.find(TaskId{effect.id}) : nullptr;
    if (task && task->version == Version{1}) rest += " on " + task->stage;
  }
  Narration narration{does(scene, "creates", rest), {}, {}};
  for (const std::uint64_t id : *event.depends_on()) narration.notes.emplace_back("it waits for task " + number(id));
  if (event.priority()) narration.notes.emplace_back("its priority is " + std::to_string(*event.priority()));
  if (event.not_before()) narration.notes.emplace_back("it does not start before " + rfc3339({*event.not_before()}));
  return narration;
}

Narration tell(const Scene& scene, const fb::StageTransition& event) {
  const TaskSeen* task = scene.context.task(TaskId{event.task()});
  std::string rest = ' ' + task_text(scene, TaskId{event.task()});
  if (scene.accepted() && task) rest += " from " + task->stage;
  rest += " to " + event.to()->str();
  if (!scene.accepted() && event.expected_version()) rest += ", expecting version " + number(*event.expected_version());
  Narration narration{does(scene, "moves", rest + after_colon(event.reason())), {}, {}};
  if (scene.accepted() && task) {
    narration.notes.emplace_back("version " + number(raw(task->version)) + " becomes " +
                                 number(raw(task->version) + 1) + ", after " +
                                 span_of(task->entered.time, scene.now()) + " on " + task->stage);
    point_to(narration, task->gate);
    point_to(narration, task->step_end);
  }
  if (event.token()) narration.because.push_back(Seq{*event.token()});
  return narration;
}

Narration tell(const Scene& scene, const fb::LeaseAcquired& event) {
  std::string rest = " the lease " + event.key()->str();
  if (event.edge()) rest += " for " + event.edge()->str();
  if (const auto ttl = event.ttl()) rest += ", for at most " + duration(*ttl * us_per_s);
  Narration narration{does(scene, event.token() ? "renews" : "takes", rest), {}, {}};
  if (event.owner()->actor()->string_view() != scene.record.actor()->string_view()) {
    narration.notes.emplace_back("for " + in_words(owner_of(*event.owner())));
  }
  if (event.token()) narration.because.push_back(Seq{*event.token()});
  const bool is_nothing = scene.applied.unchecked && scene.accepted();
  if (is_nothing) narration.notes.emplace_back("ownership is switched off: it keeps no one out");
  return narration;
}

std::string pass_before(std::int64_t since_s) {
  return "the pass before was " + duration(since_s * us_per_s) + " earlier";
}

/// The end of a lease, with how long it was held.
Narration tell_end(const Scene& scene, const std::string& verb, const std::string& rest, const std::string& key,
                   flatbuffers::Optional<std::uint64_t> token) {
  Narration narration{does(scene, verb, " the lease " + key + rest), {}, {}};
  const LeaseSeen* lease = token ? scene.context.lease(Token{*token}) : nullptr;
  if (token) narration.because.push_back(Seq{*token});
  if (lease) {
    narration.notes.emplace_back("held by " + in_words(lease->owner) + " for " +
                                 span_of(lease->taken.time, scene.now()));
  }
  return narration;
}

Narration tell(const Scene& scene, const fb::LeaseReleased& event) {
  return tell_end(scene, "releases", "", event.key()->str(), event.token());
}

Narration tell(const Scene& scene, const fb::LeaseReclaimed& event) {
  Narration narration = tell_end(scene, "reclaims", std::string(": ") + fb::EnumNameReclaimReason(event.reason()),
                                 event.key()->str(), event.token());
  if (const auto since = event.last_pass_s()) narration.notes.push_back(pass_before(*since));
  return narration;
}

Narration tell(const Scene& scene, const fb::JobQueued& event) {
  return {does(scene, "queues", " a job for " + task_text(scene, TaskId{event.task()}) + after_colon(event.reason())),
          {},
          {}};
}

Narration tell(const Scene& scene, const fb::JobClaimed& event) {
  const JobSeen* job = scene.context.job(JobId{event.job()});
  std::string rest = " job " + number(event.job());
  if (scene.accepted() && job) rest += ", attempt " + number(job->attempt + 1);
  if (event.ttl()) rest += ", to be renewed within " + duration(*event.ttl() * us_per_s);
  Narration narration{does(scene, "claims", rest), {}, {}};
  const Owner owner = owner_of(*event.owner());
  if (owner.actor != scene.record.actor()->string_view()) {
    narration.notes.emplace_back("for " + in_words(owner));
  }
  if (!job) return narration;
  const RecordRef& waited = job->ended.seq > job->queued.seq ? job->ended : job->queued;
  if (scene.accepted()) narration.notes.emplace_back("it waited " + span_of(waited.time, scene.now()));
  point_to(narration, waited);
  return narration;
}

Narration tell(const Scene& scene, const fb::RunStarted& event) {
  Narration narration{
      does(scene, "starts", " job " + number(event.job()) + ": pid " + std::to_string(event.pid())), {}, {}};
  if (const JobSeen* job = scene.context.job(JobId{event.job()})) point_to(narration, job->claimed);
  return narration;
}

Narration tell(const Scene& scene, const fb::RunExited& event) {
  Narration narration{
      does(scene, "reports",
           " that the agent of job " + number(event.job()) + " exited with " + std::to_string(event.exit_code())),
      {},
      {}};
  const JobSeen* job = scene.context.job(JobId{event.job()});
  if (!job) return narration;
  const RecordRef& begun = job->started.seq != Seq{} ? job->started : job->claimed;
  if (scene.accepted()) narration.notes.emplace_back("it ran for " + span_of(begun.time, scene.now()));
  point_to(narration, begun);
  return narration;
}

Narration tell(const Scene& scene, const fb::JobFinished& event) {
  Narration narration{
      does(scene, "ends", " job " + number(event.job()) + " as " + fb::EnumNameJobResult(event.result())), {}, {}};
  const JobSeen* job = scene.context.job(JobId{event.job()});
  if (!job) return narration;
  if (scene.accepted()) narration.notes.push_back(span_of(job->claimed.time, scene.now()) + " after it was claimed");
  point_to(narration, job->exited.seq != Seq{} ? job->exited : job->claimed);
  return narration;
}

std::string in_words(fb::Tier tier) {
  switch (tier) {
    case fb::Tier::pid_dead:
      return "tier 1, its process is dead";
    case fb::Tier::finalizer_dead:
      return "tier 2, its finalizer is dead";
    case fb::Tier::ceiling:
      return "tier 3, it ran too long";
    case fb::Tier::restart:
      return "its boot is dead";
  }
  return "?";
}

std::string why_in_words(const fb::JobReaped& event) {
  const bool is_claim = event.reason() && event.reason()->string_view() == reaped_for_ttl;
  return is_claim ? "tier 1, its claim was not renewed in time" : in_words(event.tier());
}

/// What the reaper saw.
void add_evidence(const Scene& scene, const fb::Evidence& evidence, Narration& narration) {
  const auto ago = [](std::int64_t seconds) { return duration(seconds * us_per_s) + " ago"; };
  std::string seen;
  const auto add = [&](const std::string& what) { seen += (seen.empty() ? "evidence: " : ", ") + what; };
  if (const auto age = evidence.age_s()) add("claimed " + ago(*age));
  if (const auto age = evidence.exit_age_s()) add("exited " + ago(*age));
  if (!evidence.exit_age_s()) add("no exit code");
  if (const auto streak = evidence.streak(); streak && *streak > 0) {
    add("seen dead in " + std::to_string(*streak) + (*streak == 1 ? " pass" : " passes in a row"));
  }
  if (const auto first = evidence.first_dead()) add("first seen dead " + span_of({*first}, scene.now()) + " ago");
  if (evidence.lease_owner()) {
    const auto alive = evidence.lease_owner_alive();
    add("the task's lease was with " + in_words(owner_of(*evidence.lease_owner())) + ", " +
        (!alive   ? "not known to be alive"
         : *alive ? "alive"
                  : "dead"));
  } else {
    add("the task's lease was free");
  }
  if (const auto marked = evidence.marked(); marked && *marked) add("marked as being finalized");
  if (const auto since = evidence.last_pass_s()) add(pass_before(*since));
  narration.notes.push_back(seen);
}

Narration tell(const Scene& scene, const fb::JobReaped& event) {
  Narration narration{does(scene, "reaps",
                           " job " + number(event.job()) + " (" + why_in_words(event) + "), outcome " +
                               fb::EnumNameJobResult(event.outcome())),
                      {},
                      {}};
  if (event.evidence()) add_evidence(scene, *event.evidence(), narration);
  if (event.lease_token() > 0) narration.because.push_back(Seq{event.lease_token()});
  if (const JobSeen* job = scene.context.job(JobId{event.job()})) {
    point_to(narration, job->exited.seq != Seq{} ? job->exited : job->claimed);
  }
  return narration;
}

Narration tell(const Scene& scene, const fb::FinalizerMarked& event) {
  return {does(scene, "marks", " job " + number(event.job()) + " as being finalized"), {}, {}};
}

Narration tell(const Scene& scene, const fb::FinalizerCleared& event) {
  return {does(scene, "clears", " the mark of job " + number(event.job())), {}, {}};
}

Narration tell(const Scene& scene, const fb::GateEvaluated& event) {
  const auto passed = event.passed();
  const std::string unknown = event.later() == true ? "undecided, to be asked again later," : "in error";
  const std::string colour = !passed ? unknown : *passed ? "green" : "red";
  Narration narration{does(scene, "reports",
                           " the gate of " + event.gate()->str() + ' ' + colour + " for version " +
                               number(event.version()) + after_colon(event.reason())),
                      {},
                      {}};
  if (event.head()) narration.notes.emplace_back("of commit " + event.head()->str());
  return narration;
}

Narration tell(const Scene& scene, const fb::StepStarted& event) {
  Narration narration{does(scene, "starts",
                           " the step " + event.step()->str() + " of the crossing to " + event.to()->str() +
                               " at version " + number(event.version())),
                      {},
                      {}};
  if (event.token()) narration.because.push_back(Seq{*event.token()});
  if (event.repo_token()) narration.because.push_back(Seq{*event.repo_token()});
  const Task* task = scene.state.tasks.find(TaskId{event.task()});
  for (const StepRow& step : task ? task->steps : std::vector<StepRow>()) {
    const bool is_this = raw(step.started) == scene.record.stamp()->seq();
    if (is_this && step.irreversible) {
      narration.notes.emplace_back("irreversible: the crossing is committed from here on");
    }
  }
  const TaskSeen* seen = scene.context.task(TaskId{event.task()});
  if (scene.accepted() && seen && raw(seen->version) != event.version()) {
    narration.notes.emplace_back("by then the task was at version " + number(raw(seen->version)) + " on " +
                                 seen->stage + ", by " + by_record(seen->entered, scene.now()));
    point_to(narration, seen->entered);
  }
  return narration;
}

std::string in_words(fb::StepBy by) {
  switch (by) {
    case fb::StepBy::command:
      return "its command";
    case fb::StepBy::probe:
      return "its probe";
    case fb::StepBy::rerun:
      return "its rerun";
    case fb::StepBy::operator_:
      return "an operator";
  }
  return "?";
}

Narration tell(const Scene& scene, const fb::StepFinished& event) {
  std::string ended = fb::EnumNameStepOutcome(event.outcome());
  std::replace(ended.begin(), ended.end(), '_', ' ');
  Narration narration{
      does(scene, "reports", " the step " + event.step()->str() + ": " + ended + ", by " + in_words(event.by())),
      {},
      {Seq{event.started()}}};
  if (event.conclusive() == false) {
    narration.notes.emplace_back("its effect may still happen: the crossing stays committed");
  }
  if (event.conclusive() == true) {
    narration.notes.emplace_back("the second no, after its settle time: it is no longer in doubt");
  }
  if (event.reason()) narration.notes.emplace_back("its last line: " + event.reason()->str());
  if (const StepSeen* step = scene.context.step(Seq{event.started()})) {
    narration.notes.push_back(span_of(step->started.time, scene.now()) + " after " + step->started.actor +
                              boot_mark(BootMark::machine, step->started.boot) + " started it");
  }
  return narration;
}

Narration tell(const Scene& scene, const fb::TaskBlocked& event) {
  Narration narration{
      does(scene, "blocks", ' ' + task_text(scene, TaskId{event.task()}) + after_colon(event.reason())), {}, {}};
  if (event.token()) narration.because.push_back(Seq{*event.token()});
  return narration;
}

Narration tell(const Scene& scene, const fb::TaskUnblocked& event) {
  Narration narration{
      does(scene, "unblocks", ' ' + task_text(scene, TaskId{event.task()}) + after_colon(event.reason())), {}, {}};
  const TaskSeen* task = scene.context.task(TaskId{event.task()});
  if (!task || task->blocked.empty()) return narration;
  narration.notes.emplace_back("it was blocked as " + task->blocked + " for " +
                               span_of(task->blocked_by.time, scene.now()));
  point_to(narration, task->blocked_by);
  return narration;
}

Narration tell(const Scene& scene, const fb::CancelRequested& event) {
  Narration narration{
      does(scene, "asks", " to cancel " + task_text(scene, TaskId{event.task()}) + after_colon(event.reason())),
      {},
      {}};
  if (event.keep_branch() == true) narration.notes.emplace_back("the branch at origin is to be kept");
  return narration;
}

Narration tell(const Scene& scene, const fb::TaskCancelled& event) {
  Narration narration{does(scene, "cancels", ' ' + task_text(scene, TaskId{event.task()})), {}, {}};
  if (const TaskSeen* task = scene.context.task(TaskId{event.task()})) point_to(narration, task->cancel_asked);
  return narration;
}

Narration tell(const Scene& scene, const fb::TaskNote& event) {
  return {does(scene, "notes", ": " + event.text()->str()), {}, {}};
}

Narration tell(const Scene& scene, const fb::BranchSeen& event) {
  return {does(scene, "sees",
               event.begun() ? " that origin does not have the branch: it begins at " + event.head()->str()
                             : " the branch at origin at " + event.head()->str()),
          {},
          {}};
}

Narration tell(const Scene& scene, const fb::RepoDeclared& event) {
  const std::string place = event.url() ? ", cloned from " + event.url()->str() : ", without a URL";
  Narration narration{does(scene, "declares", " the repository " + event.repo()->str() + place), {}, {}};
  if (event.given()) narration.notes.emplace_back("by an option at the daemon's start");
  return narration;
}

Narration tell(const Scene& scene, const fb::RepoRemoved& event) {
  return {does(scene, "removes", " the repository " + event.repo()->str()), {}, {}};
}

Narration tell(const Scene& scene, const fb::HoldPlaced& event) {
  const std::string until = event.until() ? " until " + rfc3339({*event.until()}) : std::string();
  return {does(scene, "holds", " " + event.place()->str() + until + after_colon(event.reason())), {}, {}};
}

Narration tell(const Scene& scene, const fb::HoldLifted& event) {
  return {does(scene, "lifts", " the hold of " + event.place()->str() + after_colon(event.reason())), {}, {}};
}

Narration tell(const Scene& scene, const fb::HoldOverridden& event) {
  return {does(scene, "lets", " task " + number(event.task()) + " past what holds it" + after_colon(event.reason())),
          {},
          {}};
}

Narration tell(const Scene& scene, const fb::FreezePlanned& event) {
  const std::size_t count = event.windows()->size();
  Narration narration{does(scene, "plans",
                           count == 0 ? " no freeze of " + event.pipeline()->str()
                                      : " " + std::to_string(count) + (count == 1 ? " freeze of " : " freezes of ") +
                                            event.pipeline()->str() + ", up to " + rfc3339({event.planned_until()})),
                      {},
                      {}};
  constexpr flatbuffers::uoffset_t shown = 3;
  for (flatbuffers::uoffset_t i = 0; i < std::min<flatbuffers::uoffset_t>(shown, event.windows()->size()); ++i) {
    const fb::FreezeWindow& window = *event.windows()->Get(i);
    narration.notes.push_back(rfc3339({window.from()}) + " to " + rfc3339({window.until()}) +
                              after_colon(window.reason()));
  }
  return narration;
}

Narration tell(const Scene& scene, const fb::ApprovalAsked& event) {
  const std::string commit = event.head() && event.head()->size() > 0 ? " at " + event.head()->str() : std::string();
  Narration narration{does(scene, "asks", " for an approval of version " + number(event.version()) + commit), {}, {}};
  const Task* task = scene.state.tasks.find(TaskId{event.task()});
  const ApprovalRow* question = task ? question_of(*task) : nullptr;
  if (question && question->seq == Seq{scene.record.stamp()->seq()}) {
    narration.notes.push_back(in_words(*question) + (question->until ? ", until " + rfc3339(*question->until) : ""));
  }
  return narration;
}

Narration tell(const Scene& scene, const fb::ApprovalGiven& event) {
  const std::string as = event.as() ? " (" + event.as()->str() + ")" : std::string();
  return {does(scene, event.approved() ? "approves" : "rejects",
               " version " + number(event.version()) + " as " + principal_of(scene.record) + as +
                   after_colon(event.reason())),
          {},
          {}};
}

Narration tell(const Scene& scene, const fb::TaskPrioritized& event) {
  std::string what;
  const auto add = [&](const std::string& part) { what += (what.empty() ? ": " : ", ") + part; };
  if (event.priority()) add("priority " + std::to_string(*event.priority()));
  if (event.not_before()) add("not before " + rfc3339({*event.not_before()}));
  if (event.clear_not_before()) add("it need not wait for its time");
  return {does(scene, "sets",
               " the turn of " + task_text(scene, TaskId{event.task()}) + what +
                   (event.reason() && event.reason()->size() > 0 ? "; " + event.reason()->str() : "")),
          {},
          {}};
}

Narration tell(const Scene& scene, const fb::TimeGap& event) {
  return {
      does(scene, "notes", " that no one could act for " + duration(event.us()) + ": that time ages nothing"), {}, {}};
}

Narration tell(const Scene& scene, const fb::PreviousGone& event) {
  return {does(scene, "reports",
               " that process " + std::to_string(event.pid()) + ", left behind by job " + number(event.job()) +
                   ", is gone"),
          {},
          {}};
}

Narration tell(const Scene& scene, const fb::LogRestored& event) {
  return {does(scene, "restores",
               " the log from a backup that ended at record " + number(event.from()) +
                   ": everything after it until now is lost"),
          {},
          {Seq{event.from()}}};
}

Narration tell(const Scene& scene, const fb::ClaimRenewed& event) {
  Narration narration{does(scene, "renews", " the claim of job " + number(event.job())), {}, {}};
  if (const JobSeen* job = scene.context.job(JobId{event.job()})) point_to(narration, job->claimed);
  return narration;
}

Narration tell(const Scene& scene, const fb::ClaimReturned& event) {
  Narration narration{does(scene, "returns", " job " + number(event.job()) + ": the claim's answer was lost"), {}, {}};
  if (const JobSeen* job = scene.context.job(JobId{event.job()})) point_to(narration, job->claimed);
  return narration;
}

Narration tell(const Scene&, const fb::RefusalsFolded& event) {
  return {"repeats record " + number(event.seq()) + ", " + number(event.count()) + " times, refused each time",
          {},
          {Seq{event.seq()}}};
}

Narration asked(const Scene& scene) {
  return with_event(scene.record, [&scene](const auto& event) { return tell(scene, event); });
}

void add_effects(const Scene& scene, Narration& narration) {
  for (const Effect& effect : scene.applied.effects) {
    const std::string id = number(effect.id);
    switch (effect.kind) {
      case EffectKind::job_queued:
        narration.notes.emplace_back("job " + id + " is queued");
        break;
      case EffectKind::job_cancelled:
        narration.notes.emplace_back("job " + id + " will not run");
        break;
      case EffectKind::lease_freed: {
        const auto type = scene.record.event_type();
        if (type == fb::Event::LeaseReleased || type == fb::Event::LeaseReclaimed) break;
        narration.notes.emplace_back("the lease " + effect.text + " is free");
        break;
      }
      case EffectKind::blocked:
        if (scene.record.event_type() == fb::Event::TaskBlocked) break;
        narration.notes.emplace_back("task " + id + " is blocked: " + effect.text);
        break;
      case EffectKind::end_group:
        if (effect.pid > 0) {
          narration.notes.emplace_back("process group " + std::to_string(effect.pid) + " is to be ended");
        }
        break;
      case EffectKind::task:
      case EffectKind::lease_granted:
      case EffectKind::alert:
        break;
    }
  }
}

}  // namespace

Narration narration(const Scene& scene) {
  Narration narration = asked(scene);
  for (const DecidedBy& each : scene.context.deciding().of(scene.record, scene.applied, scene.state)) {
    narration.notes.push_back(in_words(each));
    narration.because.push_back(each.set_by);
  }
  add_obstacle(scene, narration);
  add_effects(scene, narration);
  if (const RecordRef* off = scene.context.setting("ownership.enabled"); off && scene.applied.unchecked) {
    point_to(narration, *off);
  }
  const Seq self{scene.record.stamp()->seq()};
  std::sort(narration.because.begin(), narration.because.end());
  narration.because.erase(std::unique(narration.because.begin(), narration.because.end()), narration.because.end());
  std::erase_if(narration.because, [&](Seq seq) { return seq >= self || seq == Seq{}; });
  return narration;
}

}  // namespace pawl
