// One webhook delivery in progress, after its signature was verified and its body read. Only for the webhook routes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/call.h"
#include "daemon/outside/webhook_book.h"
#include "daemon/outside/webhooks.h"

namespace pawl {

/// What all answers to one delivery share.
struct Delivery {
  RouteContext& context;
  Webhooks& webhooks;
  WebhookSource source;
  HttpReply reply;
  WebhookCall call = {};
  Requester requester = {};

  WebhookTotals& totals() const { return webhooks.totals(source); }
  void ignore(std::string_view why) const;
  /// Answers 2xx: a sender can do nothing about a refusal, and many give up for good after a few 4xx. So the refusal is
  void refuse(std::string_view reason, const std::string& why, std::optional<Seq> seq = std::nullopt) const;
  /// Answers with a call's response; a refused call becomes a refused delivery.
  void settle(HttpResponse response) const;
};
using SharedDelivery = std::shared_ptr<const Delivery>;

/// `{"seq":…,"result":…,"reason":…,"task":…}`
HttpResponse delivery_answer(int status, std::optional<Seq> seq, std::string_view result, std::string_view reason,
                             const ResponseRows& rows);

/// The live tasks that a webhook may be about. Stops at two, since exactly one is needed.
struct FoundTasks {
  std::vector<TaskId> tasks;
  bool is_worked_on = false;  // the repository has live tasks
};
/// Searches the first of the repositories that has live tasks. An empty branch matches any. Blocks: call on a thread
/// that may.
FoundTasks find_tasks(Sequencer& sequencer, const std::vector<std::string>& repos, const std::string& branch);

/// The task of an earlier copy of this delivery. Blocks, as find_tasks().
std::optional<TaskId> task_of_key(const Delivery& delivery);

/// Whether an irreversible step of the task itself may have happened, or is running.
bool has_own_step(const Task& task);

// Both write a note first, and block, as find_tasks().
void advance_by(const SharedDelivery& delivery, const WebhookAdvance& wanted);
void note_by(const SharedDelivery& delivery, const WebhookNote& wanted);

}  // namespace pawl
