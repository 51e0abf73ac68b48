#include "tools/commands/client.h"

#include <curl/header.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "schema/printable.h"
#include "store/os/random.h"

namespace pawl {
namespace {

constexpr std::size_t answer_bytes_max = 256 * 1024 * 1024;
constexpr std::size_t line_bytes_max = 16 * 1024 * 1024;
constexpr std::size_t first_words_bytes = 80;
constexpr int tick_ms = 200;
constexpr long connect_timeout_s = 20;
constexpr long silence_s = 90;  // a long poll is answered after 30 s

void start_curl() {
  [[maybe_unused]] static const CURLcode started = [] {
    const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    PAWL_ASSERT(code == CURLE_OK);
    return code;
  }();
}

/// Close-on-exec: commands that pawl runs do not inherit its connections.
curl_socket_t open_connection(void*, curlsocktype, curl_sockaddr* address) {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/// Whether the host is this machine. Never use a proxy for it: there the name would mean the proxy's own machine.
bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
}

std::string host_of_url(const std::string& url) {
  std::string rest = url.substr(url.find("://") + 3);
  rest.resize(std::min(rest.size(), rest.find('/')));
  return rest.substr(0, rest.starts_with('[') ? rest.find(']') + 1 : rest.find(':'));
}

/// The variable that names a proxy for this target, by libcurl's rules. Empty if none does.
std::string proxy_variable(const Target& target) {
  if (!target.socket.empty() || is_loopback(host_of_url(target.url))) return {};
  const auto names = target.is_tls() ? std::vector<const char*>{"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}
                                     : std::vector<const char*>{"http_proxy", "all_proxy", "ALL_PROXY"};
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value && *value) return name;
  }
  return {};
}

/// Whether the daemon may have received the request although no complete answer came.
bool is_answer_lost(CURLcode code) {
  return code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
         code == CURLE_PARTIAL_FILE;
}

bool says(std::string_view text, std::string_view words) {
  return text.find(words) != std::string_view::npos;
}

/// The beginning of a body that is not pawld's, on one line.
std::string first_words(std::string_view body) {
  std::string out;
  for (const char byte : body.substr(0, 4 * first_words_bytes)) {
    const bool is_space = byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
    if (!is_space) out += byte;
    if (is_space && !out.empty() && out.back() != ' ') out += ' ';
    if (out.size() == first_words_bytes) break;
  }
  return printable(out);
}

}  // namespace

std::string Answer::header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (known.size() == name.size() && curl_strnequal(known.data(), name.data(), name.size()) != 0) return value;
  }
  return {};
}

Client::Client(Target target) : target_(std::move(target)) {}

std::size_t Client::take_head(char* line, std::size_t size, std::size_t count, void* incoming) {
  static_cast<Incoming*>(incoming)->has_head = std::string_view(line, size * count) == "\r\n";
  return size * count;
}

/// Takes at most `bytes_max`; beyond that, libcurl ends the exchange.
std::size_t Client::take_body(char* bytes, std::size_t size, std::size_t count, void* incoming) {
  auto& [bytes_max, body, has_head] = *static_cast<Incoming*>(incoming);
  if (size * count > bytes_max - std::min(bytes_max, body.size())) return 0;
  body.append(bytes, size * count);
  return size * count;
}

void Client::prepare(const Request& request, const std::string& idempotency_key) {
  PAWL_ASSERT(!is_exchanging_);
  if (!easy_) {
    start_curl();
    multi_.reset(curl_multi_init());
    easy_.reset(curl_easy_init());
    PAWL_ASSERT(multi_ && easy_);
  }
  CURL* const easy = easy_.get();
  curl_easy_reset(easy);  // resets the options; the connection belongs to the multi handle
  list_.reset();
  const auto add_header = [this](const std::string& header) {
    curl_slist* longer = curl_slist_append(list_.get(), header.c_str());
    PAWL_ASSERT(longer);
    [[maybe_unused]] curl_slist* same = list_.release();
    list_.reset(longer);
  };
  add_header("Accept: application/json");
  if (request.method != "GET") {
    add_header("Pawl-Actor: " + request.actor);
    add_header("Idempotency-Key: " + idempotency_key);
    add_header("Content-Type: application/json");
    add_header("Expect:");
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, std::string(request.method).c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request.body.data());
  }
  if (!request.boot.empty()) add_header("Pawl-Boot: " + request.boot);
  if (!target_.token.empty()) add_header("Authorization: Bearer " + target_.token);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list_.get());
  curl_easy_setopt(easy, CURLOPT_HEADEROPT,
                   static_cast<long>(CURLHEADER_SEPARATE));  // a proxy's CONNECT carries no token
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_URL, (target_.url + request.path).c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);  // a key may be ".."
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "pawl");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_connection);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, connect_timeout_s);
  if (!target_.socket.empty()) curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, target_.socket.c_str());
  if (proxy_variable(target_).empty()) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!target_.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, target_.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  if (!target_.certificate.empty()) {
    const std::string& key = target_.key.empty() ? target_.certificate : target_.key;
    curl_easy_setopt(easy, CURLOPT_SSLCERT, target_.certificate.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLKEY, key.c_str());
  }
  reason_.assign(CURL_ERROR_SIZE, '\0');
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason_.data());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
}

