#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "engine/rules/rules.h"
#include "schema/hex.h"
#include "schema/printable.h"
#include "schema/utf8.h"
#include "store/base64.h"
#include "tools/forensics/explain_page.h"
#include "tools/forensics/explain_render.h"

namespace pawl {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += letter;
    }
  }
  return out;
}

/// JSON for the inside of a script element: nothing in it can end the element. It means the same, except that invisible
/// characters in its strings become printable.
std::string embedded(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  const auto show = [&out](std::string_view character) { out += '\\' + printable(character); };
  for (std::size_t at = 0; at < json.size();) {
    if (json[at] == '<') {
      out += "\\u003c";
      ++at;
    } else if (json[at] == '\\') {
      // As append_json_text() writes: two characters, or \u00xx.
      const std::size_t bytes = json[at + 1] == 'u' ? 6 : 2;
      if (bytes == 6) {
        std::uint8_t control = 0;
        PAWL_ASSERT(read_hex(json.substr(at + 4, 2), {&control, 1}));
        const char character = static_cast<char>(control);
        show({&character, 1});
      } else if (const std::size_t control = std::string_view("bfr").find(json[at + 1]);
                 control != std::string_view::npos) {
        show(std::string_view("\b\f\r").substr(control, 1));
      } else {
        out += json.substr(at, bytes);
      }
      at += bytes;
    } else {
      const std::size_t bytes = character_bytes(json, at);
      PAWL_ASSERT(bytes > 0);
      const std::string_view character = json.substr(at, bytes);
      const bool ends_the_json = character == "\n";
      if (!ends_the_json && is_unseen(code_point(character))) {
        show(character);
      } else {
        out += character;
      }
      at += bytes;
    }
  }
  return out;
}

/// The text between two tags of the page, each of which occurs once.
std::string_view between(std::string_view begin, std::string_view end) {
  const std::size_t from = explain_page.find(begin) + begin.size();
  return explain_page.substr(from, explain_page.find(end, from) - from);
}

/// The hash as a Content-Security-Policy names it.
std::string hash_of(std::string_view text) {
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> hash{};
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return "sha256-" + base64(hash);
}

}  // namespace

std::string story_page(const Story& story) {
  return page_of(story_text(story), story_json(story));
}

std::string page_of(std::string_view text, std::string_view data) {
  const std::pair<std::string_view, std::string> parts[] = {
      {"@STYLE_HASH@", hash_of(between("<style>", "</style>"))},
      {"@SCRIPT_HASH@", hash_of(between("<script>", "</script>"))},
      {"@TEXT@", escaped(printable_lines(text))},
      {"@STORY@", embedded(data)},
  };
  std::string out;
  std::size_t from = 0;
  for (const auto& [mark, part] : parts) {
    const std::size_t at = explain_page.find(mark, from);
    PAWL_ASSERT(at != std::string_view::npos);
    out += explain_page.substr(from, at - from);
    out += part;
    from = at + mark.size();
  }
  out += explain_page.substr(from);
  return out;
}

}  // namespace pawl
