#include "daemon/outside/alert_options.h"

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <boost/program_options/variables_map.hpp>
#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>

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

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::optional<std::string> part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return std::nullopt;
  std::string found = text;
  curl_free(text);
  return found;
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
       "a file of secret headers, one per line; may be repeated");
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

  const std::unique_ptr<CURLU, FreeUrl> parsed(curl_url());
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

Result<std::vector<std::string>> alert_headers(const AlertOptions& options) {
  std::vector<std::string> headers;
  for (const std::string& header : options.headers) {
    if (!is_header(header)) return wrong("--alert-header: must be 'NAME: VALUE'");
    if (is_secret(header)) {
      return wrong("--alert-header " + header.substr(0, header.find(':')) +
                   ": process lists would show this secret: use --alert-header-file");
    }
    headers.push_back(header);
  }
  for (const std::string& path : options.header_files) {
    const std::vector<std::string> lines = PAWL_TRY(lines_of(path));
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].empty()) continue;
      if (!is_header(lines[i])) return wrong(path + ":" + std::to_string(i + 1) + ": must be 'NAME: VALUE'");
      headers.push_back(lines[i]);
    }
  }
  return headers;
}

}  // namespace pawl