CURLcode Client::exchange(Incoming& incoming, const std::function<bool()>& tick) {
  curl_easy_setopt(easy_.get(), CURLOPT_HEADERDATA, &incoming);
  curl_easy_setopt(easy_.get(), CURLOPT_WRITEDATA, &incoming);
  is_exchanging_ = true;
  CURLMcode failed = curl_multi_add_handle(multi_.get(), easy_.get());
  CURLcode code = CURLE_OK;
  for (int running = 1; failed == CURLM_OK;) {
    failed = curl_multi_perform(multi_.get(), &running);
    int more = 0;
    const CURLMsg* ended = running == 0 ? curl_multi_info_read(multi_.get(), &more) : nullptr;
    if (ended) code = ended->data.result;
    const bool goes_on = tick();
    if (running == 0) break;
    if (!goes_on) {
      code = CURLE_ABORTED_BY_CALLBACK;
      break;
    }
    if (failed == CURLM_OK) failed = curl_multi_poll(multi_.get(), nullptr, 0, tick_ms, nullptr);
  }
  curl_multi_remove_handle(multi_.get(), easy_.get());
  is_exchanging_ = false;
  if (failed != CURLM_OK) return CURLE_OUT_OF_MEMORY;
  // libcurl accepts a truncated head.
  return code == CURLE_OK && !incoming.has_head ? CURLE_PARTIAL_FILE : code;
}

Error Client::error_of(CURLcode code, const Request& request) const {
  const std::string where = target_.name();
  const std::string why = reason_[0] != '\0' ? reason_.substr(0, reason_.find('\0')) : curl_easy_strerror(code);
  const std::string variable = proxy_variable(target_);
  const std::string proxy = variable.empty() ? "" : "; " + variable + " names a proxy, which may be what answered";
  const auto io = [](const std::string& message) { return Error{ErrorCode::io, message}; };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
      return io("cannot resolve the proxy for " + where + " (" + why + "); check " + variable);
    case CURLE_COULDNT_RESOLVE_HOST:
      return io("no daemon answers at " + where + " (" + why + ")");
    case CURLE_COULDNT_CONNECT: {
      long number = 0;
      curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &number);
      return io("no daemon answers at " + where + " (" + (number != 0 ? std::strerror(static_cast<int>(number)) : why) +
                "); is pawld running?" + proxy);
    }
    case CURLE_OPERATION_TIMEDOUT: {
      curl_off_t connected_us = 0;
      curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &connected_us);
      if (connected_us == 0) return io("no daemon answers at " + where + " (" + why + "); is pawld running?" + proxy);
      return io(where + " did not answer within " + std::to_string(request.timeout_s) + " s" + proxy);
    }
    case CURLE_PEER_FAILED_VERIFICATION:
      if (says(why, "host name")) {
        return io("the certificate of " + where + " is for another host (" + why +
                  "): use a name in --url that the certificate covers");
      }
      return io("the certificate of " + where + " is not trusted (" + why +
                "): name the authority that issued it with --cacert FILE (PAWL_CACERT)");
    case CURLE_SSL_CONNECT_ERROR:
      if (says(why, "wrong version number") || says(why, "packet length too long") || says(why, "http request")) {
        return io(where + " does not speak TLS (" + why + "); is it http://?" + proxy);
      }
      return io("TLS with " + where + " failed: " + why);
    case CURLE_SSL_CERTPROBLEM:
      return {ErrorCode::malformed, "--cert, --key: " + why};
    case CURLE_SSL_CACERT_BADFILE:
      return {ErrorCode::malformed, "--cacert: " + why};
    case CURLE_UNSUPPORTED_PROTOCOL:  // not an HTTP answer, for example from a server that expects TLS
    case CURLE_WEIRD_SERVER_REPLY:
      return io("the server at " + where + " does not speak HTTP (" + why + ")" +
                (target_.is_tls() ? "" : "; is it https://?") + proxy);
    case CURLE_WRITE_ERROR:
      return io("the answer from " + where + " is longer than any that pawld sends" + proxy);
    default:
      break;
  }
  if (says(why, "certificate required")) {
    return io(where + " requires a client certificate: give --cert FILE and --key FILE (PAWL_CERT, PAWL_KEY)");
  }
  std::string hint;
  if (target_.is_tls() && target_.certificate.empty()) hint = "; does it require a client certificate (--cert FILE)?";
  if (!target_.is_tls() && target_.socket.empty()) hint = "; does it expect https://?";
  return io("the connection to " + where + " was lost: " + why + (code == CURLE_PARTIAL_FILE ? "" : hint) + proxy);
}

