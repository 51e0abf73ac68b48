// A story as people and programs read it.
#pragma once

#include <string>

#include "tools/forensics/explain_story.h"

namespace pawl {

/// A timeline for a terminal.
std::string story_text(const Story& story);
/// One JSON object, ended. The records in it are exactly as `pawl export log` writes them.
std::string story_json(const Story& story);
/// One HTML page that needs nothing else, and asks for nothing: explain_page.html with the story in it.
std::string story_page(const Story& story);

}  // namespace pawl
