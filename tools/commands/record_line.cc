#include "tools/commands/record_line.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text + ' ';
}

/// The fields of an event that have something to say.
std::string shown_data(const json::value& data) {
  std::string out;
  if (!data.is_object()) return out;
  for (const auto& member : data.get_object()) {
    if (member.value().is_null()) continue;
    if (member.value().is_array() && member.value().get_array().empty()) continue;
    if (!out.empty()) out += ' ';
    out += std::string(member.key()) + '=';
    const bool is_owner = member.value().is_object() && member.value().get_object().contains("actor");
    out += is_owner ? cell(member.value(), "actor") + "/" + cell(member.value(), "pid") : cell(member.value());
  }
  constexpr std::size_t shown_bytes_max = 160;
  if (out.size() > shown_bytes_max) out = out.substr(0, shown_bytes_max) + " ...";
  return out;
}

}  // namespace

std::string record_in_words(const json::value& record, const std::string& time) {
  const std::string outcome = cell(record, "outcome");
  const json::value* data = record.is_object() ? record.get_object().if_contains("data") : nullptr;
  return padded(cell(record, "seq"), 7) + padded(time, 8) + padded(cell(record, "actor"), 11) +
         padded(cell(record, "type"), 16) + (outcome == "accepted" ? "" : "REFUSED " + outcome + " ") +
         (data ? shown_data(*data) : "") + '\n';
}

}  // namespace pawl
