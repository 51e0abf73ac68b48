// Texts of others as people may see them: what cannot be seen, or moves what can be, is shown by its number.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pawl {

/// Whether a character is not seen where it stands: controls, what turns the direction of the text round it, separators
/// of lines and paragraphs, and what is shown as nothing at all. U+FE0E and U+FE0F are let through: they say whether
/// the character before them is shown in colour, and so stand behind half of all emoji.
bool is_unseen(char32_t character);

/// One line: `\x1b` for a control of ASCII and for a byte that is not UTF-8, `\u{202e}` for other unseen characters.
/// Ends of lines and tabs become blanks. A backslash stays as it is, so what is printable already is not changed.
std::string printable(std::string_view text);

/// The same of several lines: ends of lines and tabs stay.
std::string printable_lines(std::string_view text);

/// How printable() shows the first character of a name that people would not see, U+FE0E and U+FE0F and ends of lines
/// among them, so that they would take it for another name. None: they see all of it.
std::optional<std::string> unseen_in(std::string_view name);

}  // namespace pawl
