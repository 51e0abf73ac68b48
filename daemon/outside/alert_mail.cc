#include "daemon/outside/alert_mail.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <span>
#include <string_view>

#include "daemon/outside/curl_parts.h"
#include "daemon/outside/web_call.h"
#include "schema/limits.h"
#include "schema/printable.h"
#include "store/base64.h"

namespace pawl {
namespace {

constexpr std::size_t subject_bytes_max = 250;
constexpr std::size_t line_bytes_max = 900;    // RFC 5321 allows 998
constexpr std::size_t base64_line_bytes = 57;  // 76 characters
/// A line with an encoded word may have 76 characters: `Subject: `, `=?utf-8?B?…?=`, and four for three bytes.
constexpr std::size_t word_bytes_max = 39;

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool is_plain_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char byte) { return byte == '\n' || (byte >= ' ' && byte < 127); });
}

/// The longest beginning within the bound that does not cut a character.
std::string_view beginning_of(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

/// RFC 2047, if it must be.
std::string header_text(std::string_view text) {
  if (is_plain_ascii(text) && text.find("=?") == std::string_view::npos) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::string_view word = beginning_of(text, word_bytes_max);
    out += (out.empty() ? "" : "\r\n ") + std::string("=?utf-8?B?") + base64(bytes_of(word)) + "?=";
    text.remove_prefix(word.size());
  }
  return out;
}

std::string mail_date(TimeUs time) {
  constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = static_cast<std::time_t>(time.us / us_per_s);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %d %02d:%02d:%02d +0000",
                days.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                months.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text.data();
}

std::string body_of_mail(const Alert& alert) {
  std::string text;
  for (const AlertFact& fact : facts_of(alert)) {
    if (fact.value.empty()) continue;
    if (fact.name == "summary") {
      text += fact.value + "\n\n";
    } else {
      text += std::string(fact.name) + ": " + printable(fact.value) + '\n';
    }
  }
  return text;
}

std::string with_crlf(std::string_view text) {
  std::string out;
  for (const char byte : text) out += byte == '\n' ? std::string("\r\n") : std::string(1, byte);
  return out;
}

bool has_long_line(std::string_view text) {
  std::size_t from = 0;
  for (std::size_t end; (end = text.find('\n', from)) != std::string_view::npos; from = end + 1) {
    if (end - from > line_bytes_max) return true;
  }
  return false;
}

std::string in_base64_lines(std::string_view text) {
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min(base64_line_bytes, text.size()))) {
    out += base64(bytes_of(text.substr(0, base64_line_bytes))) + "\r\n";
  }
  return out;
}

// ---- SMTP ---------------------------------------------------------------------------------------------------------

struct Upload {
  std::string_view rest;
};

std::size_t give_upload(char* into, std::size_t size, std::size_t count, void* from) {
  Upload& upload = *static_cast<Upload*>(from);
  const std::size_t given = std::min(size * count, upload.rest.size());
  std::memcpy(into, upload.rest.data(), given);
  upload.rest.remove_prefix(given);
  return given;
}

/// What the server said.
struct Said {
  std::string last;     // its last line
  std::string refused;  // the first refusal of a recipient
};

std::size_t keep_reply(char* bytes, std::size_t size, std::size_t count, void* into) {
  Said& said = *static_cast<Said*>(into);
  constexpr std::size_t bytes_shown = 200;
  said.last.assign(bytes, std::min(size * count, bytes_shown));
  while (!said.last.empty() && (said.last.back() == '\n' || said.last.back() == '\r')) said.last.pop_back();
  // Replies to RCPT, and not to a way of logging in that the server does not have.
  const bool is_of_recipient = said.last.starts_with("55") || said.last.starts_with("45");
  if (is_of_recipient && said.refused.empty()) said.refused = said.last;
  return size * count;
}

}  // namespace

std::string mail_of(const Alert& alert, const std::string& from, const std::vector<std::string>& to) {
  std::string recipients;
  for (const std::string& each : to) recipients += (recipients.empty() ? "" : ",\r\n ") + each;
  const std::string summary = printable(facts_of(alert).front().value);
  const std::string subject = "pawl: " + std::string(beginning_of(summary, subject_bytes_max));
  const std::string body = body_of_mail(alert);
  const bool is_plain = is_plain_ascii(body) && !has_long_line(body);
  return "Date: " + mail_date(alert.time) + "\r\nFrom: " + from + "\r\nTo: " + recipients +
         "\r\nSubject: " + header_text(subject) + "\r\nMessage-ID: <pawl-" + std::to_string(raw(alert.seq)) + "-" +
         id_of(alert) + from.substr(from.rfind('@')) +
         ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: " +
         (is_plain ? "7bit" : "base64") + "\r\n\r\n" + (is_plain ? with_crlf(body) : in_base64_lines(with_crlf(body)));
}

AlertDelivery AlertMail::send(const Alert& alert, const CancelToken& cancel_token) const {
  using How = AlertDelivery::How;
  const CurlHandle handle(curl_easy_init());
  CurlList recipients;
  bool complete = handle != nullptr;
  for (const std::string& each : options_.to) complete = complete && append(recipients, '<' + each + '>');
  if (!complete) return {.how = How::later, .why = "out of memory"};

  const std::string message = mail_of(alert, options_.from, options_.to);
  Upload upload{message};
  Said said;
  CurlReason reason{};
  CURL* const curl = handle.get();
  set_common_options(curl, options_.ca_file, cancel_token, reason);
  curl_easy_setopt(curl, CURLOPT_URL, options_.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(options_.needs_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  if (!options_.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, options_.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, options_.password.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, ('<' + options_.from + '>').c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);  // one wrong address does not keep it from the others
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_upload);
  curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, keep_reply);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &said);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(limits::alert_mail_timeout_s));
  const CURLcode code = curl_easy_perform(curl);
  // The longest first: its end may be one of the others.
  const std::vector<std::string> secrets{base64(bytes_of('\0' + options_.user + '\0' + options_.password)),
                                         base64(bytes_of(options_.password)), options_.password};
  const auto shown = [&secrets](const std::string& text) { return without(in_one_line(text), secrets); };
  if (code == CURLE_OK) return {.why = said.refused.empty() ? "" : "not to every recipient: " + shown(said.refused)};

  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  std::string why = shown(why_of(code, reason));
  const bool is_answered = code != CURLE_ABORTED_BY_CALLBACK && status >= 400 && !said.last.empty();
  if (is_answered) why += "; the server said: " + shown(said.refused.empty() ? said.last : said.refused);
  return {.how = is_answered && status >= 500 ? How::refused : How::later, .why = why};
}

}  // namespace pawl
