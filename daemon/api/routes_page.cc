// The web page's files, and what the page asks first: who am I?
#include "daemon/api/call.h"
#include "daemon/api/other_names.h"
#include "daemon/api/page.h"
#include "schema/json/json_text.h"

namespace pawl {
namespace {

std::string_view header_of(const Call& call, std::string_view name) {
  return call.request.header ? call.request.header(name) : std::string_view();
}

}  // namespace

void page_index(Call call) {
  call.reply(page_index_answer(header_of(call, "If-None-Match")));
}

void page_api(Call call) {
  call.reply(page_api_answer(header_of(call, "If-None-Match")));
}

void page_file(Call call) {
  call.reply(page_file_answer(call.param, header_of(call, "If-None-Match")));
}

void me_get(Call call) {
  // The host's user database may be slow to answer.
  call.work([permit = *call.permit, reply = call.reply](StateReader&) {
    HttpResponse response;
    std::string& out = response.body;
    const auto member = [&out](std::string_view name, std::string_view value) {
      append_json_member(out, name);
      append_json_text_or_null(out, value);
    };
    out = '{';
    member("role", name(permit.role));
    member("token", permit.holder);
    member("principal", permit.principal);
    append_json_member(out, "names");
    out += '[';
    for (const std::string& name : other_names(permit)) {
      if (out.back() != '[') out += ',';
      append_json_text(out, name);
    }
    out += ']';
    member("limits", permit.scope ? text_of(*permit.scope) : std::string());
    out += '}';
    reply(std::move(response));
  });
}

}  // namespace pawl
