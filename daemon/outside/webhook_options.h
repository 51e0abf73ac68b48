// The options for webhooks: their declaration, and their conversion to a WebhookConfig.
#pragma once

#include <boost/program_options/options_description.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/outside/webhooks.h"
#include "schema/result.h"

namespace pawl {

/// Adds them, for both the command line and the configuration file.
void add_webhook_options(boost::program_options::options_description& options);

/// The given values by option name; the source with the highest precedence first.
struct GivenOptions {
  std::function<std::optional<std::string>(const char*)> text;
  std::function<std::vector<std::string>(const char*)> texts;
};

/// Reads the secrets from their files. `malformed` names the option, `missing` or `io` the file; no message ever shows
/// a secret.
Result<WebhookConfig> webhook_config(const GivenOptions& given);

}  // namespace pawl
