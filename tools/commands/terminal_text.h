// What a command printed, as a terminal may be given it.
#pragma once

#include <string>
#include <string_view>

namespace pawl {

/// Lets texts, ends of lines, tabs and colours through, and shows everything else as printable() does: what would move
/// the cursor, rename the window, hide what is written, or answer in the user's place. Fed in pieces, cut anywhere.
class TerminalText {
 public:
  /// What is to be written of the next piece. A character or a colour that is not whole yet is held back.
  std::string take(std::string_view piece);
  /// What was held back; and the colours put back, if they were changed.
  std::string end();

 private:
  std::string held_;
  bool has_colours_ = false;
};

}  // namespace pawl
