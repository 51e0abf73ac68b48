#include "daemon/outside/alert_options.h"

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <boost/program_options/variables_map.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <string_view>

#include "daemon/outside/curl_parts.h"
#include "store/os/guarded_file.h"

namespace pawl {
namespace {

namespace po = boost::program_options;

constexpr std::size_t secrets_bytes_max = 64 * 1024;

Error wrong(const std::string& message) {
  return {ErrorCode::malformed, message};
}

Result<std::vector<std::string>> lines_of(const std::string& path) {
  std::istringstream file(PAWL_TRY(read_guarded_file(path, Guard::unreadable, secrets_bytes_max)));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

bool is_header(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  const auto is_name_byte = [](char byte) {
    return byte > ' ' && byte < 127 && std::string_view("()<>@,;\\\"/[]?={}").find(byte) == std::string_view::npos;
  };
  const auto is_value_byte = [](char byte) { return byte == '\t' || (byte >= ' ' && byte != 127) || byte < 0; };
  const std::string_view value = text.substr(colon + 1);
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), is_name_byte) &&
         std::all_of(value.begin(), value.end(), is_value_byte) &&
         value.find_first_not_of(" \t") != std::string_view::npos;
}

bool is_secret(std::string_view header) {
  std::string name(header.substr(0, header.find(':')));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte; });
  constexpr std::array<std::string_view, 3> secret{"authorization", "proxy-authorization", "cookie"};
  return std::find(secret.begin(), secret.end(), name) != secret.end();
}

/// The parts of a text between blanks.
std::vector<std::string> words_in(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  return words;
}

/// An address as SMTP and the header of a message take it without quotes.
bool is_mail_address(std::string_view text) {
  const std::size_t at = text.find('@');
  const auto is_plain = [](char byte) {
    return byte > ' ' && byte < 127 && std::string_view("()<>,;:\\\"[]").find(byte) == std::string_view::npos;
  };
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string_view::npos && std::all_of(text.begin(), text.end(), is_plain);
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

/// Checks the mail server's URL, and returns its host.
Result<std::string> host_of_smtp(const std::string& text) {
  const CurlUrl parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return wrong("--alert-smtp: not a URL");
  }
  const std::string scheme = part_of(parsed.get(), CURLUPART_SCHEME).value_or("");
  if (scheme != "smtp" && scheme != "smtps") return wrong("--alert-smtp: must begin with smtp:// or smtps://");
  if (part_of(parsed.get(), CURLUPART_USER) || part_of(parsed.get(), CURLUPART_PASSWORD)) {
    return wrong("--alert-smtp: contains a user name or a password: use --alert-smtp-login-file");
  }
  return part_of(parsed.get(), CURLUPART_HOST).value_or("");
}

}  // namespace

void add_alert_options(po::options_description& description) {
  using Text = std::string;
  using Texts = std::vector<std::string>;
  description.add_options()                                                                                 //
      ("alert-command", po::value<Texts>()->composing()->value_name("WORD"),                                //
       "a command to run for each alert, with the facts in PAWL_ALERT_…; repeat the option for each word")  //
      ("alert-url", po::value<Text>()->value_name("URL"),                                                   //
       "a webhook to post each alert to, http or https")                                                    //
      ("alert-url-file", po::value<Text>()->value_name("FILE"),                                             //
       "a file whose first line is the URL, for a URL that is a secret")                                    //
      ("alert-body", po::value<Text>()->value_name("FILE"),                                                 //
       "template of the body: JSON with placeholders such as {summary}; default: every fact")               //
      ("alert-header", po::value<Texts>()->composing()->value_name("'NAME: VALUE'"),                        //
       "a header to send; may be repeated")                                                                 //
      ("alert-header-file", po::value<Texts>()->composing()->value_name("FILE"),                            //
       "a file of secret headers, one per line; may be repeated")                                           //
      ("alert-method", po::value<Text>()->value_name("POST|PUT"),                                           //
       "how to send to the webhook (POST); {id} in its URL stands for the alert's id")                      //
      ("alert-smtp", po::value<Text>()->value_name("URL"),                                                  //
       "a mail server to send each alert by, smtp://HOST:587 or smtps://HOST")                              //
      ("alert-smtp-login-file", po::value<Text>()->value_name("FILE"),                                      //
       "a file of two lines: the user at the mail server, and the password")                                //
      ("alert-smtp-tls", po::value<Text>()->value_name("required|off"),                                     //
       "whether smtp:// must change to TLS before anything is sent (required)")                             //
      ("alert-mail-from", po::value<Text>()->value_name("ADDRESS"),                                         //
       "the sender of alerts by mail")                                                                      //
      ("alert-mail-to", po::value<Texts>()->composing()->value_name("ADDRESS"),                             //
       "a recipient of alerts by mail; may be repeated")                                                    //
      ("ca-file", po::value<Text>()->value_name("FILE"),                                                    //
       "certificate authorities, in PEM form, to trust besides the system's");
}

