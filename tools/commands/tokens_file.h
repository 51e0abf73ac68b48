// Changes the file of tokens: atomically, and only one change at a time.
#pragma once

#include <functional>
#include <string>

#include "daemon/api/tokens.h"

namespace pawl {

/// Makes the file's new text from its old text and the tokens in it.
using EditTokens = std::function<Result<std::string>(const std::string& text, const Tokens& tokens)>;

/// Writes the edited text beside the file and moves it into place: a reader gets the whole old file or the whole new
/// one. Mode and owner stay; a missing file is created, readable only by its owner. `malformed` if the file, or what
/// `edit` made, is not a valid file of tokens. Follows a link.
Result<void> edit_tokens(const std::string& path, const EditTokens& edit);

/// `text` without that line, counted from 1.
std::string without_line(const std::string& text, std::size_t line);

}  // namespace pawl
