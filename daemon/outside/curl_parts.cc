#include "daemon/outside/curl_parts.h"

#include "daemon/outside/web_call.h"
#include "schema/limits.h"
#include "store/os/regular_file.h"

namespace pawl {
namespace {

constexpr std::size_t ca_bytes_max = std::size_t{4} << 20;

int is_called_off(void* cancel_token, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const CancelToken*>(cancel_token)->called() ? 1 : 0;
}

}  // namespace

bool append(CurlList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (!longer) return false;
  [[maybe_unused]] curl_slist* same = list.release();
  list.reset(longer);
  return true;
}

std::optional<std::string> part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return std::nullopt;
  std::string found = text;
  curl_free(text);
  return found;
}

void set_common_options(CURL* handle, const std::string& ca_file, const CancelToken& cancel_token, CurlReason& reason) {
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(limits::alert_connect_timeout_s));
  // The system's folder of authorities stays in use.
  if (!ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, ca_file.c_str());
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, is_called_off);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &cancel_token);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, reason.data());
}

std::string why_of(CURLcode code, const CurlReason& reason) {
  if (code == CURLE_ABORTED_BY_CALLBACK) return "called off";
  return in_one_line(reason[0] ? reason.data() : curl_easy_strerror(code));
}

Result<void> start_curl() {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return Error{ErrorCode::io, "libcurl cannot be started"};
  return {};
}

Result<void> check_ca_file(const char* option, const std::string& path) {
  if (path.empty()) return {};
  const auto text = read_regular_file(path, ca_bytes_max);
  if (!text) return Error{text.error().code, std::string(option) + ": " + text.error().message};
  if (text->find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return Error{ErrorCode::malformed, std::string(option) + ": " + path + " has no certificate in PEM form"};
  }
  return {};
}

}  // namespace pawl
