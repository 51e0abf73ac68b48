#include "engine/state/approvals.h"

#include <algorithm>

namespace pawl {

const Approval* needed_approval(const Task& task, const Stage& stage) {
  return is_committed(task) || open_step(task) ? nullptr : stage.approval();
}

const ApprovalRow* question_of(const Task& task) {
  return task.approval && task.approval->version == task.version ? &*task.approval : nullptr;
}

const SaidRow* rejection(const ApprovalRow& question) {
  for (const SaidRow& said : question.said) {
    if (!said.approved) return &said;
  }
  return nullptr;
}

std::uint64_t approvals_of(const ApprovalRow& question) {
  return static_cast<std::uint64_t>(
      std::count_if(question.said.begin(), question.said.end(), [](const SaidRow& said) { return said.approved; }));
}

bool is_approved(const ApprovalRow& question) {
  return !rejection(question) && approvals_of(question) >= question.need;
}

bool has_lapsed(const ApprovalRow& question, TimeUs now) {
  return question.until && now >= *question.until && !is_approved(question) && !rejection(question);
}

bool is_open(const ApprovalRow& question, TimeUs now) {
  return !is_approved(question) && !rejection(question) && !has_lapsed(question, now);
}

std::string in_words(const ApprovalRow& question) {
  std::string words = std::to_string(approvals_of(question)) + " of " + std::to_string(question.need) +
                      (question.need == 1 ? " approval" : " approvals") + " for version " +
                      std::to_string(raw(question.version));
  if (!question.head.empty()) words += " at " + question.head.substr(0, 12);
  words += "; ";
  for (std::size_t i = 0; i < question.by.size(); ++i) {
    if (i > 0) words += i + 1 == question.by.size() ? " or " : ", ";
    words += question.by[i];
  }
  return words + " may" + (question.not_submitter ? ", but not who submitted it" : "");
}

}  // namespace pawl
