// The page that shows a story: explain_page.html, compiled in.
#pragma once

#include <string_view>

namespace pawl {

/// Has `@TEXT@` and `@STORY@` where the story goes, and `@STYLE_HASH@` and `@SCRIPT_HASH@` where its policy names the
/// only style and the only script that it allows; once each, in the order style, script, text, story.
extern const std::string_view explain_page;

}  // namespace pawl
