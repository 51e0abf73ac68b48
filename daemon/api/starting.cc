#include "daemon/api/starting.h"

#include <string>

#include "daemon/api/page.h"
#include "daemon/api/route_table.h"
#include "schema/json/json_text.h"

namespace pawl {

HttpResponse starting_answer(const HttpRequest& request, std::string_view version) {
  if (request.method == "GET" && request.path == "/healthz") return {.body = R"({"status":"starting"})"};
  // The pages show that the daemon is starting, and go on by themselves.
  constexpr std::string_view files = "/page/files/";
  if (request.method == "GET" && request.path == "/") return page_index_answer({});
  if (request.method == "GET" && request.path == "/api") return page_api_answer({});
  if (request.method == "GET" && request.path.starts_with(files)) {
    return page_file_answer(request.path.substr(files.size()), {});
  }
  HttpResponse response;
  if (request.method == "GET" && request.path == "/readyz") {
    response.status = 503;
    std::string& out = response.body;
    out = '{';
    for (const std::string_view member : route_named("GET", "/readyz").answer.members) {
      append_json_member(out, member);
      if (member == "ready") {
        out += "false";
      } else if (member == "reason") {
        out += R"("starting")";
      } else if (member == "version") {
        append_json_text(out, version);
      } else {
        out += "null";
      }
    }
    append_json_member(out, "seq");
    out += "null}";
  } else {
    response = http_error(503, "starting", "the daemon is still replaying its log; retry when it has finished");
  }
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace pawl
