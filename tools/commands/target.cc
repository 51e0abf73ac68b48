#include "tools/commands/target.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <memory>

#include "schema/nearest.h"
#include "store/os/guarded_file.h"
#include "store/os/regular_file.h"
#include "tools/commands/sources.h"

namespace pawl {
namespace {

constexpr std::size_t pem_bytes_max = 4 * 1024 * 1024;  // a bundle of authorities has about 250 KiB

struct FreeParsedUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeParsedUrl>;

/// Empty if the URL has none.
std::string part_of_url(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

Error malformed_target(std::string message) {
  return {ErrorCode::malformed, std::move(message)};
}

/// Empty if none was named.
Result<std::string> token_of(const Arguments& arguments) {
  const auto file = arguments.value("token-file");
  if (!file) return std::string();
  std::string token = PAWL_TRY(read_secret(*file));
  // It becomes part of a header: any other character could start another one.
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return malformed_target(*file + ": not a token: more than one word, or not plain text");
  }
  return token;
}

Result<Target> place_of(const Arguments& arguments) {
  const auto source = arguments.source_of({"url", "socket", "data"});
  if (!source) return malformed_target("which daemon? Give --data DIR, --socket PATH or --url URL");
  const auto given = [&](std::string_view option) {
    return arguments.source_of({option}) == source ? arguments.value(option) : std::nullopt;
  };
  if (const auto url = given("url")) return Target{.socket = {}, .url = PAWL_TRY(daemon_url(*url))};
  const auto socket = given("socket");
  return Target{.socket = socket ? *socket : *arguments.value("data") + "/pawl.sock", .url = "http://localhost"};
}

/// The TLS files. libcurl reads them, but errors are found here, where the option is known.
Result<void> add_certificates(const Arguments& arguments, Target& target) {
  for (const std::string_view option : {"cacert", "cert", "key"}) {
    const bool is_typed = arguments.source_of({option}) == Source::command_line;
    if (is_typed && !target.is_tls()) {
      return malformed_target("--" + std::string(option) + " needs --url https://…, but the daemon is at " +
                              target.name());
    }
  }
  if (!target.is_tls()) return {};
  target.ca_file = arguments.value_or("cacert", "");
  target.certificate = arguments.value_or("cert", "");
  target.key = arguments.value_or("key", "");
  if (target.certificate.empty() && !target.key.empty()) return malformed_target("--key needs --cert");
  for (const std::string& file : {target.ca_file, target.certificate}) {
    if (!file.empty()) PAWL_TRY(read_regular_file(file, pem_bytes_max));
  }
  const std::string& secret = target.key.empty() ? target.certificate : target.key;
  if (!secret.empty()) PAWL_TRY(read_guarded_file(secret, Guard::unreadable, pem_bytes_max));
  return {};
}

}  // namespace

std::string Target::name() const {
  if (!socket.empty()) return socket;
  constexpr std::string_view plain = "http://";
  return url.starts_with(plain) ? url.substr(plain.size()) : url;
}

std::vector<OptionSpec> with_target_options(std::vector<OptionSpec> own) {
  own.push_back({"data", "DIR", "the daemon's data folder, for its socket", 0, "PAWL_DATA"});
  own.push_back({"socket", "PATH", "the daemon's unix socket", 0, "PAWL_SOCKET"});
  own.push_back({"url", "URL", "the daemon's address: HOST:PORT, or https://HOST[:PORT][/PREFIX]", 0, "PAWL_URL"});
  own.push_back({"token-file", "FILE", "a file with the token to send", 0, "PAWL_TOKEN_FILE"});
  own.push_back({"cacert", "FILE", "trust these authorities for https instead of the system's", 0, "PAWL_CACERT"});
  own.push_back({"cert", "FILE", "the client certificate to present", 0, "PAWL_CERT"});
  own.push_back({"key", "FILE", "the certificate's private key, if it is in another file", 0, "PAWL_KEY"});
  own.push_back({"actor", "NAME", "the name to record as the requester (operator)"});
  own.push_back(config_option());
  return own;
}

std::vector<OptionSpec> with_daemon_options(std::vector<OptionSpec> own) {
  own = with_target_options(std::move(own));
  own.push_back({"json", "", "print the daemon's answer as JSON"});
  return own;
}

Result<Target> target_of(const Arguments& arguments) {
  Target target = PAWL_TRY(place_of(arguments));
  target.token = PAWL_TRY(token_of(arguments));
  PAWL_TRY(add_certificates(arguments, target));
  return target;
}

Result<std::string> daemon_url(const std::string& text) {
  const std::size_t scheme_end = text.find("://");
  const bool has_scheme = scheme_end != std::string::npos;
  const std::string scheme = has_scheme ? text.substr(0, scheme_end) : "http";
  if (scheme != "http" && scheme != "https") {
    constexpr std::array<std::string_view, 2> known{"https", "http"};
    const auto meant = nearest_of(scheme, known);
    return malformed_target("--url: the scheme of '" + text + "' is '" + scheme + "', not http or https" +
                            (meant ? "; did you mean '" + std::string(*meant) + "'?" : ""));
  }
  const Url url(curl_url());
  const CURLUcode code =
      curl_url_set(url.get(), CURLUPART_URL, (has_scheme ? text : "http://" + text).c_str(), CURLU_DISALLOW_USER);
  if (code == CURLUE_USER_NOT_ALLOWED) {
    return malformed_target("--url: must not contain a user or a password; give a file with a token as --token-file");
  }
  const bool is_whole = code == CURLUE_OK && (has_scheme || !part_of_url(url, CURLUPART_PORT).empty());
  if (!is_whole || !part_of_url(url, CURLUPART_QUERY).empty() || !part_of_url(url, CURLUPART_FRAGMENT).empty()) {
    return malformed_target("--url: '" + text +
                            "' is not HOST:PORT or https://HOST[:PORT][/PREFIX], such as 127.0.0.1:7777, [::1]:7777 or "
                            "https://pawl.example/ci");
  }
  std::string out = part_of_url(url, CURLUPART_URL);
  while (out.ends_with('/')) out.pop_back();
  return out;
}

}  // namespace pawl
