// What all requests by libcurl share. Only for daemon/outside/.
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/work/system.h"
#include "schema/result.h"

namespace pawl {

struct FreeCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using CurlHandle = std::unique_ptr<CURL, FreeCurl>;
using CurlList = std::unique_ptr<curl_slist, FreeCurl>;
using CurlUrl = std::unique_ptr<CURLU, FreeCurl>;
using CurlReason = std::array<char, CURL_ERROR_SIZE>;

/// False: out of memory.
bool append(CurlList& list, const std::string& line);

std::optional<std::string> part_of(CURLU* url, CURLUPart part);

/// Limits, certificates, and the token that ends a transfer early. `cancel_token` and `reason` outlive the transfer.
void set_common_options(CURL* handle, const std::string& ca_file, const CancelToken& cancel_token, CurlReason& reason);

/// Why a transfer failed, in one line.
std::string why_of(CURLcode code, const CurlReason& reason);

/// Call it before the first of the above. `io`: libcurl cannot be started.
Result<void> start_curl();

/// Whether `path`, if not empty, can be read: authorities to trust. Errors begin with `option`.
Result<void> check_ca_file(const char* option, const std::string& path);

}  // namespace pawl
