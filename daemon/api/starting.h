// What a daemon answers whose log is still being replayed.
#pragma once

#include <string_view>

#include "daemon/http/http.h"

namespace pawl {

/// /healthz: the process answers. /readyz: not ready, `starting`, with all members of its answer that are not known yet
/// as null. All else: 503 `starting`, whoever asks; nothing is looked at.
HttpResponse starting_answer(const HttpRequest& request, std::string_view version);

}  // namespace pawl
