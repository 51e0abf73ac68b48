#include "daemon/outside/forge_word.h"

#include <algorithm>
#include <utility>

#include "engine/policies/stuck.h"
#include "schema/printable.h"
#include "schema/subject.h"

namespace pawl {
namespace {

constexpr std::size_t description_bytes_max = 140;  // of GitHub
constexpr std::size_t comment_reason_bytes_max = 4000;

std::string with_reason(const std::string& text, const std::string& reason) {
  return reason.empty() ? text : text + ": " + reason;
}

std::string text_in(const flatbuffers::String* text) {
  return text ? text->str() : std::string();
}

/// Text of others as Markdown that shows it as it is: in a fence that nothing in it can close.
std::string fenced(const std::string& text) {
  std::size_t longest = 2;
  std::size_t run = 0;
  for (const char byte : text) {
    run = byte == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  return fence + "text\n" + text + '\n' + fence;
}

/// The number of the issue that a work item is named after; empty: it is named otherwise.
std::string issue_of(const std::string& work_item, const ForgeTarget& target) {
  const std::string head = target.prefix + '-';
  if (!work_item.starts_with(head)) return {};
  const std::string number = work_item.substr(head.size());
  constexpr std::size_t digits_max = 15;
  const bool is_number = !number.empty() && number.size() <= digits_max && number.front() != '0' &&
                         number.find_first_not_of("0123456789") == std::string::npos;
  return is_number ? number : std::string();
}

std::string waits_for(const State& state, const Task& task, const std::string& stage_name) {
  const PipelineRow* row = state.pipelines.find(task.pipeline);
  const Stage* stage = row ? row->definition->stage(stage_name) : nullptr;
  return stage && !stage->agent.empty() ? "waits for the agent " + stage->agent : "entered";
}

TaskId next_task_of(const State& state) {
  const Ids* ids = state.ids.find(0);
  return ids ? ids->next_task : TaskId{1};
}

bool is_forward(const State& state, const Task& task, const std::string& from, const std::string& to) {
  const PipelineRow* row = state.pipelines.find(task.pipeline);
  const Stage* stage = row ? row->definition->stage(from) : nullptr;
  return stage ? stage->to == to : to == stage_done;
}

}  // namespace

std::string cut_text(const std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  constexpr std::string_view dots = "\u2026";
  std::size_t end = bytes_max - std::min(bytes_max, dots.size());
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + std::string(dots);
}

/// One group, while it is read.
struct WordReader::Reading {
  const AppliedGroup& group;
  std::vector<ForgeWord> words = {};
};

void WordReader::begin(const State& state, const LogPlace& place) {
  place_ = place;
  next_task_ = next_task_of(state);
  told_.clear();
  for (const auto& [id, task] : state.tasks.rows()) {
    if (!target_of(task.repo) || is_terminal(task.stage)) continue;
    const bool is_seen = task.branch_head && !task.branch_begun.value_or(false);
    std::string head = is_seen ? *task.branch_head : std::string();
    if (task.gate && task.gate->head) head = *task.gate->head;
    told_.emplace(id,
                  Told{.stage = task.stage, .head = std::move(head), .blocked = task.blocked, .state = {}, .text = {}});
  }
}

std::vector<ForgeWord> WordReader::take(const AppliedGroup& group) {
  Reading reading{group};
  for (const AppliedRecord& each : group.records) {
    if (each.applied.outcome == Outcome::accepted) read(reading, each.record);
  }
  const fb::Record& last = group.records.back().record;
  place_ = {.seq = Seq{last.stamp()->seq()}, .chain = chain_of(last)};
  next_task_ = next_task_of(group.state);
  return std::move(reading.words);
}

const ForgeTarget* WordReader::target_of(const std::string& repo) const {
  const auto found = std::find_if(targets_.all.begin(), targets_.all.end(),
                                  [&](const ForgeTarget& target) { return target.repo == repo; });
  return found == targets_.all.end() ? nullptr : &*found;
}

/// The task's row after the group; null if it has left memory in an earlier one.
const Task* WordReader::task_row(const Reading& reading, TaskId id) const {
  if (const Task* task = reading.group.state.tasks.find(id)) return task;
  for (const ArchivedTask& archived : reading.group.archived) {
    if (archived.task.id == id) return &archived.task;
  }
  return nullptr;
}

void WordReader::read(Reading& reading, const fb::Record& record) {
  if (record.event_as_TaskCreated()) {
    const TaskId id = std::exchange(next_task_, next(next_task_));
    const Task* task = task_row(reading, id);
    if (!task || !target_of(task->repo)) return;
    // The stage that it began at: a later record of the group may have moved it.
    const PipelineRow* row = reading.group.state.pipelines.find(task->pipeline);
    const std::string asked = text_in(record.event_as_TaskCreated()->stage());
    const std::string stage = !asked.empty() || !row ? asked : row->definition->stages.front().name;
    told_.insert_or_assign(id, Told{.stage = stage, .head = {}, .blocked = {}, .state = {}, .text = {}});
    say(reading, *task, stage, ForgeState::waiting, waits_for(reading.group.state, *task, stage), record);
    return;
  }
  const Subject subject = subject_of(record);
  std::optional<TaskId> id = task_of(subject);
  if (!id && subject.job) {
    if (const Job* job = reading.group.state.jobs.find(*subject.job)) id = job->task;
    for (const ArchivedTask& archived : reading.group.archived) {
      for (const Job& job : archived.jobs) {
        if (job.id == *subject.job) id = archived.task.id;
      }
    }
  }
  if (id && told_.contains(*id)) read_task(reading, *id, record);
}

void WordReader::read_task(Reading& reading, TaskId id, const fb::Record& record) {
  const Task* task = task_row(reading, id);
  if (!task) {
    told_.erase(id);
    return;
  }
  const State& state = reading.group.state;
  Told& told = told_.at(id);
  if (const auto* moved = record.event_as_StageTransition()) {
    const std::string to = moved->to()->str();
    const std::string from = std::exchange(told.stage, to);
    const std::string reason = text_in(moved->reason());
    if (to == stage_done) {
      say(reading, *task, from, ForgeState::passed, "delivered", record);
      comment(reading, *task, ForgeComment::done, "delivered", record);
    } else if (is_forward(state, *task, from, to)) {
      say(reading, *task, from, ForgeState::passed, "passed; the task is now at " + to, record);
    } else {
      say(reading, *task, from, ForgeState::failed, with_reason("sent back to " + to, reason), record);
    }
    if (!is_terminal(to)) say(reading, *task, to, ForgeState::waiting, waits_for(state, *task, to), record);
  } else if (record.event_as_TaskCancelled()) {
    const std::string text = with_reason("cancelled", task->cancel_requested);
    say(reading, *task, told.stage, ForgeState::cancelled, text, record);
    comment(reading, *task, ForgeComment::cancelled, text, record);
    told.stage = stage_cancelled;
  } else if (const auto* seen = record.event_as_BranchSeen()) {
    // A branch that the task begins is still at a commit of another one.
    if (!seen->begun()) told.head = seen->head()->str();
    if (!seen->begun()) say_again(reading, *task, record);
  } else if (const auto* gate = record.event_as_GateEvaluated()) {
    if (gate->head()) told.head = gate->head()->str();
    const std::string reason = text_in(gate->reason());
    if (gate->later().value_or(false)) {
      say(reading, *task, told.stage, ForgeState::running, with_reason("the gate cannot tell yet", reason), record);
    } else if (!gate->passed()) {
      say(reading, *task, told.stage, ForgeState::error, with_reason("the gate could not be run", reason), record);
    } else if (*gate->passed()) {
      say(reading, *task, told.stage, ForgeState::running, "the gate is green", record);
    } else {
      say(reading, *task, told.stage, ForgeState::failed, with_reason("the gate is red", reason), record);
    }
  } else if (const auto* claimed = record.event_as_JobClaimed()) {
    const Job* job = state.jobs.find(JobId{claimed->job()});
    if (job) {
      say(reading, *task, told.stage, ForgeState::running,
          "the agent " + job->agent + " is at work, attempt " + std::to_string(job->attempts), record);
    }
  } else if (record.event_as_JobQueued()) {
    say(reading, *task, told.stage, ForgeState::waiting, waits_for(state, *task, told.stage), record);
  } else if (record.event_as_TaskUnblocked()) {
    say(reading, *task, told.stage, ForgeState::waiting, "unblocked; " + waits_for(state, *task, told.stage), record);
  }
  look_at_block(reading, *task, record);
  if (is_terminal(task->stage) && is_terminal(told.stage)) told_.erase(id);
}

/// A task is blocked by records of many kinds. If it is, and was not, this one did it.
void WordReader::look_at_block(Reading& reading, const Task& task, const fb::Record& record) {
  Told& told = told_.at(task.id);
  if (told.blocked == task.blocked) return;
  told.blocked = task.blocked;
  if (task.blocked.empty()) return;
  const Subject subject = subject_of(record);
  const Job* job = subject.job ? reading.group.state.jobs.find(*subject.job) : nullptr;
  const std::string reason = with_reason(task.blocked, words_behind_block(task, job));
  say(reading, task, told.stage, ForgeState::failed, "blocked: " + reason, record);
  comment(reading, task, ForgeComment::blocked, reason, record);
}

void WordReader::say(Reading& reading, const Task& task, const std::string& stage, ForgeState state,
                     const std::string& text, const fb::Record& record) {
  Told& told = told_.at(task.id);
  const bool is_current = stage == told.stage || is_terminal(told.stage);
  const std::string description = cut_text(printable(text), description_bytes_max);
  if (is_current) {
    told.state = state;
    told.text = description;
  }
  if (told.head.empty()) return;
  reading.words.push_back({.kind = ForgeWord::Kind::status,
                           .repo = task.repo,
                           .task = task.id,
                           .seq = Seq{record.stamp()->seq()},
                           .before = place_,
                           .time = TimeUs{record.stamp()->time_us()},
                           .commit = told.head,
                           .stage = stage,
                           .state = state,
                           .text = description});
}

/// For a commit that the task is now at.
void WordReader::say_again(Reading& reading, const Task& task, const fb::Record& record) {
  const Told& told = told_.at(task.id);
  if (is_terminal(told.stage)) return;
  const std::string text = told.state ? told.text : waits_for(reading.group.state, task, told.stage);
  say(reading, task, told.stage, told.state.value_or(ForgeState::waiting), text, record);
}

void WordReader::comment(Reading& reading, const Task& task, ForgeComment what, const std::string& text,
                         const fb::Record& record) {
  const ForgeTarget* target = target_of(task.repo);
  if (!target || !target->comments.contains(what)) return;
  const std::string issue = issue_of(task.work_item, *target);
  if (issue.empty()) return;
  const std::string number = std::to_string(raw(task.id));
  const std::string seq = std::to_string(record.stamp()->seq());
  // The chain tells it from a comment of another pawl.
  constexpr std::size_t chain_digits = 16;
  const std::string mark =
      "<!-- pawl task " + number + " record " + seq + ' ' + hex(chain_of(record)).substr(0, chain_digits) + " -->";
  const std::string page = targets_.page.empty() ? "" : "\n\n" + targets_.page + "/#/task/" + number;
  std::string head = "**pawl**: task " + number;
  switch (what) {
    case ForgeComment::done:
      head += " is delivered.";
      break;
    case ForgeComment::cancelled:
      head += " is cancelled.\n\n" + fenced(cut_text(printable(text), comment_reason_bytes_max));
      break;
    case ForgeComment::blocked:
      head += " is blocked, and waits for a person.\n\n" + fenced(cut_text(printable(text), comment_reason_bytes_max));
      break;
  }
  reading.words.push_back({.kind = ForgeWord::Kind::comment,
                           .repo = task.repo,
                           .task = task.id,
                           .seq = Seq{record.stamp()->seq()},
                           .before = place_,
                           .time = TimeUs{record.stamp()->time_us()},
                           .text = head + page + "\n\n" + mark,
                           .issue = issue,
                           .mark = mark});
}

}  // namespace pawl
