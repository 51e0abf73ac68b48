#include "daemon/outside/alert.h"

#include <openssl/sha.h>

#include <array>

#include "engine/policies/stuck.h"
#include "engine/state/approvals.h"
#include "schema/hex.h"
#include "schema/printable.h"
#include "schema/subject.h"
#include "schema/time.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

void name_subject(const fb::Record& record, Alert& alert) {
  const Subject subject = subject_of(record);
  alert.job = subject.job;
  alert.lease = subject.lease.value_or("");
  const std::optional<TaskId> task = task_of(subject);
  if (task != TaskId{0}) alert.task = task;
}

void name_task(const Task& task, Alert& alert) {
  alert.work_item = task.work_item;
  alert.repo = task.repo;
  alert.branch = task.branch;
  alert.stage = task.stage;
}

std::string subject_of(const Alert& alert) {
  if (!alert.task && !alert.lease.empty()) return "lease " + alert.lease;
  if (!alert.task) return alert.job ? "job " + std::to_string(raw(*alert.job)) : "pawl";
  std::string task = "task " + std::to_string(raw(*alert.task));
  if (alert.work_item.empty()) return task;
  return alert.work_item + " of " + alert.repo + " (" + task + ", " + alert.stage + ")";
}

/// A word as a shell reads it.
std::string shell_word(const std::string& word) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+:@,=";
  if (word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char byte : word) quoted += byte == '\'' ? std::string("'\\''") : std::string(1, byte);
  return quoted + "'";
}

template <class Id>
std::string number_of(const std::optional<Id>& id) {
  return id ? std::to_string(raw(*id)) : std::string();
}

/// A rejection, or an answer that did not come in time, is not an incident: nothing went wrong that could be reported.
std::string_view command_for(const Alert& alert) {
  const bool is_answer = alert.reason == "approval_timed_out" || alert.reason.starts_with("rejected by ");
  return is_answer ? "pawl explain" : "pawl incident";
}

}  // namespace

std::vector<Alert> alerts_of(const Published& published) {
  std::vector<Alert> alerts;
  for (const Effect& effect : published.applied.effects) {
    if (effect.kind != EffectKind::alert) continue;
    const fb::Record& record = published.record;
    Alert alert{.reason = effect.text,
                .type = fb::EnumNameEvent(record.event_type()),
                .seq = Seq{record.stamp()->seq()},
                .time = TimeUs{record.stamp()->time_us()},
                .boot = record.boot()->str(),
                .actor = record.actor()->str(),
                .principal = principal_of(record)};
    name_subject(record, alert);
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

void look_up(const State& state, Alert& alert) {
  if (alert.job && !alert.task) {
    if (const Job* job = state.jobs.find(*alert.job)) alert.task = job->task;
  }
  if (!alert.task) return;
  const Task* task = state.tasks.find(*alert.task);
  if (!task) return;
  name_task(*task, alert);
  if (const ApprovalRow* question = question_of(*task); question && question->seq == alert.seq) {
    alert.words = in_words(*question) + (question->until ? ", until " + rfc3339(*question->until) : "");
  }
  if (task->blocked == alert.reason)
    alert.words = words_behind_block(*task, alert.job ? state.jobs.find(*alert.job) : nullptr);
}

void look_up_archived(Archive& archive, Alert& alert) {
  if (!alert.task || !alert.work_item.empty()) return;
  const auto bytes = archive.find(*alert.task);
  if (!bytes) return;
  if (const auto archived = unpack_archived(*bytes)) name_task(archived->rows.task, alert);
}

Alert test_alert(TimeUs now, const std::string& boot, const std::string& actor, const std::string& by) {
  Alert alert{.reason = "test", .type = {}, .time = now, .boot = boot, .actor = actor, .principal = by};
  alert.what = "this is a test of pawl's alerts, asked for by " + (by.empty() ? actor : by) + "; nothing has happened";
  return alert;
}

std::string id_of(const Alert& alert) {
  std::string text = std::to_string(raw(alert.seq)) + '\n' + std::to_string(alert.time.us);
  for (const std::string& part : {alert.reason, alert.type, alert.boot, alert.repo, alert.what}) text += '\n' + part;
  text += '\n' + number_of(alert.task) + '\n' + number_of(alert.job);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::uint64_t head = 0;
  for (std::size_t i = 0; i < sizeof head; ++i) head = head << 8U | digest.at(i);
  return hex(head);
}

std::string record_of(const Alert& alert) {
  return raw(alert.seq) == 0 ? "no record" : "record " + std::to_string(raw(alert.seq));
}

std::string incident_command(const Alert& alert) {
  const bool is_question = alert.type == fb::EnumNameEvent(fb::Event::ApprovalAsked);  // nothing went wrong
  if (raw(alert.seq) == 0 || alert.type.empty() || is_question) return {};
  return std::string(command_for(alert)) + ' ' + std::to_string(raw(alert.seq));
}

std::string incident_command_in_full(const Alert& alert) {
  const std::string command = incident_command(alert);
  if (command.empty() || alert.data.empty()) return command;
  return std::string(command_for(alert)) + ' ' + shell_word(alert.data) + ' ' + std::to_string(raw(alert.seq));
}

std::vector<AlertFact> facts_of(const Alert& alert) {
  using enum AlertFact::Kind;
  const std::string about = alert.what.empty() ? subject_of(alert) + ", by " + alert.actor : alert.what;
  const std::string seq = raw(alert.seq) == 0 ? std::string() : std::to_string(raw(alert.seq));
  const std::string reason = alert.reason + (alert.words.empty() ? "" : ": " + alert.words);
  std::vector<AlertFact> facts = {
      {"summary", text, printable(reason + ": " + about + ", " + record_of(alert))},
      {"reason", text, alert.reason},
      {"type", text, alert.type},
      {"seq", integer, seq},
      {"time", text, rfc3339(alert.time)},
      {"boot", text, alert.boot},
      {"actor", text, alert.actor},
      {"task", integer, number_of(alert.task)},
      {"job", integer, number_of(alert.job)},
      {"lease", text, alert.lease},
      {"work_item", text, alert.work_item},
      {"repo", text, alert.repo},
      {"branch", text, alert.branch},
      {"stage", text, alert.stage},
      {"principal", text, alert.principal},
      {"incident", text, incident_command(alert)},
      {"id", text, id_of(alert)},
  };
  for (AlertFact& fact : facts) fact.value = printable_lines(fact.value);
  return facts;
}

}  // namespace pawl
