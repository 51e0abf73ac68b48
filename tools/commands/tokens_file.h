// Changes the file of tokens: all at once or not at all, and never two at a time.
#pragma once

#include <functional>
#include <string>

#include "daemon/api/tokens.h"

namespace pawl {

/// Makes the text of the file from what is in it, and from what that says.
using EditTokens = std::function<Result<std::string>(const std::string& text, const Tokens& tokens)>;

/// Writes what `edit` makes beside the file, and moves it into its place: who reads it has the old one or the new one,
/// whole. Mode and owner stay; a file that is not there is begun, for its owner alone. `malformed` if what is there is
/// no file of tokens, or if what `edit` made would be none. A link is followed.
Result<void> edit_tokens(const std::string& path, const EditTokens& edit);

/// Without that line, which is counted from 1.
std::string without_line(const std::string& text, std::size_t line);

}  // namespace pawl
