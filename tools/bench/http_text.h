// The benchmark's requests as HTTP, and answers read back: only what a benchmark needs, and cheaper than what it
// measures.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"
#include "tools/bench/loop.h"

namespace pawl::bench {

/// What the requests of a run have in common.
struct HttpTexts {
  std::string prefix;  // of paths: "/ci"
  std::string host;
  std::string token;  // empty: none
  std::string actor;
  std::string boot;
  std::string run;
  std::int64_t pid = 0;
  bool keys = false;
};

/// Appends the whole request. `serial` makes its Idempotency-Key unique in this run.
void append_request(std::string& out, const HttpTexts& texts, const Op& op, std::uint64_t serial);

/// Appends one POST /v1/batch for all of them. `serial` is that of the first.
void append_batch(std::string& out, const HttpTexts& texts, std::span<const Op> ops, std::uint64_t serial);

struct TakenAnswer {
  Reply reply;
  std::size_t bytes = 0;  // of the answer
};
/// The first answer in `bytes`; none if it has not arrived completely. `malformed` if it is not one that pawld sends.
Result<std::optional<TakenAnswer>> take_answer(std::string_view bytes, const Op& op);

struct TakenBatch {
  std::vector<Reply> replies;  // one for each op
  std::size_t bytes = 0;
};
/// The same for a batch of these. A batch that was refused as a whole is the refusal of each.
Result<std::optional<TakenBatch>> take_batch(std::string_view bytes, std::span<const Op> ops);

}  // namespace pawl::bench
