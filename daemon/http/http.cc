#include "daemon/http/http.h"

#include "schema/hex.h"
#include "schema/json/json_text.h"
#include "schema/printable.h"

namespace pawl {

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

HttpResponse http_error(int status, std::string_view code, std::string_view message) {
  HttpResponse response{.status = status, .body = R"({"error":{"code":)"};
  append_json_text(response.body, code);
  response.body += R"(,"message":)";
  append_json_text(response.body, printable_lines(message));
  response.body += R"(,"current":null}})";
  return response;
}

}  // namespace pawl
