#include "tools/forensics/text_forms.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdio>
#include <cwchar>

#include "schema/printable.h"
#include "schema/time.h"
#include "schema/utf8.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// The C library's character data for UTF-8, independent of the process's language; 0: it has none.
locale_t utf8_locale() {
  static const locale_t locale = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

}  // namespace

std::size_t width_of(std::string_view text) {
  const locale_t before = utf8_locale() ? ::uselocale(utf8_locale()) : nullptr;
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = std::max<std::size_t>(character_bytes(text, at), 1);
    const bool is_ascii = bytes == 1;
    const int columns = is_ascii || !before ? 1 : ::wcwidth(static_cast<wchar_t>(code_point(text.substr(at, bytes))));
    width += columns < 0 ? 1 : static_cast<std::size_t>(columns);
    at += bytes;
  }
  if (before) ::uselocale(before);
  return width;
}

std::string padded(std::string text, std::size_t width) {
  text.append(width - std::min(width, width_of(text)), ' ');
  return text;
}

std::string recorded_cell(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "-";
    case json::kind::bool_:
      return value.get_bool() ? "yes" : "no";
    case json::kind::string:
      return value.get_string().empty() ? "\"\"" : printable({value.get_string().data(), value.get_string().size()});
    default:
      return printable(json::serialize(value));
  }
}

std::string duration(std::int64_t us) {
  const std::int64_t whole_s = us / us_per_s;
  std::array<char, 64> text{};
  const auto number = [](std::int64_t value) { return static_cast<long long>(value); };
  if (whole_s < 10) {
    std::snprintf(text.data(), text.size(), "%lld.%02lld s", number(whole_s), number(us % us_per_s / 10'000));
  } else if (whole_s < 60) {
    std::snprintf(text.data(), text.size(), "%lld.%lld s", number(whole_s), number(us % us_per_s / 100'000));
  } else if (whole_s < 3600) {
    std::snprintf(text.data(), text.size(), "%lld min %02lld s", number(whole_s / 60), number(whole_s % 60));
  } else {
    std::snprintf(text.data(), text.size(), "%lld h %02lld min", number(whole_s / 3600), number(whole_s / 60 % 60));
  }
  return text.data();
}

}  // namespace pawl
