// Makes a command's output safe for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace pawl {

/// Passes on text, line ends, tabs and colours, and shows everything else as printable() does: anything that could move
/// the cursor, rename the window, hide text, or make the terminal type. Fed in pieces, cut anywhere.
class TerminalText {
 public:
  /// What to write for the next piece. Holds back an incomplete character or colour.
  std::string take(std::string_view piece);
  /// What was held back, and a reset of the colours if they were changed.
  std::string end();

 private:
  std::string held_;
  bool has_colours_ = false;
};

}  // namespace pawl
