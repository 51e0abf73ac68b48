// Reads exported lines: the other half of schema/json/record_json.h.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <optional>

#include "schema/hex.h"
#include "schema/json/json_in_words.h"
#include "schema/json/read_json.h"
#include "schema/json/record_json.h"
#include "schema/outcome.h"
#include "schema/time.h"

namespace pawl {
namespace {

namespace json = boost::json;

// The fields of a line, in their order.
constexpr std::array<std::string_view, 15> line_fields = {"seq",     "group",     "rules",   "time",   "boot",
                                                          "actor",   "key",       "request", "type",   "data",
                                                          "outcome", "unchecked", "effects", "digest", "chain"};

// Optional; without it the request came from the daemon itself.
constexpr std::string_view principal_field = "principal";

/// Reads the fields of a line one by one; each error names the field.
class Line {
 public:
  explicit Line(const json::object& object) : object_(object) {}

  Result<std::uint64_t> number(std::string_view field, std::uint64_t largest) const {
    const json::value& value = at(field);
    const bool is_whole = value.is_uint64() || (value.is_int64() && value.get_int64() >= 0);
    if (!is_whole) return error(field, "must be a whole number, but is " + std::string(kind_of(value)));
    const std::uint64_t number = value.is_uint64() ? value.get_uint64() : static_cast<std::uint64_t>(value.get_int64());
    if (number > largest) return error(field, "is greater than the largest value, " + std::to_string(largest));
    return number;
  }

  Result<std::string_view> text(std::string_view field) const {
    const json::value& value = at(field);
    if (!value.is_string()) return error(field, "must be a string, but is " + std::string(kind_of(value)));
    return view(value.get_string());
  }

  Result<bool> boolean(std::string_view field) const {
    const json::value& value = at(field);
    if (!value.is_bool()) return error(field, "must be true or false, but is " + std::string(kind_of(value)));
    return value.get_bool();
  }

  /// Lower-case hex digits, two for each byte.
  template <std::size_t bytes>
  Result<std::array<std::uint8_t, bytes>> hex(std::string_view field) const {
    const std::string_view digits = PAWL_TRY(text(field));
    std::array<std::uint8_t, bytes> out{};
    if (!read_hex(digits, out)) return error(field, "must be " + std::to_string(2 * bytes) + " lower-case hex digits");
    return out;
  }

  Result<std::uint64_t> hash(std::string_view field) const {
    const auto bytes = PAWL_TRY(hex<8>(field));
    std::uint64_t out = 0;
    for (const std::uint8_t byte : bytes) out = out << 8 | byte;
    return out;
  }

  bool has(std::string_view field) const { return object_.contains(json::string_view(field.data(), field.size())); }
  bool is_null(std::string_view field) const { return at(field).is_null(); }
  const json::value& at(std::string_view field) const {
    return *object_.if_contains(json::string_view(field.data(), field.size()));
  }

  static Error error(std::string_view field, const std::string& what) {
    return {ErrorCode::malformed, std::string(field) + ": " + what};
  }

 private:
  const json::object& object_;
};

Result<bool> check_keys(const json::object& line) {
  for (const std::string_view field : line_fields) {
    if (!line.contains(json::string_view(field.data(), field.size()))) return Line::error(field, "is missing");
  }
  for (const auto& member : line) {
    const std::string_view name = view(member.key());
    if (name == principal_field) continue;
    if (std::find(line_fields.begin(), line_fields.end(), name) == line_fields.end()) {
      return Error{ErrorCode::malformed, "unknown field " + quoted_json(view(member.key())) + " in a record"};
    }
  }
  return true;
}

Result<Requester> read_requester(const Line& line) {
  Requester requester;
  requester.boot = PAWL_TRY(line.text("boot"));
  requester.actor = PAWL_TRY(line.text("actor"));
  if (!line.is_null("key")) {
    requester.key = PAWL_TRY(line.text("key"));
    if (requester.key.empty()) return Line::error("key", "must be null rather than empty");
  }
  if (!line.is_null("request")) requester.request = PAWL_TRY(line.hash("request"));
  if (line.has(principal_field)) {
    requester.principal = PAWL_TRY(line.text(principal_field));
    if (requester.principal.empty()) return Line::error(principal_field, "must be left out rather than empty");
  }
  return requester;
}

Result<fb::Stamp> read_stamp(const Line& line) {
  constexpr std::uint64_t any = ~std::uint64_t{0};
  const std::uint64_t seq = PAWL_TRY(line.number("seq", any));
  const std::uint64_t group = PAWL_TRY(line.number("group", any));
  const std::uint64_t rules = PAWL_TRY(line.number("rules", ~std::uint32_t{0}));
  const std::string_view time_text = PAWL_TRY(line.text("time"));
  const auto time = parse_rfc3339(time_text);
  if (!time) return Line::error("time", time.error().message);
  const std::string_view outcome_text = PAWL_TRY(line.text("outcome"));
  const std::optional<Outcome> outcome = outcome_named(outcome_text);
  if (!outcome) {
    return Error{ErrorCode::unsupported, "outcome: " + quoted_json(outcome_text) + " is unknown"};
  }
  const bool unchecked = PAWL_TRY(line.boolean("unchecked"));
  const std::uint64_t digest = PAWL_TRY(line.hash("digest"));
  const auto chain = PAWL_TRY(line.hex<32>("chain"));

  fb::Stamp stamp{};
  stamp.mutate_seq(seq);
  stamp.mutate_group(group);
  stamp.mutate_time_us(time->us);
  stamp.mutate_digest(digest);
  stamp.mutate_rules(static_cast<std::uint32_t>(rules));
  stamp.mutate_outcome(static_cast<std::uint16_t>(*outcome));
  stamp.mutate_unchecked(unchecked);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    stamp.mutable_chain()->Mutate(static_cast<flatbuffers::uoffset_t>(i), chain[i]);
  }
  return stamp;
}

}  // namespace

Result<Proposal> read_record_line(std::string_view line) {
  if (line.size() > record_line_bytes_max) return Error{ErrorCode::malformed, "the line is longer than any record"};
  const json::value document = PAWL_TRY(parse_json(line));
  if (!document.is_object()) return Error{ErrorCode::malformed, "a record must be a JSON object"};
  PAWL_TRY(check_keys(document.get_object()));

  const Line fields(document.get_object());
  const fb::Stamp stamp = PAWL_TRY(read_stamp(fields));
  const Requester requester = PAWL_TRY(read_requester(fields));
  const std::string_view type_name = PAWL_TRY(fields.text("type"));
  const std::optional<fb::Event> type = event_named(type_name);
  if (!type) return Error{ErrorCode::unsupported, "type: the event " + quoted_json(type_name) + " is unknown"};
  if (!fields.at("data").is_object()) {
    return Line::error("data", "must be an object, but is " + std::string(kind_of(fields.at("data"))));
  }
  auto proposal = proposal_from_json(requester, *type, fields.at("data").get_object(), Reading::exported);
  if (!proposal) return Error{proposal.error().code, "data: " + proposal.error().message};
  proposal->stamp() = stamp;
  return proposal;
}

}  // namespace pawl
