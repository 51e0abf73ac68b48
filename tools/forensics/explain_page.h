// The page that shows a story: explain_page.html, as it is compiled in.
#pragma once

#include <string_view>

namespace pawl {

/// Has `@TEXT@` and `@STORY@` where the story goes, once each, in this order.
extern const std::string_view explain_page;

}  // namespace pawl
