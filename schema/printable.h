// Makes text from outside safe to show: invisible characters, and those that move visible ones, are shown by number.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pawl {

/// Whether a character is invisible: control characters, those that change the direction of the text around them, line
/// and paragraph separators, and those that render as nothing. U+FE0E and U+FE0F are not counted: they say whether the
/// character before them is shown in colour, and so follow half of all emoji.
bool is_unseen(char32_t character);

/// One line: `\x1b` for an ASCII control character or a byte that is not UTF-8, `\u{202e}` for other invisible
/// characters. Line ends and tabs become blanks. A backslash stays as it is, so text that is already printable does not
/// change.
std::string printable(std::string_view text);

/// The same for several lines: line ends and tabs are kept.
std::string printable_lines(std::string_view text);

/// How printable() shows the first invisible character of a name, which would let it pass for another name. U+FE0E,
/// U+FE0F and line ends count here. None if the whole name is visible.
std::optional<std::string> unseen_in(std::string_view name);

/// 'text', as messages name what a user wrote.
std::string in_quotes(std::string_view text);

}  // namespace pawl
