// The answers of a daemon that is still replaying its log.
#pragma once

#include <string_view>

#include "daemon/http/http.h"

namespace pawl {

/// /healthz: the process answers. /readyz: not ready, `starting`, with all members of its answer that are not known yet
/// as null. Everything else: 503 `starting`, without authentication or other checks.
HttpResponse starting_answer(const HttpRequest& request, std::string_view version);

}  // namespace pawl
