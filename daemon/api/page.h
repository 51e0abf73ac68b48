// The files of the web page, as built into the program. They hold nothing secret, so they need no token: what they show
// comes from the API, which asks for one.
#pragma once

#include <span>
#include <string_view>

#include "daemon/http/http.h"

namespace pawl {

struct PageFile {
  std::string_view name;  // "index.html", "api.html"; the others have a hash of their content in their names
  std::string_view content_type;
  std::string_view etag;  // with its quotes
  std::string_view body;
};

/// All files, by name. Written by cmake/embed_page.cmake from daemon/page/built.
std::span<const PageFile> page_files();

/// The page itself, index.html, which a browser asks for again each time.
HttpResponse page_index_answer(std::string_view if_none_match);

/// The page of all calls, api.html, in the same way.
HttpResponse page_api_answer(std::string_view if_none_match);

/// One of the files that these two name, which a browser may keep for ever. 404 `no_such_path` if there is none of
/// that name.
HttpResponse page_file_answer(std::string_view name, std::string_view if_none_match);

}  // namespace pawl
