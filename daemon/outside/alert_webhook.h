// Alerts by HTTP. Only for daemon/outside/alert_delivery.cc.
#pragma once

#include <string>
#include <vector>

#include "daemon/outside/alert_delivery.h"
#include "daemon/outside/alert_template.h"
#include "daemon/outside/web_call.h"

namespace pawl {

class AlertWebhook {
 public:
  struct Options {
    std::string method;
    std::string url;  // `{id}` stands for the alert's id
    std::vector<std::string> headers;
    std::vector<std::string> secrets;  // not shown in messages, even if an answer repeats them
    std::string ca_file;
  };
  AlertWebhook(Options options, AlertTemplate body)
      : options_(std::move(options)), body_(std::move(body)), caller_(options_.ca_file) {}

  AlertDelivery post(const Alert& alert, const CancelToken& cancel_token);

 private:
  Options options_;
  AlertTemplate body_;
  WebCaller caller_;
};

}  // namespace pawl