void take_alert_options(const po::variables_map& source, AlertOptions& options) {
  const auto take = [&source]<class T>(const char* name, T& into) {
    if (into.empty() && source.count(name) > 0) into = source[name].as<T>();
  };
  take("alert-command", options.command);
  take("alert-url", options.url);
  take("alert-url-file", options.url_file);
  take("alert-body", options.body_file);
  take("alert-header", options.headers);
  take("alert-header-file", options.header_files);
  take("alert-method", options.method);
  take("alert-smtp", options.smtp);
  take("alert-smtp-login-file", options.smtp_login_file);
  take("alert-smtp-tls", options.smtp_tls);
  take("alert-mail-from", options.mail_from);
  take("alert-mail-to", options.mail_to);
  take("ca-file", options.ca_file);
}

Result<std::string> alert_url(const AlertOptions& options) {
  if (!options.url.empty() && !options.url_file.empty()) {
    return wrong("--alert-url and --alert-url-file: give only one of them");
  }
  std::string url = options.url;
  std::string from = "--alert-url";
  if (!options.url_file.empty()) {
    from = "--alert-url-file " + options.url_file;
    const std::vector<std::string> lines = PAWL_TRY(lines_of(options.url_file));
    if (lines.empty() || lines.front().empty()) return wrong(from + ": the first line is empty");
    url = lines.front();
  }
  if (url.empty()) return url;

  const CurlUrl parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return wrong(from + ": not a URL");
  }
  const std::string scheme = part_of(parsed.get(), CURLUPART_SCHEME).value_or("");
  if (scheme != "http" && scheme != "https") return wrong(from + ": must begin with http:// or https://");
  if (!options.url.empty() && part_of(parsed.get(), CURLUPART_PASSWORD)) {
    return wrong("--alert-url: contains a password, which process lists would show: use --alert-url-file");
  }
  return url;
}

Result<std::string> alert_method(const AlertOptions& options) {
  if (options.method.empty()) return std::string("POST");
  if (options.method == "POST" || options.method == "PUT") return options.method;
  return wrong("--alert-method: must be POST or PUT");
}

Result<AlertHeaders> alert_headers(const AlertOptions& options) {
  AlertHeaders headers;
  for (const std::string& header : options.headers) {
    if (!is_header(header)) return wrong("--alert-header: must be 'NAME: VALUE'");
    if (is_secret(header)) {
      return wrong("--alert-header " + header.substr(0, header.find(':')) +
                   ": process lists would show this secret: use --alert-header-file");
    }
    headers.all.push_back(header);
  }
  for (const std::string& path : options.header_files) {
    const std::vector<std::string> lines = PAWL_TRY(lines_of(path));
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].empty()) continue;
      if (!is_header(lines[i])) return wrong(path + ":" + std::to_string(i + 1) + ": must be 'NAME: VALUE'");
      for (std::string& word : words_in(lines[i].substr(lines[i].find(':') + 1))) {
        headers.secrets.push_back(std::move(word));
      }
      headers.all.push_back(lines[i]);
    }
  }
  return headers;
}

std::vector<std::string> secrets_of_url(const std::string& url) {
  std::vector<std::string> secrets;
  const CurlUrl parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return secrets;
  for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_PATH, CURLUPART_QUERY}) {
    auto text = part_of(parsed.get(), part);
    if (!text) continue;
    secrets.push_back(*text);
    std::replace_if(
        text->begin(), text->end(), [](char byte) { return byte == '/' || byte == '&' || byte == '='; }, ' ');
    // An answer may repeat only the token. Shorter words are ordinary ones.
    constexpr std::size_t token_bytes_min = 8;
    for (std::string& word : words_in(*text)) {
      if (word.size() >= token_bytes_min) secrets.push_back(std::move(word));
    }
  }
  return secrets;
}

Result<std::optional<AlertMailOptions>> alert_mail(const AlertOptions& options) {
  if (options.smtp.empty()) {
    const bool is_unused = options.mail_from.empty() && options.mail_to.empty() && options.smtp_login_file.empty() &&
                           options.smtp_tls.empty();
    if (is_unused) return std::optional<AlertMailOptions>();
    return wrong("alerts by mail need --alert-smtp");
  }
  AlertMailOptions mail{.url = options.smtp, .from = options.mail_from, .to = options.mail_to};
  const std::string host = PAWL_TRY(host_of_smtp(options.smtp));
  if (mail.from.empty() || mail.to.empty()) return wrong("--alert-smtp needs --alert-mail-from and --alert-mail-to");
  if (!is_mail_address(mail.from)) return wrong("--alert-mail-from: must be an address such as pawl@example.org");
  for (const std::string& address : mail.to) {
    if (!is_mail_address(address)) return wrong("--alert-mail-to: must be an address such as team@example.org");
  }
  if (!options.smtp_tls.empty() && options.smtp_tls != "required" && options.smtp_tls != "off") {
    return wrong("--alert-smtp-tls: must be required or off");
  }
  mail.needs_tls = options.smtp_tls != "off";
  if (options.smtp_login_file.empty()) return std::optional(std::move(mail));
  if (!mail.needs_tls && mail.url.starts_with("smtp:") && !is_loopback(host)) {
    return wrong("--alert-smtp-tls off: the login would go to " + host + " in the clear");
  }
  const std::vector<std::string> lines = PAWL_TRY(lines_of(options.smtp_login_file));
  if (lines.size() < 2 || lines[0].empty() || lines[1].empty()) {
    return wrong("--alert-smtp-login-file " + options.smtp_login_file + ": must have two lines, user and password");
  }
  mail.user = lines[0];
  mail.password = lines[1];
  return std::optional(std::move(mail));
}

}  // namespace pawl
