#include "tools/forensics/explain_story.h"

#include <algorithm>

#include "engine/json/state_json.h"
#include "schema/nearest.h"
#include "schema/subject.h"
#include "tools/forensics/explain_setting.h"

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
    const bool is_its = subject_.work_item == task.work_item || subject_.task == id || subject_.repo == task.repo;
    if (is_its) tasks_.insert(id);
  }
  for (const auto& [id, boot] : state.boots.rows()) {
    if (subject_.boot == id || subject_.boot == boot.name) own_boots_.insert(id);
  }
  for (const auto& [key, lease] : state.leases.rows()) {
    if (!own_boots_.contains(lease.owner.boot_id)) continue;
    own_keys_.insert(key);
    tokens_.insert(lease.token);
  }
  for (const JobId id : state.indexes.running) {
    if (own_boots_.contains(state.jobs.find(id)->run->owner.boot_id)) own_jobs_.insert(id);
  }
  const Job* job = subject_.job ? state.jobs.find(*subject_.job) : nullptr;
  if (job) tasks_.insert(job->task);
  for (const TaskId id : tasks_) {
    context_.know(state, id);
    begin_interval(id, std::nullopt);
  }
}

void TimelineBuilder::add(std::span<const AppliedRecord> group, const State& state) {
  const std::size_t before = entries_.size();
  leased_in_group_.reset();
  for (const AppliedRecord& item : group) {
    const auto* acquired = item.record.event_as_LeaseAcquired();
    if (acquired && !leased_in_group_) leased_in_group_ = task_of_key(acquired->key()->string_view());
  }
  const bool is_ours = std::any_of(group.begin(), group.end(), [&](const AppliedRecord& item) {
    return creates_a_task(item) || concerns(item, state);
  });
  for (const AppliedRecord& item : group) {
    ++records_;
    end_ = {item.record.stamp()->time_us()};
    take_in(item, state, is_ours);
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

/// Only its effects show which ids a record gave out: so this adds a new task, and the requested job's task.
void TimelineBuilder::learn_ids(const AppliedRecord& item, const State& state) {
  const auto* created = item.record.event_as_TaskCreated();
  for (const Effect& effect : item.applied.effects) {
    if (effect.kind == EffectKind::task && creates_a_task(item)) tasks_.insert(TaskId{effect.id});
    if (effect.kind == EffectKind::job_queued && subject_.job == JobId{effect.id}) {
      const Job* job = state.jobs.find(*subject_.job);
      if (job && tasks_.insert(job->task).second && !created) context_.know(state, job->task);
    }
  }
  const std::string name = name_like(subject_, item.record);
  if (name.empty()) return;
  const std::string_view wanted = *(subject_.work_item ? subject_.work_item
                                    : subject_.repo    ? subject_.repo
                                    : subject_.key     ? subject_.key
                                                       : subject_.boot);
  const std::string_view known[] = {nearest_ ? std::string_view(*nearest_) : std::string_view(name), name};
  if (const auto nearest = nearest_of(wanted, known)) nearest_ = std::string(*nearest);
}

void TimelineBuilder::tell(const AppliedRecord& item, const State& state) {
  entries_.push_back(entry_of(item, state));
  if (subject_.setting && !item.record.event_as_SettingChanged()) {
    add_setting(*subject_.setting, {item.record, item.applied, context_, state}, entries_.back().narration);
  }
  follow_spans(item);
  open_obstacle(item, state);
  boots_.insert(context_.boot_name(item.record.boot()->str()));
  boot_ids_.insert(item.record.boot()->str());
}

void TimelineBuilder::take_in(const AppliedRecord& item, const State& state, bool is_group_ours) {
  const fb::Record& record = item.record;
  const Seq seq{record.stamp()->seq()};
  learn_ids(item, state);
  const bool is_asked_for = subject_.seq == seq;
  const bool restores = record.event_type() == fb::Event::LogRestored;  // concerns everything that is live
  const bool is_its = is_asked_for || restores || creates_a_task(item) || concerns(item, state);
  const bool is_restored_with_it = restores && (!tasks_.empty() || !own_boots_.empty() || subject_.setting);
  is_found_ = is_found_ || is_asked_for || (is_its && (!restores || is_restored_with_it));
  if (is_its || (is_group_ours && touches(record))) {
    if (is_its ? is_told(item) : true) tell(item, state);
    const bool is_of_another = !is_its && record.event_as_TaskCreated();
    if (!is_of_another) context_.add(record, item.applied.outcome, item.applied.effects, state);
    follow_boot(item);
    follow_interval(item);
  } else if (may_bear_on_it(record)) {
    circumstances_.emplace(seq, entry_of(item, state));
  }
  follow_obstacles(item);
  context_.add_circumstance(record, item.applied, state);
}

StoryEntry TimelineBuilder::entry_of(const AppliedRecord& item, const State& state) {
  const fb::Record& record = item.record;
  const fb::Stamp& stamp = *record.stamp();
  const Subject subject = subject_of(record);
  StoryEntry entry;
  entry.seq = Seq{stamp.seq()};
  entry.group = Seq{stamp.group()};
  entry.time = {stamp.time_us()};
  entry.lane = lane_of(record.actor()->str(), boot_of(record));
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
  if (lines_ != Lines::left_out) {
    const Audience audience = lines_ == Lines::kept ? Audience::owner : Audience::reader;
    append_record_line(entry.line, record, item.applied.effects, audience);
  }
  if (const auto* started = record.event_as_BootStarted()) boot_starts_[entry.seq] = started->boot_id()->str();
  return entry;
}

std::size_t TimelineBuilder::lane_of(const std::string& actor, const std::string& boot) {
  const auto [at, is_new] = lane_at_.try_emplace(Lane{actor, boot}, lanes_.size());
  if (is_new) lanes_.push_back(at->first);
  return at->second;
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
    std::set<Seq> groups;
    for (const StoryEntry& entry : story.entries) {
      if (wanted.contains(entry.seq)) groups.insert(entry.group);
    }
    for (const StoryEntry& entry : story.entries) {
      const bool touches = entry.type.starts_with("Lease") || entry.type.starts_with("Repo");
      if (touches && groups.contains(entry.group)) wanted.insert(entry.seq);
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

/// Those findings that belong to the story, and the records that led to them.
void TimelineBuilder::take_findings(Story& story, const Findings& found, std::set<Seq>& pointed_at) const {
  std::set<Seq> seqs;
  for (const StoryEntry& entry : story.entries) {
    seqs.insert(entry.seq);
    pointed_at.insert(entry.narration.because.begin(), entry.narration.because.end());
  }
  for (const Finding& finding : found) {
    const auto is_here = [&](Seq seq) { return seqs.contains(seq); };
    const bool is_unchecked = finding.kind == Finding::Kind::unchecked;
    const bool is_of_record =
        subject_.seq && (has(finding.led_by, *subject_.seq) || has(finding.followed_by, *subject_.seq));
    const bool is_ours = tasks_.contains(finding.task) || is_here(finding.seq) || is_of_record ||
                         (is_unchecked && std::any_of(finding.followed_by.begin(), finding.followed_by.end(), is_here));
    if (!is_ours) continue;
    story.findings.push_back(finding);
    if (finding.kind == Finding::Kind::incident) pointed_at.insert(finding.seq);
    pointed_at.insert(finding.led_by.begin(), finding.led_by.end());
  }
}

/// Fills in the names of boots, and makes the lanes: only those with something on them, in order of appearance.
void TimelineBuilder::name_machines(Story& story) {
  for (const StoryEntry& entry : story.entries) {
    if (const auto started = boot_starts_.find(entry.seq); started != boot_starts_.end()) {
      boot_ids_.insert(started->second);
    }
  }
  const BootNames names(context_.boots(), boot_ids_);
  std::map<std::string, std::size_t> lane_named;
  const auto renumber = [&](std::size_t& at) {
    const Lane& lane = lanes_[at];
    const std::string name = lane.actor + names.filled(boot_mark(BootMark::lane, lane.boot), lane.actor);
    const auto [found, is_new] = lane_named.try_emplace(name, story.lanes.size());
    if (is_new) {
      story.lanes.push_back(name);
      story.lane_hosts.push_back(names.host_told_apart(lane.boot));
    }
    at = found->second;
  };
  for (StoryEntry& entry : story.entries) renumber(entry.lane);
  for (StorySpan& span : story.spans) renumber(span.lane);
  for (StoryEntry& entry : story.entries) {
    entry.narration.says = names.filled(entry.narration.says);
    for (std::string& note : entry.narration.notes) note = names.filled(note);
  }
  for (auto& [id, task] : story.tasks) {
    task.entered.actor += names.filled(boot_mark(BootMark::machine, task.entered.boot));
  }
}

Result<Story> TimelineBuilder::finish(const Findings& found) {
  if (entries_.empty() || !is_found_) {
    std::string message = "the log has nothing about " + in_words(subject_) + " in its " + std::to_string(records_) +
                          (records_ == 1 ? " record" : " records");
    if (nearest_) message += "; did you mean '" + *nearest_ + "'?";
    if (subject_.setting) message += ": it was " + context_.setting_value(*subject_.setting) + " all along";
    return Error{ErrorCode::missing, message};
  }
  Story story{.subject = in_words(subject_),
              .tasks = context_.tasks(),
              .lanes = {},
              .lane_hosts = {},
              .entries = std::move(entries_),
              .spans = std::move(spans_),
              .intervals = std::move(intervals_),
              .findings = {},
              .log_records = records_,
              .log_end = end_,
              .torn_at = {}};
  if (!subject_.is_of_tasks() && !subject_.seq) {
    story.tasks.clear();  // it meets tasks, but does not follow them
    story.intervals.clear();
  }
  std::set<Seq> pointed_at;
  take_findings(story, found, pointed_at);
  for (auto& [seq, entry] : circumstances_) {
    if (pointed_at.contains(seq)) story.entries.push_back(std::move(entry));
  }
  const auto earlier = [](const StoryEntry& left, const StoryEntry& right) { return left.seq < right.seq; };
  std::sort(story.entries.begin(), story.entries.end(), earlier);
  if (subject_.job || subject_.seq) keep_what_bears_on_it(story);
  std::map<Seq, std::vector<std::size_t>> findings_of;
  for (std::size_t i = 0; i < story.findings.size(); ++i) findings_of[story.findings[i].seq].push_back(i);
  for (StoryEntry& entry : story.entries) {
    const auto of_entry = findings_of.find(entry.seq);
    if (of_entry != findings_of.end()) entry.findings = of_entry->second;
  }
  name_machines(story);
  return story;
}

}  // namespace pawl
