#include "daemon/api/page.h"

#include <algorithm>
#include <string>

namespace pawl {
namespace {

constexpr std::string_view index_name = "index.html";
constexpr std::string_view api_name = "api.html";

/// Nothing but the page's own files and this daemon's API: not a script in a hostile name, nor a request elsewhere.
constexpr std::string_view policy =
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether the header If-None-Match names the file's current content. A proxy may have made the tag a weak one.
bool is_known(std::string_view if_none_match, std::string_view etag) {
  return if_none_match == "*" || if_none_match.find(etag) != std::string_view::npos;
}

HttpResponse answer_with(const PageFile& file, std::string_view cache_control, std::string_view if_none_match) {
  HttpResponse response{.content_type = std::string(file.content_type), .body = {}};
  response.headers = {{"ETag", std::string(file.etag)},
                      {"Cache-Control", std::string(cache_control)},
                      {"Content-Security-Policy", std::string(policy)},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (is_known(if_none_match, file.etag)) {
    response.status = 304;
  } else {
    response.body = file.body;
  }
  return response;
}

const PageFile* file_named(std::string_view name) {
  const auto files = page_files();
  const auto found = std::find_if(files.begin(), files.end(), [&](const PageFile& file) { return file.name == name; });
  return found == files.end() ? nullptr : &*found;
}

}  // namespace

HttpResponse page_index_answer(std::string_view if_none_match) {
  return answer_with(*file_named(index_name), "no-cache", if_none_match);
}

HttpResponse page_api_answer(std::string_view if_none_match) {
  return answer_with(*file_named(api_name), "no-cache", if_none_match);
}

HttpResponse page_file_answer(std::string_view name, std::string_view if_none_match) {
  const bool is_page = name == index_name || name == api_name;
  const PageFile* const file = is_page ? nullptr : file_named(name);
  if (!file) {
    // After an update of pawld, a tab that is still open may ask for a file of the page before.
    return http_error(404, "no_such_path",
                      "the page has no file '" + std::string(name) + "': reload the page if pawld was updated");
  }
  // Only a name with the hash of its content stands for this content for ever.
  const bool is_named_by_hash = name.find('-') != name.npos;
  return answer_with(*file, is_named_by_hash ? "public, max-age=31536000, immutable" : "no-cache", if_none_match);
}

}  // namespace pawl
