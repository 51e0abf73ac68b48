#include "tools/forensics/explain_subject.h"

#include "engine/state/settings.h"
#include "schema/number.h"
#include "schema/subject.h"

namespace pawl {
namespace {

/// The subjects that are a name after a head.
struct NamedSubject {
  std::string_view head;
  std::optional<std::string> StorySubject::*name;
  std::string_view words;
};
constexpr NamedSubject named_subjects[] = {
    {"item:", &StorySubject::work_item, "work item "}, {"repo:", &StorySubject::repo, "repository "},
    {"boot:", &StorySubject::boot, "boot "},           {"key:", &StorySubject::key, "lease "},
    {"setting:", &StorySubject::setting, "setting "},
};

}  // namespace

Result<StorySubject> subject_of(std::string_view text) {
  const auto number_after = [&](std::string_view head) -> Result<std::uint64_t> {
    return read_number(text.substr(head.size()), std::string(head.substr(0, head.size() - 1)));
  };
  const Error nothing{ErrorCode::malformed,
                      "explain what? Give task:12, job:7, the number of a record, repo:NAME, boot:NAME, key:LEASE, "
                      "setting:KEY or a work item"};
  StorySubject subject;
  if (text.starts_with("task:")) {
    subject.task = TaskId{PAWL_TRY(number_after("task:"))};
    return subject;
  }
  if (text.starts_with("job:")) {
    subject.job = JobId{PAWL_TRY(number_after("job:"))};
    return subject;
  }
  if (text.starts_with("record:")) {
    subject.seq = Seq{PAWL_TRY(number_after("record:"))};
    return subject;
  }
  for (const NamedSubject& named : named_subjects) {
    if (!text.starts_with(named.head)) continue;
    const std::string name(text.substr(named.head.size()));
    if (name.empty()) return nothing;
    if (named.name == &StorySubject::setting && !setting_named(name)) {
      return Error{ErrorCode::malformed, no_setting_named(name)};
    }
    subject.*named.name = name;
    return subject;
  }
  if (text.empty()) return nothing;
  if (const auto seq = read_number(text, "")) {
    subject.seq = Seq{*seq};
  } else {
    subject.work_item = text;
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
  for (const NamedSubject& named : named_subjects) {
    if (subject.*named.name) return std::string(named.words) + *(subject.*named.name);
  }
  return "?";
}

std::string name_like(const StorySubject& subject, const fb::Record& record) {
  if (subject.seq) return {};
  const Subject names = subject_of(record);
  if (subject.work_item && names.work_item) return std::string(*names.work_item);
  if (subject.repo && names.repo) return std::string(*names.repo);
  if (subject.key && names.lease && !task_of_key(*names.lease)) return std::string(*names.lease);
  const auto* started = record.event_as_BootStarted();
  return subject.boot && started ? started->name()->str() : std::string();
}

}  // namespace pawl
