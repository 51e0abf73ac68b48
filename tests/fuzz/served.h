// The routes over an in-memory log after the story: as pawld serves them, except that no task is driven on and no
// process is started.
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

  /// Hands a request to the routes. Checks every answer before `reply` gets it: it must be one that pawl gives, with a
  /// body and headers that clients can parse.
  void handle(const HttpRequest& request, HttpReply reply);
  /// Answers all waiting requests at once; no more requests are possible.
  void stop();
  /// Whether anything was written since the story: the next input then needs a new machine.
  bool is_used() const;

 private:
  std::unique_ptr<MemoryLog> log_;
  std::unique_ptr<Sequencer> sequencer_;
  Webhooks webhooks_;
  std::unique_ptr<Api> api_;
  bool stopped_ = false;
};

/// The machine for the next input: the last one if it is unchanged. Making one takes a millisecond.
Served& fresh_served();

/// The options for reading webhooks, including secrets.
WebhookConfig webhook_config();

}  // namespace pawl::fuzz
