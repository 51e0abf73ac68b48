#include "daemon/options.h"

#include <boost/program_options.hpp>
#include <unistd.h>

#include <charconv>
#include <sstream>

#include "daemon/outside/webhook_options.h"
#include "daemon/version.h"
#include "daemon/work/origin_url.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"
#include "schema/nearest.h"
#include "schema/repository.h"
#include "store/os/regular_file.h"

namespace pawl {
namespace {

namespace po = boost::program_options;
using std::filesystem::path;

constexpr std::size_t config_bytes_max = 1024 * 1024;

Error malformed(std::string message) {
  return {ErrorCode::malformed, std::move(message)};
}

po::options_description described(const char* caption) {
  po::options_description options(caption);
  options.add_options()                                                                            //
      ("data", po::value<std::string>()->value_name("DIR"),                                        //
       "the data folder: log, socket, worktrees; created if missing (PAWL_DATA)")                  //
      ("listen", po::value<std::string>()->value_name("HOST:PORT"),                                //
       "also serve HTTP on this address; without tokens, only loopback is allowed (PAWL_LISTEN)")  //
      ("socket", po::value<std::string>()->value_name("PATH"),                                     //
       "serve HTTP on this unix socket instead of DIR/pawl.sock (PAWL_SOCKET)")                    //
      ("tokens", po::value<std::string>()->value_name("FILE"),                                     //
       "who may do what over TCP: lines of NAME ROLE HASH; reread on SIGHUP (PAWL_TOKENS)")        //
      ("pipeline", po::value<std::vector<std::string>>()->composing()->value_name("FILE"),         //
       "a pipeline in YAML; may be repeated")                                                      //
      ("repo", po::value<std::vector<std::string>>()->composing()->value_name("NAME=URL"),         //
       "a repository and the URL to clone it from (NAME= for no origin); may be repeated. Does not override later "
       "changes by `pawl repos`")                                                          //
      ("log", po::value<std::string>()->value_name("text|json"),                           //
       "format of messages on stderr; default: text on a terminal, JSON lines otherwise")  //
      ("drain-s", po::value<std::string>()->value_name("N"),                               //
       "on SIGTERM, let running work finish for at most N seconds (0)")                    //
      ("audit-percent", po::value<std::string>()->value_name("N"),                         //
       "how much of one core may look for incidents in the log (5); 0: none is looked for");
  add_alert_options(options);
  add_webhook_options(options);
  add_forge_options(options);
  return options;
}

Result<TcpAddress> address_from(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const Error wrong = malformed("--listen: '" + text + "' is not HOST:PORT, such as 127.0.0.1:7777 or [::1]:7777");
  if (colon == std::string::npos || colon == 0) return wrong;
  TcpAddress address{.host = text.substr(0, colon)};
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find(':') != std::string::npos) {
    return wrong;  // An IPv6 address without brackets: the colon before the port is ambiguous.
  }
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(begin, end, address.port);
  if (begin == end || stop != end || failure != std::errc()) return wrong;
  return address;
}

constexpr std::int64_t drain_s_max = 7 * 24 * 3600;

Result<int> audit_percent_from(const std::string& text) {
  int number = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = failure == std::errc() && stop == text.data() + text.size();
  if (is_whole && number >= 0 && number <= 100) return number;
  return malformed("--audit-percent: '" + text + "' is not a whole number from 0 to 100");
}

Result<std::chrono::seconds> drain_from(const std::string& text) {
  std::int64_t number = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = failure == std::errc() && stop == text.data() + text.size();
  if (is_whole && number >= 0 && number <= drain_s_max) return std::chrono::seconds(number);
  return malformed("--drain-s: '" + text + "' is not a whole number of seconds from 0 to " +
                   std::to_string(drain_s_max));
}

/// For messages: a URL in place of a name may contain a token.
std::string told(const std::string& text) {
  return has_credentials(text) ? "a URL with a user name in it" : "'" + text + "'";
}

/// NAME and URL of a `--repo`. A relative path is resolved against `folder`.
Result<std::pair<std::string, std::string>> repo_from(const std::string& text, const path& folder) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return malformed("--repo: " + told(text) + " is not NAME=URL, such as shop=git@example.org:shop.git");
  }
  const std::string name = text.substr(0, equals);
  const std::string url = text.substr(equals + 1);
  if (const auto checked = check_repo_name(name); !checked) {
    return malformed("--repo: the name must not " + checked.error().message + ", and is " + told(name));
  }
  if (has_password(url)) {
    return malformed("--repo: the URL of " + name +
                     " has a password in it, which process lists and many messages would show: use a key or a git "
                     "credential helper");
  }
  if (!is_json_text(text)) return malformed("--repo: '" + name + "' or its URL is not UTF-8");
  if (name.size() > limits::repo_bytes_max || url.size() > limits::url_bytes_max) {
    return malformed("--repo: a name may have at most " + std::to_string(limits::repo_bytes_max) +
                     " bytes, and a URL " + std::to_string(limits::url_bytes_max));
  }
  return std::pair(name, from_folder(url, folder));
}

