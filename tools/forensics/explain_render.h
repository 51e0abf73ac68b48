// Renders a story for people and for programs.
#pragma once

#include <string>
#include <string_view>

#include "tools/forensics/explain_story.h"

namespace pawl {

/// A timeline for a terminal.
std::string story_text(const Story& story);
/// One JSON object and a line end. The records in it are exactly as `pawl export log` writes them.
std::string story_json(const Story& story);
/// One self-contained HTML page that loads nothing: explain_page.html with the story in it.
std::string story_page(const Story& story);
/// The same page with other contents: a report of an incident, which has stories.
std::string page_of(std::string_view text, std::string_view data);

}  // namespace pawl
