// How each kind of forge is told: the requests, and what their answers mean.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/outside/forge_options.h"
#include "daemon/outside/forge_word.h"
#include "daemon/outside/web_call.h"

namespace pawl {

/// What became of a try to tell a forge.
struct ForgeAnswer {
  enum class How {
    told,
    refused,  // permanently: not tried again
    later,    // no answer, a time-out, too many requests, or an error at the forge
  };
  How how = How::told;
  std::string why = {};  // if not told: one line, without the token
  std::chrono::milliseconds not_before = {};
};

/// The forge's word for a state.
std::string_view state_name(ForgeKind kind, ForgeState state);

/// The request for a status or a comment.
WebRequest request_of(const ForgeTarget& target, const ForgeWord& word, const std::string& page);

/// The request for a page, counted from 1, of the comments on the issue since the record.
WebRequest comments_request(const ForgeTarget& target, const ForgeWord& word, int page);

/// What the answer to request_of() means.
ForgeAnswer judge(const ForgeTarget& target, const WebAnswer& answer);

/// Tells a forge: one request, or more if a comment may already be there. Blocks. `may_be_there`: an earlier try may
/// have arrived.
ForgeAnswer tell_forge(WebCaller& caller, const ForgeTarget& target, const ForgeWord& word, const std::string& page,
                       bool may_be_there, const CancelToken& cancel_token);

}  // namespace pawl
