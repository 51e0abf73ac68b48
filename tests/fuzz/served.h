// The routes over a log in memory in which the story has happened: as pawld serves them, but that nothing is driven on
// and no process is started.
#pragma once

#include <memory>

#include "daemon/api/routes.h"
#include "daemon/http/http.h"
#include "daemon/outside/webhook_book.h"
#include "daemon/outside/webhooks.h"
#include "store/commit/sequencer.h"
#include "store/memory_log.h"

namespace pawl::fuzz {

class Served {
 public:
  Served();
  ~Served();

  /// Hands a request to the routes. Every answer is looked at before `reply` gets it: that it is one that pawl gives,
  /// with a body and headers that no client trips over.
  void handle(const HttpRequest& request, HttpReply reply);
  /// Lets whatever waits be answered at once; nothing can be asked any more.
  void stop();
  /// Whether anything was written since the story: the next input then needs a machine of its own.
  bool is_used() const;

 private:
  std::unique_ptr<MemoryLog> log_;
  std::unique_ptr<Sequencer> sequencer_;
  Webhooks webhooks_;
  std::unique_ptr<Api> api_;
  bool stopped_ = false;
};

/// The machine for the next input: the last one if it is as it was. To make one takes a millisecond.
Served& fresh_served();

/// The options, secrets too, that webhooks are read with.
WebhookConfig webhook_config();

}  // namespace pawl::fuzz