Answer Client::head() const {
  Answer answer;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  curl_header* header = nullptr;
  while ((header = curl_easy_nextheader(easy_.get(), CURLH_HEADER, -1, header)) != nullptr) {
    answer.headers.emplace_back(header->name, header->value);
  }
  return answer;
}

Result<void> Client::check_is_pawlds(const Answer& answer) const {
  const std::string type = answer.header("Content-Type");
  const bool is_pawlds =
      type == "application/json" || type == "application/x-ndjson" || !answer.header("Pawl-Log-Next").empty();
  if (is_pawlds) return {};
  std::string what = "HTTP status " + std::to_string(answer.status) + ", " + (type.empty() ? "no content type" : type);
  if (const std::string to = answer.header("Location"); !to.empty()) what += ", redirecting to " + printable(to);
  if (!answer.body.empty()) what += ", '" + first_words(answer.body) + "'";
  const std::string variable = proxy_variable(target_);
  const std::string hint = says(answer.body, "HTTPS port") && !target_.is_tls() ? "is it https://?"
                           : variable.empty() ? "is --url right, and is pawld up behind it?"
                                              : "it may be the proxy that " + variable + " names";
  return Error{ErrorCode::io, "the server at " + target_.name() + " is not pawld: " + what + "; " + hint};
}

Result<Answer> Client::send(const Request& request) {
  const std::string key = request.method == "GET" ? "" : random_hex();
  CURLcode code = CURLE_OK;
  for (int attempt = 0; attempt < 2; ++attempt) {
    prepare(request, key);
    curl_easy_setopt(easy_.get(), CURLOPT_TIMEOUT, static_cast<long>(request.timeout_s));
    Incoming incoming{.bytes_max = answer_bytes_max};
    code = exchange(incoming, [] { return true; });
    if (code == CURLE_OK) {
      Answer answer = head();
      answer.body = std::move(incoming.body);
      PAWL_TRY(check_is_pawlds(answer));
      return answer;
    }
    if (!is_answer_lost(code)) break;
  }
  return error_of(code, request);
}

Result<Answer> Client::listen(const std::string& path, const Listener& listener) {
  const Request request{.method = "GET", .path = path, .timeout_s = silence_s};
  prepare(request, "");
  Incoming incoming{.bytes_max = line_bytes_max};
  curl_easy_setopt(easy_.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy_.get(), CURLOPT_LOW_SPEED_TIME, silence_s);
  bool is_enough = false;
  std::optional<Error> stranger;
  const auto hand_on = [&] {
    std::string& body = incoming.body;
    if (body.empty()) return !(is_enough = is_enough || !listener.idle());
    const Answer answer = head();
    if (!answer.is_success()) return true;
    if (const auto checked = check_is_pawlds({answer.status, body, answer.headers}); !checked) {
      stranger = checked.error();
      return false;
    }
    std::size_t begin = 0;
    for (std::size_t end = body.find('\n'); end != std::string::npos; end = body.find('\n', begin)) {
      const std::string_view line = std::string_view(body).substr(begin, end - begin);
      if (!line.empty() && !listener.line(line)) return !(is_enough = true);
      begin = end + 1;
    }
    body.erase(0, begin);
    if (begin == 0) is_enough = !listener.idle();
    return !is_enough;
  };
  const CURLcode code = exchange(incoming, hand_on);
  if (stranger) return *stranger;
  if (is_enough) return Answer{200, ""};
  if (code != CURLE_OK) return error_of(code, request);
  Answer answer = head();
  if (!answer.is_success()) answer.body = std::move(incoming.body);
  PAWL_TRY(check_is_pawlds(answer));
  return answer;
}

std::string percent_encoded(std::string_view text) {
  if (text.empty()) return {};
  const std::unique_ptr<char, decltype(&curl_free)> encoded(
      curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())), curl_free);
  PAWL_ASSERT(encoded);
  return encoded.get();
}

}  // namespace pawl