/// The options of one source. Sources stay separate until all are known to be well formed.
struct OptionSource {
  std::string where;  // for errors
  po::variables_map values;
  path folder;  // base of relative paths
};

/// Empty if it was removed.
path working_folder() {
  std::error_code gone;
  return std::filesystem::current_path(gone);
}

/// For an unknown option, as given: "--pipline" on the command line, "pipline" in a file.
std::string meant(const std::string& given, const po::options_description& options) {
  const std::string_view dashes = given.starts_with("--") ? "--" : "";
  std::vector<std::string_view> known;
  for (const auto& option : options.options()) known.push_back(option->long_name());
  const auto near = nearest_of(std::string_view(given).substr(dashes.size()), known);
  return near ? "; did you mean '" + std::string(dashes) + std::string(*near) + "'?" : "";
}

/// The only function that handles Program_options' exceptions. Requires: `parse` takes `options`.
Result<po::variables_map> parsed(const std::string& where, const po::options_description& options,
                                 const std::function<po::parsed_options()>& parse) {
  try {
    po::variables_map values;
    po::store(parse(), values);
    return values;
  } catch (const po::too_many_positional_options_error&) {
    return malformed(where + ": takes only options, which begin with --");
  } catch (const po::invalid_config_file_syntax& error) {
    return malformed(where + ": not a 'name = value' line: '" + error.tokens() + "'");
  } catch (const po::unknown_option& error) {
    const std::string name = error.get_option_name();
    return malformed(where + ": unrecognised option '" + name + "'" + meant(name, options));
  } catch (const po::error_with_option_name& error) {
    // what() substitutes the name for placeholders in its text, then for placeholders in the name itself, without end.
    const std::string name = error.get_option_name();
    if (name.find('%') != std::string::npos) return malformed(where + ": unrecognised option '" + name + "'");
    return malformed(where + ": " + error.what());
  } catch (const po::error& error) {
    return malformed(where + ": " + error.what());
  }
}

std::optional<std::string> text_of(const std::vector<OptionSource>& sources, const char* name) {
  for (const OptionSource& source : sources) {
    if (source.values.count(name) > 0) return source.values[name].as<std::string>();
  }
  return std::nullopt;
}

std::vector<std::string> texts_of(const std::vector<OptionSource>& sources, const char* name) {
  std::vector<std::string> all;
  for (const OptionSource& source : sources) {
    if (source.values.count(name) == 0) continue;
    const auto& texts = source.values[name].as<std::vector<std::string>>();
    all.insert(all.end(), texts.begin(), texts.end());
  }
  return all;
}

Result<OptionSource> environment_source(const Environment& environment) {
  std::vector<std::string> words;
  for (const auto& [variable, option] : {std::pair<const char*, const char*>{"PAWL_DATA", "--data="},
                                         std::pair<const char*, const char*>{"PAWL_LISTEN", "--listen="},
                                         std::pair<const char*, const char*>{"PAWL_TOKENS", "--tokens="},
                                         std::pair<const char*, const char*>{"PAWL_SOCKET", "--socket="}}) {
    const char* value = environment(variable);
    if (value && *value) words.push_back(std::string(option) + value);
  }
  const po::options_description options = described("");
  po::variables_map values =
      PAWL_TRY(parsed("environment", options, [&] { return po::command_line_parser(words).options(options).run(); }));
  return OptionSource{.where = "environment", .values = std::move(values), .folder = {}};
}

Result<OptionSource> file_source(const std::string& name) {
  Result<std::string> text = read_regular_file(name, config_bytes_max);
  if (!text) return malformed("--config: " + text.error().message);
  std::istringstream file(*std::move(text));
  const po::options_description options = described("");
  po::variables_map values = PAWL_TRY(parsed(name, options, [&] { return po::parse_config_file(file, options); }));
  return OptionSource{
      .where = "file " + name, .values = std::move(values), .folder = (working_folder() / name).parent_path()};
}

/// The first source that names a repository wins, as for every other option.
Result<std::map<std::string, std::string>> repos_from(const std::vector<OptionSource>& sources) {
  std::map<std::string, std::string> repos;
  for (const OptionSource& source : sources) {
    if (source.values.count("repo") == 0) continue;
    for (const std::string& text : source.values["repo"].as<std::vector<std::string>>()) {
      repos.insert(PAWL_TRY(repo_from(text, source.folder)));
    }
  }
  return repos;
}

/// Normalised: with or without a trailing slash is the same folder.
path folder_named(const std::string& name) {
  return (std::filesystem::absolute(path(name)) / "").lexically_normal();
}

