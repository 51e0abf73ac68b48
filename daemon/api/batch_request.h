// Reads the body of POST /v1/batch: requests, each in a JSON object instead of a message of HTTP.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/http.h"
#include "schema/result.h"

namespace pawl {

/// One request of a batch.
struct BatchedRequest {
  std::string method;
  std::string target;  // a path, perhaps with a query
  /// As sent, byte for byte: a request that is repeated alone is the same one, also for its Idempotency-Key.
  std::string body;
  std::string actor;
  std::string boot;
  std::string idempotency_key;
};

/// `malformed` if any of them could not be a message of HTTP, or has a member or a header that no call reads: the
/// message says which, counted from 0. Its actor and its boot are the batch's if it has none of its own.
Result<std::vector<BatchedRequest>> read_batch(const HttpRequest& batch);

}  // namespace pawl
