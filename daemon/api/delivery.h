// One delivery of a webhook on its way, after its signature was found right and its body read. For the webhook routes
// alone.
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

/// What is common to the answers of one delivery.
struct Delivery {
  Shop& shop;
  Webhooks& webhooks;
  WebhookSource source;
  HttpReply reply;
  WebhookCall call = {};
  Asker asker = {};

  WebhookTotals& totals() const { return webhooks.totals(source); }
  void ignore(std::string_view why) const;
  /// Answers 2xx: a sender can do nothing about a refusal, and many give up for good after a few
  /// 4xx. So it is logged, counted by its reason, and told to people.
  void refuse(std::string_view reason, const std::string& why, std::optional<Seq> seq = std::nullopt) const;
  /// Answers with what a call was answered with; a refusal becomes one of the delivery's.
  void settle(HttpResponse response) const;
};
using SharedDelivery = std::shared_ptr<const Delivery>;

/// `{"seq":…,"result":…,"reason":…,"task":…}`
HttpResponse delivery_answer(int status, std::optional<Seq> seq, std::string_view result, std::string_view reason,
                             const Shown& shown);

/// The live tasks that a webhook may be about: at most two are ever looked for, for one is needed.
struct FoundTasks {
  std::vector<TaskId> tasks;
  bool is_worked_on = false;  // the repository has live tasks
};
/// In the first of the repositories that has live tasks. An empty branch is any. Blocks: on a thread of its own.
FoundTasks find_tasks(Sequencer& sequencer, const std::vector<std::string>& repos, const std::string& branch);

/// The task that this delivery was about when it came before. Blocks likewise.
std::optional<TaskId> task_of_key(const Delivery& delivery);

/// Whether an irreversible step of the task's own may have happened, or is under way.
bool has_own_step(const Task& task);

// The two that write a note first. Both block likewise.
void advance_by(const SharedDelivery& delivery, const WebhookAdvance& wanted);
void note_by(const SharedDelivery& delivery, const WebhookNote& wanted);

}  // namespace pawl
