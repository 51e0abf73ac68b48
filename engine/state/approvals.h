// Approvals: what a gate asks people for, and whether what they said suffices. A question is about one version of a
// task and one commit, and silence is never an answer.
#pragma once

#include "engine/state/state.h"

namespace pawl {

/// What the gate of the task's stage asks people for, unless the crossing has begun; null: nothing.
[[nodiscard]] const Approval* needed_approval(const Task& task, const Stage& stage);
/// The question that is open at the task's version; null if none was asked yet.
[[nodiscard]] const ApprovalRow* question_of(const Task& task);

/// The word that rejected it; null if there is none.
[[nodiscard]] const SaidRow* rejection(const ApprovalRow& question);
[[nodiscard]] std::uint64_t approvals_of(const ApprovalRow& question);
/// Whether enough have approved, and none has rejected it.
[[nodiscard]] bool is_approved(const ApprovalRow& question);
/// Whether its time was over before it was approved or rejected.
[[nodiscard]] bool has_lapsed(const ApprovalRow& question, TimeUs now);
/// Whether the daemon waits for people: the question is asked, and not answered.
[[nodiscard]] bool is_open(const ApprovalRow& question, TimeUs now);

/// "1 of 2 approvals for version 3 at c0ffee12; token:ann or group:release may"
std::string in_words(const ApprovalRow& question);

}  // namespace pawl