/// If two sources name different folders, people soon look in the wrong one.
void note_other_folders(const std::vector<OptionSource>& sources, Options& options) {
  const OptionSource* used = nullptr;
  for (const OptionSource& source : sources) {
    if (source.values.count("data") == 0) continue;
    const auto& named = source.values["data"].as<std::string>();
    if (!used) {
      used = &source;
    } else if (folder_named(named) != folder_named(options.data)) {
      options.notes.push_back("the data folder is " + options.data.string() + ", from the " + used->where +
                              "; the one from the " + source.where + ", " + named + ", is not used");
    }
  }
}

Result<Options> options_from(const std::vector<OptionSource>& sources) {
  Options options;
  const auto data = text_of(sources, "data");
  if (!data || data->empty()) return malformed("--data: name the data folder, or set PAWL_DATA");
  options.data = std::filesystem::absolute(path(*data)).lexically_normal();
  note_other_folders(sources, options);
  if (const auto listen = text_of(sources, "listen")) options.listen = PAWL_TRY(address_from(*listen));
  if (const auto socket = text_of(sources, "socket")) {
    if (socket->empty()) return malformed("--socket: the path is empty");
    options.socket = std::filesystem::absolute(path(*socket)).lexically_normal();
  }
  if (options.socket.empty()) options.socket = options.data / "pawl.sock";
  if (const auto tokens = text_of(sources, "tokens")) {
    if (tokens->empty()) return malformed("--tokens: the path is empty");
    options.tokens = std::filesystem::absolute(path(*tokens)).lexically_normal();
  }
  options.pipelines = texts_of(sources, "pipeline");
  options.repos = PAWL_TRY(repos_from(sources));
  const GivenOptions given{.text = [&](const char* name) { return text_of(sources, name); },
                           .texts = [&](const char* name) { return texts_of(sources, name); }};
  options.webhooks = PAWL_TRY(webhook_config(given));
  options.forges = PAWL_TRY(forge_targets(given));
  options.log = ::isatty(STDERR_FILENO) ? LogForm::text : LogForm::json;
  if (const auto log = text_of(sources, "log")) {
    if (*log != "text" && *log != "json") return malformed("--log: must be text or json, but is '" + *log + "'");
    options.log = *log == "json" ? LogForm::json : LogForm::text;
  }
  if (const auto drain = text_of(sources, "drain-s")) options.drain = PAWL_TRY(drain_from(*drain));
  if (const auto percent = text_of(sources, "audit-percent")) {
    options.audit_percent = PAWL_TRY(audit_percent_from(*percent));
  }
  for (const OptionSource& source : sources) take_alert_options(source.values, options.alerts);
  options.forges.ca_file = options.alerts.ca_file;
  return options;
}

}  // namespace

std::map<std::string, std::string> repos_for_log(const Options& options) {
  std::map<std::string, std::string> repos;
  for (const auto& [repo, url] : options.repos) repos.emplace(repo, parse_origin(url).plain);
  return repos;
}

Result<Options> read_options(std::span<const char* const> arguments, const Environment& environment) {
  po::options_description all =
      described("usage: pawld --data DIR [OPTIONS]\n\nOwns the stage transitions of delivery pipelines.\n\noptions");
  all.add_options()                                                                                             //
      ("accept-clock",                                                                                          //
       "trust the wall clock, however far it is from the log's time; only on the command line, for one start")  //
      ("config", po::value<std::string>()->value_name("FILE"),                                                  //
       "file of `name = value` lines, with the names above (PAWL_CONFIG)")                                      //
      ("help", "print this and exit")                                                                           //
      ("version", "print the version and exit");
  const std::vector<std::string> words(arguments.begin(), arguments.end());
  const po::positional_options_description none;
  std::vector<OptionSource> sources;
  // No abbreviations: one that is unambiguous today may be ambiguous tomorrow.
  const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
  po::variables_map line = PAWL_TRY(parsed("command line", all, [&] {
    return po::command_line_parser(words).options(all).positional(none).style(style).run();
  }));
  if (line.count("help") > 0) {
    std::ostringstream text;
    text << all
         << "\nThe command line overrides the environment, and the environment overrides the configuration file.\n";
    Options options;
    options.answer = text.str();
    return options;
  }
  if (line.count("version") > 0) {
    Options options;
    options.answer = "pawld " + std::string(program_version) + "\n";
    return options;
  }
  const char* config_variable = environment("PAWL_CONFIG");
  std::string config = config_variable ? config_variable : "";
  if (line.count("config") > 0) config = line["config"].as<std::string>();
  const bool accept_clock = line.count("accept-clock") > 0;
  sources.push_back({.where = "command line", .values = std::move(line), .folder = working_folder()});
  sources.push_back(PAWL_TRY(environment_source(environment)));
  if (!config.empty()) sources.push_back(PAWL_TRY(file_source(config)));
  Options options = PAWL_TRY(options_from(sources));
  options.accept_clock = accept_clock;
  return options;
}

}  // namespace pawl
