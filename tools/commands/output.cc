#include "tools/commands/output.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "schema/printable.h"
#include "schema/time.h"
#include "schema/utf8.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string_view view(json::string_view text) {
  return {text.data(), text.size()};
}
json::string_view key(std::string_view text) {
  return {text.data(), text.size()};
}

/// The length of the RFC 3339 time, as pawl writes it, at the start of `text` ("2026-06-15T10:00:00.000042Z"); 0: none.
std::size_t time_length(std::string_view text) {
  constexpr std::size_t length = 27;
  const bool has_form = text.size() >= length && text[10] == 'T' && text[length - 1] == 'Z';
  return has_form && parse_rfc3339(text.substr(0, length)) ? length : 0;
}

const json::value* member_of(const json::value& object, std::string_view path) {
  const json::value* at = &object;
  while (at && !path.empty()) {
    const std::size_t dot = path.find('.');
    at = at->is_object() ? at->get_object().if_contains(key(path.substr(0, dot))) : nullptr;
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return at;
}

bool is_list_of_objects(const json::value& value) {
  return value.is_array() && !value.get_array().empty() && value.get_array().front().is_object();
}

void append_fields(std::string& out, const json::object& object, std::size_t indent) {
  std::size_t width = 0;
  for (const auto& member : object) width = std::max(width, width_of(printable(view(member.key()))));
  for (const auto& member : object) {
    const std::string name = printable(view(member.key()));
    out.append(indent, ' ');
    out += name;
    const json::value& value = member.value();
    if (value.is_object() && !value.get_object().empty()) {
      out += '\n';
      append_fields(out, value.get_object(), indent + 2);
    } else if (is_list_of_objects(value)) {
      out += '\n';
      bool first = true;
      for (const json::value& item : value.get_array()) {
        if (!first) out += '\n';
        first = false;
        if (item.is_object()) append_fields(out, item.get_object(), indent + 2);
      }
    } else {
      out.append(width - width_of(name) + 2, ' ');
      out += cell(value) + '\n';
    }
  }
}

}  // namespace

void TextTable::add(std::vector<std::string> row) {
  for (std::string& text : row) text = printable(text);
  rows_.push_back(std::move(row));
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::size_t blanks = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (!row[i].empty()) {
        out.append(blanks, ' ');
        out += row[i];
        blanks = 0;
      }
      blanks += widths[i] - width_of(row[i]) + 2;
    }
    out += '\n';
  }
  return out;
}

std::string local_time(TimeUs time) {
  std::int64_t whole_s = time.us / us_per_s;
  if (time.us % us_per_s < 0) --whole_s;
  const auto seconds = static_cast<std::time_t>(whole_s);
  std::tm parts{};
  std::array<char, 64> text{};
  if (!::localtime_r(&seconds, &parts)) return rfc3339(time);
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %z", &parts);
  std::string out = text.data();
  return out.insert(out.size() - 2, ":");  // +0200 → +02:00
}

std::string with_local_times(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = time_length(text);
    if (length > 0) {
      out += local_time(*parse_rfc3339(text.substr(0, length)));
    } else {
      out += text.front();
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string cell(const json::value& value) {
  return with_local_times(recorded_cell(value));
}

std::string cell(const json::value& object, std::string_view member) {
  const json::value* found = member_of(object, member);
  return found ? cell(*found) : "-";
}

std::string table_of(const json::array& objects, std::initializer_list<std::string_view> columns) {
  std::vector<std::string> heads;
  std::vector<std::string_view> members;
  for (const std::string_view column : columns) {
    const std::size_t equals = column.find('=');
    heads.emplace_back(column.substr(0, equals));
    members.push_back(equals == std::string_view::npos ? column : column.substr(equals + 1));
  }
  TextTable table(std::move(heads));
  for (const json::value& object : objects) {
    std::vector<std::string> row;
    for (const std::string_view member : members) row.push_back(cell(object, member));
    table.add(std::move(row));
  }
  return table.text();
}

std::string fields_of(const json::value& object) {
  if (!object.is_object()) return cell(object) + '\n';
  std::string out;
  append_fields(out, object.get_object(), 0);
  return out;
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_for_people(std::string_view text) {
  print(printable_lines(text));
}

}  // namespace pawl
