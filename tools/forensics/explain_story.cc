#include "tools/forensics/explain_story.h"

#include <algorithm>

#include "engine/json/state_json.h"
#include "schema/subject.h"
#include "tools/commands/command.h"

namespace pawl {
namespace {

/// Whether it moves its task along the rollback of the stage that `context` has for it.
bool is_rollback(const fb::Record& record, const StoryContext& context, const State& state) {
  const auto* event = record.event_as_StageTransition();
  const Task* task = event ? state.tasks.find(TaskId{event->task()}) : nullptr;
  const TaskSeen* seen = event ? context.task(TaskId{event->task()}) : nullptr;
  const Stage* stage = task && seen ? state.pipeline_of(*task).stage(seen->stage) : nullptr;
  return stage && event->to()->string_view() == stage->rollback;
}

bool has(const std::vector<Seq>& seqs, Seq seq) {
  return std::find(seqs.begin(), seqs.end(), seq) != seqs.end();
}

}  // namespace

Result<StorySubject> subject_of(std::string_view text) {
  const auto number_after = [&](std::string_view head) -> Result<std::uint64_t> {
    return read_number(text.substr(head.size()), std::string(head.substr(0, head.size() - 1)));
  };
  StorySubject subject;
  if (text.starts_with("task:")) {
    subject.task = TaskId{PAWL_TRY(number_after("task:"))};
  } else if (text.starts_with("job:")) {
    subject.job = JobId{PAWL_TRY(number_after("job:"))};
  } else if (text.starts_with("record:")) {
    subject.seq = Seq{PAWL_TRY(number_after("record:"))};
  } else if (text.starts_with("item:")) {
    subject.work_item = text.substr(5);
  } else if (const auto seq = read_number(text, "")) {
    subject.seq = Seq{*seq};
  } else {
    subject.work_item = text;
  }
  if (subject.work_item && subject.work_item->empty()) {
    return Error{ErrorCode::malformed, "explain what? Give task:12, job:7, the number of a record, or a work item"};
  }
  return subject;
}

StorySubject about(const AppliedRecord& item, const State& state, std::span<const ArchivedTask> archived) {
  const Subject of_record = subject_of(item.record);
  StorySubject subject;
  subject.seq = Seq{item.record.stamp()->seq()};
  subject.task = task_of(of_record);
  if (of_record.lease && !subject.task) subject.key = std::string(*of_record.lease);
  for (const Effect& effect : item.applied.effects) {
    if (effect.kind == EffectKind::task) subject.task = TaskId{effect.id};
  }
  if (!of_record.job) return subject;
  if (const Job* job = state.jobs.find(*of_record.job)) subject.task = job->task;
  for (const ArchivedTask& each : archived) {
    for (const Job& job : each.jobs) {
      if (job.id == *of_record.job) subject.task = job.task;
    }
  }
  if (!subject.task) subject.job = of_record.job;  // it left memory long ago: its task will show up on the way
  return subject;
}

std::string in_words(const StorySubject& subject) {
  if (subject.seq) return "record " + std::to_string(raw(*subject.seq));
  if (subject.job) return "job " + std::to_string(raw(*subject.job));
  if (subject.task) return "task " + std::to_string(raw(*subject.task));
  return "work item " + *subject.work_item;
}

std::string_view name(StorySpan::Kind kind) {
  switch (kind) {
    case StorySpan::Kind::lease:
      return "lease";
    case StorySpan::Kind::job:
      return "job";
    case StorySpan::Kind::step:
      return "step";
  }
  return "?";
}

void TimelineBuilder::begin(const State& state) {
  context_.begin(state);
  for (const auto& [id, task] : state.tasks.rows()) {
    if (subject_.work_item == task.work_item || subject_.task == id) tasks_.insert(id);
  }
  const Job* job = subject_.job ? state.jobs.find(*subject_.job) : nullptr;
  if (job) tasks_.insert(job->task);
  for (const TaskId id : tasks_) {
    context_.know(state, id);
    const TaskSeen* task = context_.task(id);
    if (task) intervals_.push_back({id, task->stage, task->version, task->entered.seq, task->entered.time, {}});
  }
}

void TimelineBuilder::add(std::span<const AppliedRecord> group, const State& state) {
  const std::size_t before = entries_.size();
  leased_in_group_.reset();
  for (const AppliedRecord& item : group) {
    const auto* acquired = item.record.event_as_LeaseAcquired();
    if (acquired && !leased_in_group_) leased_in_group_ = task_of_key(acquired->key()->string_view());
  }
  for (const AppliedRecord& item : group) {
    ++records_;
    end_ = {item.record.stamp()->time_us()};
    take_in(item, state);
  }
  // A boot that began or ended in this group explains the group's other records.
  if (entries_.size() == before) return;
  for (const AppliedRecord& item : group) {
    const auto found = circumstances_.find(Seq{item.record.stamp()->seq()});
    if (found == circumstances_.end() || item.record.event_as_SettingChanged()) continue;
    entries_.push_back(std::move(found->second));
    circumstances_.erase(found);
  }
  std::sort(entries_.begin() + static_cast<std::ptrdiff_t>(before), entries_.end(),
            [](const StoryEntry& left, const StoryEntry& right) { return left.seq < right.seq; });
}

void TimelineBuilder::take_in(const AppliedRecord& item, const State& state) {
  const fb::Record& record = item.record;
  const Seq seq{record.stamp()->seq()};
  // Only its effects show which ids a record gave out: so this adds a new task, and the requested job's task.
  for (const Effect& effect : item.applied.effects) {
    const auto* created = record.event_as_TaskCreated();
    if (effect.kind == EffectKind::task) {
      const TaskId id{effect.id};
      if (subject_.task == id || (created && subject_.work_item == created->work_item()->string_view())) {
        tasks_.insert(id);
      }
    }
    if (effect.kind == EffectKind::job_queued && subject_.job == JobId{effect.id}) {
      const Job* job = state.jobs.find(*subject_.job);
      if (job && tasks_.insert(job->task).second && !created) context_.know(state, job->task);
    }
  }
  const bool is_new = std::any_of(item.applied.effects.begin(), item.applied.effects.end(), [&](const Effect& effect) {
    return effect.kind == EffectKind::task && tasks_.contains(TaskId{effect.id});
  });
  const bool is_asked_for = subject_.seq == seq;
  const bool restores = record.event_type() == fb::Event::LogRestored;  // concerns everything that is live
  if (is_new || is_asked_for || restores || concerns(record)) {
    entries_.push_back(entry_of(item, state));
    follow_spans(item);
    context_.add(record, item.applied.outcome, item.applied.effects, state);
    follow_interval(item);
    boots_.insert(context_.boot_name(record.boot()->str()));
  } else if (may_bear_on_it(record)) {
    circumstances_.emplace(seq, entry_of(item, state));
  }
  context_.add_circumstance(record, item.applied.outcome);
}

/// Keeps all settings, since they are few; a log may be full of boots, so only those whose names occur in the story.
bool TimelineBuilder::may_bear_on_it(const fb::Record& record) const {
  if (const auto* started = record.event_as_BootStarted()) return boots_.contains(started->name()->str());
  if (const auto* ended = record.event_as_BootEnded()) {
    return boots_.contains(context_.boot_name(ended->boot_id()->str()));
  }
  return record.event_as_SettingChanged() != nullptr;
}

bool TimelineBuilder::concerns(const fb::Record& record) {
  if (const auto* created = record.event_as_TaskCreated()) {
    return Outcome{record.stamp()->outcome()} != Outcome::accepted && concerns(*created);
  }
  if (const auto* folded = record.event_as_RefusalsFolded()) {
    const auto is_it = [&](const StoryEntry& entry) { return raw(entry.seq) == folded->seq(); };
    return std::any_of(entries_.rbegin(), entries_.rend(), is_it);
  }
  const Subject subject = subject_of(record);
  const std::optional<TaskId> task = task_of(subject);
  if (task && tasks_.contains(*task)) return true;
  if (subject.job) return context_.job(*subject.job) || subject_.job == subject.job;
  if (!subject.lease || task) return false;
  if (subject.lease == subject_.key) return true;
  if (subject.token) return tokens_.contains(*subject.token);
  const auto* acquired = record.event_as_LeaseAcquired();
  return acquired && concerns(*acquired);
}

/// A refused request for the same work item.
bool TimelineBuilder::concerns(const fb::TaskCreated& event) const {
  return std::any_of(context_.tasks().begin(), context_.tasks().end(), [&](const auto& task) {
    return task.second.work_item == event.work_item()->string_view() && task.second.repo == event.repo()->string_view();
  });
}

/// Whether a lease on something else was taken for one of the tasks: together with the task's own, or by the owner that
/// is moving it. No record says for which task a repository is locked.
bool TimelineBuilder::concerns(const fb::LeaseAcquired& event) const {
  if (leased_in_group_) return tasks_.contains(*leased_in_group_);
  const Owner owner = owner_of(*event.owner());
  return std::any_of(paths_.begin(), paths_.end(), [&](const auto& each) {
    const auto& [id, path] = each;
    const TaskSeen* task = context_.task(id);
    return task && event.key()->string_view() == repo_key(task->repo) && path.owner == owner && event.edge() &&
           event.edge()->string_view() == path.edge;
  });
}

StoryEntry TimelineBuilder::entry_of(const AppliedRecord& item, const State& state) {
  const fb::Record& record = item.record;
  const fb::Stamp& stamp = *record.stamp();
  const Subject subject = subject_of(record);
  StoryEntry entry;
  entry.seq = Seq{stamp.seq()};
  entry.group = Seq{stamp.group()};
  entry.time = {stamp.time_us()};
  entry.lane = lane_of(record.actor()->str(), record.boot()->str());
  entry.type = fb::EnumNameEvent(record.event_type());
  entry.outcome = item.applied.outcome;
  entry.unchecked = item.applied.unchecked;
  entry.is_rollback = is_rollback(record, context_, state);
  entry.narration = narration({record, item.applied, context_, state});
  entry.job = subject.job;
  entry.task = task_of(subject);
  const JobSeen* job = subject.job ? context_.job(*subject.job) : nullptr;
  if (job) entry.task = job->task;
  for (const Effect& effect : item.applied.effects) {
    if (effect.kind == EffectKind::task) entry.task = TaskId{effect.id};
    if (effect.kind == EffectKind::job_queued && !entry.job) entry.job = JobId{effect.id};
  }
  append_record_line(entry.line, record, item.applied.effects);
  return entry;
}

std::size_t TimelineBuilder::lane_of(const std::string& actor, const std::string& boot) {
  const std::string name = context_.boot_name(boot);
  // Two workers may both act as `worker`; their boots tell them apart. The daemon's many parts share one boot.
  const std::string lane = name == daemon_name || name == boot || name == actor ? actor : actor + " of " + name;
  const auto [at, is_new] = lane_at_.try_emplace(lane, lanes_.size());
  if (is_new) lanes_.push_back(lane);
  return at->second;
}

void TimelineBuilder::close(StorySpan::Kind kind, const std::string& label, const AppliedRecord& item,
                            const std::string& how) {
  const auto is_open = [&](const StorySpan& span) { return span.kind == kind && span.label == label && !span.to; };
  const auto found = std::find_if(spans_.rbegin(), spans_.rend(), is_open);
  if (found == spans_.rend()) return;
  found->to = Seq{item.record.stamp()->seq()};
  found->ended = {item.record.stamp()->time_us()};
  found->how = how;
}

void TimelineBuilder::follow_lease(const AppliedRecord& item, const fb::LeaseAcquired& event) {
  const RecordRef ref = ref_of(item.record);
  const Owner owner = owner_of(*event.owner());
  const std::string key = event.key()->str();
  const auto task = task_of_key(key);
  if (task && tasks_.contains(*task)) {
    paths_[*task] = {owner, event.edge() ? event.edge()->str() : std::string()};
  }
  for (const Effect& effect : item.applied.effects) {
    if (effect.kind != EffectKind::lease_granted || effect.token != raw(ref.seq)) continue;
    tokens_.insert(Token{effect.token});
    const std::size_t lane = lane_of(owner.actor, owner.boot_id);
    boots_.insert(context_.boot_name(owner.boot_id));
    spans_.push_back({StorySpan::Kind::lease, key, lane, ref.seq, ref.time, {}, {}, ""});
  }
}

void TimelineBuilder::follow_spans(const AppliedRecord& item) {
  if (item.applied.outcome != Outcome::accepted) return;
  const fb::Record& record = item.record;
  const RecordRef ref = ref_of(record);
  const auto open = [&](StorySpan::Kind kind, std::string label, std::size_t lane) {
    spans_.push_back({kind, std::move(label), lane, ref.seq, ref.time, {}, {}, ""});
  };
  if (const auto* event = record.event_as_LeaseAcquired()) follow_lease(item, *event);
  if (const auto* event = record.event_as_StageTransition()) paths_.erase(TaskId{event->task()});
  for (const Effect& effect : item.applied.effects) {
    if (effect.kind != EffectKind::lease_freed) continue;
    const char* how = record.event_as_LeaseReleased() ? "released" : "reclaimed";
    close(StorySpan::Kind::lease, effect.text, item, how);
    if (const auto task = task_of_key(effect.text)) paths_.erase(*task);
  }
  if (const auto* event = record.event_as_JobClaimed()) {
    const Owner owner = owner_of(*event->owner());
    boots_.insert(context_.boot_name(owner.boot_id));
    open(StorySpan::Kind::job, "job " + std::to_string(event->job()), lane_of(owner.actor, owner.boot_id));
  }
  if (const auto* event = record.event_as_JobFinished()) {
    close(StorySpan::Kind::job, "job " + std::to_string(event->job()), item, fb::EnumNameJobResult(event->result()));
  }
  if (const auto* event = record.event_as_JobReaped()) {
    close(StorySpan::Kind::job, "job " + std::to_string(event->job()), item, "reaped");
  }
  if (const auto* event = record.event_as_StepStarted()) {
    open(StorySpan::Kind::step, event->step()->str(), lane_of(record.actor()->str(), record.boot()->str()));
  }
  if (const auto* event = record.event_as_StepFinished()) {
    const auto is_it = [&](const StorySpan& each) {
      return each.kind == StorySpan::Kind::step && raw(each.from) == event->started();
    };
    const auto found = std::find_if(spans_.begin(), spans_.end(), is_it);
    if (found == spans_.end()) return;
    found->to = ref.seq;
    found->ended = ref.time;
    found->how = fb::EnumNameStepOutcome(event->outcome());
  }
}

void TimelineBuilder::follow_interval(const AppliedRecord& item) {
  for (const auto& [id, task] : context_.tasks()) {
    const auto is_of_it = [id = id](const StageSpan& stay) { return stay.task == id; };
    const auto last = std::find_if(intervals_.rbegin(), intervals_.rend(), is_of_it);
    if (last != intervals_.rend() && last->version == task.version) continue;
    const Seq seq{item.record.stamp()->seq()};
    if (last != intervals_.rend()) last->to = seq;
    intervals_.push_back({id, task.stage, task.version, task.entered.seq, task.entered.time, {}});
  }
}

/// Reduces the task's story to the part that concerns the job or record.
void TimelineBuilder::keep_what_bears_on_it(Story& story) const {
  std::set<Seq> wanted;
  const bool is_of_job = !subject_.seq;
  if (is_of_job) {
    const JobSeen* job = context_.job(*subject_.job);
    const Seq from = job ? job->queued.seq : Seq{};
    const bool is_over =
        job && job->ended.seq >= job->claimed.seq && job->ended.seq > Seq{0} && job->ended.seq >= job->queued.seq;
    const Seq to = is_over ? job->ended.seq : story.entries.back().seq;
    for (const StoryEntry& entry : story.entries) {
      const bool is_within = entry.seq >= from && entry.seq <= to;
      if (is_within || entry.job == subject_.job) wanted.insert(entry.seq);
    }
  } else {
    // Backwards, everything that led to it; forwards, what depends on it directly.
    wanted.insert(*subject_.seq);
    for (auto entry = story.entries.rbegin(); entry != story.entries.rend(); ++entry) {
      if (wanted.contains(entry->seq)) wanted.insert(entry->narration.because.begin(), entry->narration.because.end());
    }
    Seq group{};
    for (const StoryEntry& entry : story.entries) {
      if (entry.seq == subject_.seq) group = entry.group;
    }
    for (const StoryEntry& entry : story.entries) {
      if (entry.group == group || has(entry.narration.because, *subject_.seq)) wanted.insert(entry.seq);
    }
  }
  std::erase_if(story.findings, [&](const Finding& finding) {
    if (is_of_job) return !wanted.contains(finding.seq);
    return finding.seq != subject_.seq && !has(finding.led_by, *subject_.seq) &&
           !has(finding.followed_by, *subject_.seq);
  });
  for (const Finding& finding : story.findings) {
    wanted.insert(finding.seq);
    if (finding.kind == Finding::Kind::unchecked) continue;
    wanted.insert(finding.led_by.begin(), finding.led_by.end());
    wanted.insert(finding.followed_by.begin(), finding.followed_by.end());
  }
  std::erase_if(story.entries, [&](const StoryEntry& entry) { return !wanted.contains(entry.seq); });
  std::erase_if(story.spans, [&](const StorySpan& span) {
    return !wanted.contains(span.from) && !(span.to && wanted.contains(*span.to));
  });
}

Result<Story> TimelineBuilder::finish(const Audit& audit) {
  if (entries_.empty()) {
    return Error{ErrorCode::missing, "the log has nothing about " + in_words(subject_) + " in its " +
                                         std::to_string(records_) + (records_ == 1 ? " record" : " records")};
  }
  Story story{.subject = in_words(subject_),
              .tasks = context_.tasks(),
              .lanes = {},
              .entries = std::move(entries_),
              .spans = std::move(spans_),
              .intervals = std::move(intervals_),
              .findings = {},
              .log_records = records_,
              .log_end = end_,
              .torn_at = {}};
  std::set<Seq> seqs;
  std::set<Seq> pointed_at;
  for (const StoryEntry& entry : story.entries) {
    seqs.insert(entry.seq);
    pointed_at.insert(entry.narration.because.begin(), entry.narration.because.end());
  }
  for (const Finding& finding : audit.findings()) {
    const auto is_here = [&](Seq seq) { return seqs.contains(seq); };
    const bool is_unchecked = finding.kind == Finding::Kind::unchecked;
    const bool is_of_record =
        subject_.seq && (has(finding.led_by, *subject_.seq) || has(finding.followed_by, *subject_.seq));
    const bool is_ours = tasks_.contains(finding.task) || is_here(finding.seq) || is_of_record ||
                         (is_unchecked && std::any_of(finding.followed_by.begin(), finding.followed_by.end(), is_here));
    if (!is_ours) continue;
    story.findings.push_back(finding);
    pointed_at.insert(finding.led_by.begin(), finding.led_by.end());
  }
  for (auto& [seq, entry] : circumstances_) {
    if (pointed_at.contains(seq)) story.entries.push_back(std::move(entry));
  }
  const auto earlier = [](const StoryEntry& left, const StoryEntry& right) { return left.seq < right.seq; };
  std::sort(story.entries.begin(), story.entries.end(), earlier);
  if (subject_.job || subject_.seq) keep_what_bears_on_it(story);
  for (StoryEntry& entry : story.entries) {
    for (std::size_t i = 0; i < story.findings.size(); ++i) {
      if (story.findings[i].seq == entry.seq) entry.findings.push_back(i);
    }
  }
  // Only lanes with something on them, in order of appearance.
  std::map<std::size_t, std::size_t> lane_after;
  const auto renumber = [&](std::size_t& lane) {
    const auto [at, is_new] = lane_after.try_emplace(lane, story.lanes.size());
    if (is_new) story.lanes.push_back(lanes_[lane]);
    lane = at->second;
  };
  for (StoryEntry& entry : story.entries) renumber(entry.lane);
  for (StorySpan& span : story.spans) renumber(span.lane);
  return story;
}

}  // namespace pawl
