#include "engine/rules/rules.h"
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

/// JSON for the inside of a script element: nothing in it can end the element, and it means the same.
std::string embedded(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (const char letter : json) {
    if (letter == '<') {
      out += "\\u003c";
    } else {
      out += letter;
    }
  }
  return out;
}

}  // namespace

std::string story_page(const Story& story) {
  constexpr std::string_view text_mark = "@TEXT@";
  constexpr std::string_view story_mark = "@STORY@";
  const std::size_t text_at = explain_page.find(text_mark);
  const std::size_t story_at = explain_page.find(story_mark);
  PAWL_ASSERT(text_at < story_at && story_at != std::string_view::npos);
  const std::size_t text_end = text_at + text_mark.size();
  std::string out(explain_page.substr(0, text_at));
  out += escaped(story_text(story));
  out += explain_page.substr(text_end, story_at - text_end);
  out += embedded(story_json(story));
  out += explain_page.substr(story_at + story_mark.size());
  return out;
}

}  // namespace pawl
