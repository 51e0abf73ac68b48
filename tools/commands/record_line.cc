#include "tools/commands/record_line.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// A column and a blank after it.
std::string column(std::string text, std::size_t width) {
  return padded(std::move(text), width) + ' ';
}

/// The fields of an event that are worth showing.
std::string shown_data(const json::value& data) {
  std::string out;
  if (!data.is_object()) return out;
  for (const auto& member : data.get_object()) {
    if (member.value().is_null()) continue;
    if (member.value().is_array() && member.value().get_array().empty()) continue;
    if (!out.empty()) out += ' ';
    out += printable({member.key().data(), member.key().size()}) + '=';
    const bool is_owner = member.value().is_object() && member.value().get_object().contains("actor");
    out += is_owner ? cell(member.value(), "actor") + "/" + cell(member.value(), "pid") : cell(member.value());
  }
  constexpr std::size_t shown_bytes_max = 160;
  if (out.size() <= shown_bytes_max) return out;
  std::size_t end = shown_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return out.substr(0, end) + " ...";
}

}  // namespace

std::string record_in_words(const json::value& record, const std::string& time) {
  const std::string outcome = cell(record, "outcome");
  const json::value* data = record.is_object() ? record.get_object().if_contains("data") : nullptr;
  return column(cell(record, "seq"), 7) + column(time, 8) + column(cell(record, "actor"), 11) +
         column(cell(record, "type"), 16) + (outcome == "accepted" ? "" : "REFUSED " + outcome + " ") +
         (data ? shown_data(*data) : "") + '\n';
}

}  // namespace pawl
