// `pawl tokens`: the file that says who may do what over TCP, and the daemon that reads it.
#include "daemon/api/tokens.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "schema/json/json_text.h"
#include "schema/nearest.h"
#include "store/os/descriptor.h"
#include "store/os/random.h"
#include "tools/commands/command.h"
#include "tools/commands/output.h"
#include "tools/commands/sources.h"
#include "tools/commands/tokens_file.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> token_actions{"list", "add", "revoke"};
constexpr std::array<std::string_view, 3> limiting_options{"repos", "agents", "leases"};

Result<std::string> tokens_path(const Arguments& arguments) {
  auto path = arguments.value("file");
  if (!path || path->empty()) return Error{ErrorCode::malformed, "tokens: which file? Give --file FILE (PAWL_TOKENS)"};
  return *path;
}

TimeUs host_time() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return TimeUs{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

// ---- the daemon

/// The zero-terminated words of a file in /proc.
std::vector<std::string> words_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return words;
}

/// The tokens file that a pawld was started with, exactly as its command line or its environment has it.
std::optional<std::string> tokens_read_by(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  const std::vector<std::string> words = words_of(folder + "/cmdline");
  if (words.empty() || fs::path(words.front()).filename() != "pawld") return std::nullopt;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "--tokens" && i + 1 < words.size()) return words[i + 1];
    if (words[i].starts_with("--tokens=")) return words[i].substr(9);
  }
  for (const std::string& word : words_of(folder + "/environ")) {
    if (word.starts_with("PAWL_TOKENS=")) return word.substr(12);
  }
  return std::nullopt;
}

/// The process that listens on a unix socket, according to the kernel.
std::optional<pid_t> pid_behind(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, socket.data(), socket.size());
  const Descriptor connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ucred peer{};
  socklen_t size = sizeof peer;
  if (!connection || ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) {
    return std::nullopt;
  }
  return peer.pid;
}

/// The process that holds a data folder, or held it last.
std::optional<pid_t> pid_in_lock(const std::string& data) {
  std::ifstream file(data + "/LOCK");
  pid_t pid = 0;
  if (!(file >> pid) || pid <= 0) return std::nullopt;
  return pid;
}

/// Has the daemon read the file, or says how. Signals only a pawld that reads tokens: SIGHUP could end any other
/// process.
void have_it_read(const Arguments& arguments, const std::string& path) {
  const auto source = arguments.source_of({"socket", "data"});
  const auto given = [&](std::string_view option) {
    return arguments.source_of({option}) == source ? arguments.value(option) : std::nullopt;
  };
  const auto at_socket = given("socket");
  const auto in_folder = given("data");
  const std::optional<pid_t> pid = at_socket   ? pid_behind(*at_socket)
                                   : in_folder ? pid_in_lock(*in_folder)
                                               : std::nullopt;
  const auto read = pid ? tokens_read_by(*pid) : std::nullopt;
  const bool is_it = read && fs::path(*read).filename() == fs::path(path).filename();
  if (is_it && ::kill(*pid, SIGHUP) == 0) {
    std::fprintf(stderr, "pawld, pid %d, was told to read it; its log says how many tokens it now has\n",
                 static_cast<int>(*pid));
    return;
  }
  std::fputs("to have pawld read it: kill -HUP PID", stderr);
  if (pid && read && !is_it) {
    std::fprintf(stderr, " (pid %d reads %s)", static_cast<int>(*pid), printable(*read).c_str());
  } else if (!at_socket && !in_folder) {
    std::fputs(", or give --data DIR or --socket PATH", stderr);
  }
  std::fputc('\n', stderr);
}

// ---- list, add, revoke

std::string limits_of(const TokenEntry& entry) {
  return entry.scope ? text_of(*entry.scope) : "-";
}

std::string groups_of(const TokenEntry& entry) {
  std::string out;
  for (const std::string& group : entry.groups) out += (out.empty() ? "" : ",") + group;
  return out.empty() ? "-" : out;
}

std::string end_of(const TokenEntry& entry, TimeUs now) {
  if (!entry.until) return "-";
  return rfc3339(*entry.until) + (has_ended(entry, now) ? " (ended)" : "");
}

void append_names(std::string& out, std::string_view member, const std::vector<std::string>* names) {
  append_json_member(out, member);
  out += '[';
  for (const std::string& each : names ? *names : std::vector<std::string>()) {
    if (out.back() != '[') out += ',';
    append_json_text(out, each);
  }
  out += ']';
}

/// Everything except its hash. A list without names limits nothing.
void append_entry(std::string& out, const TokenEntry& entry, TimeUs now) {
  const Scope* scope = entry.scope.get();
  append_json_member(out, "name");
  append_json_text(out, entry.name);
  append_json_member(out, "role");
  append_json_text(out, name(entry.role));
  append_names(out, "repos", scope ? &scope->repos : nullptr);
  append_names(out, "agents", scope ? &scope->agents : nullptr);
  append_names(out, "leases", scope ? &scope->leases : nullptr);
  append_names(out, "groups", &entry.groups);
  append_json_member(out, "until");
  if (entry.until) {
    append_json_time(out, *entry.until);
  } else {
    out += "null";
  }
  append_json_member(out, "ended", has_ended(entry, now));
}

Exit list_tokens(const Arguments& arguments, const std::string& path) {
  const auto tokens = read_tokens(path);
  if (!tokens) return fail(tokens.error());
  const TimeUs now = host_time();
  if (arguments.has("json")) {
    std::string out = R"({"items":[)";
    for (const TokenEntry& entry : *tokens) {
      if (out.back() != '[') out += ',';
      out += '{';
      append_entry(out, entry, now);
      out += '}';
    }
    print(out + "]}\n");
    return Exit::done;
  }
  TextTable table({"name", "role", "limited to", "groups", "until"});
  for (const TokenEntry& entry : *tokens) {
    table.add({entry.name, std::string(name(entry.role)), limits_of(entry), groups_of(entry), end_of(entry, now)});
  }
  print(table.text());
  return Exit::done;
}

/// "30d", "12h", "2027-01-01" or a complete time.
Result<TimeUs> end_given(const std::string& text, TimeUs now) {
  const auto wrong = [&] {
    return Error{ErrorCode::malformed,
                 "tokens add: --until takes 30d, 12h, 2027-01-01 or 2027-01-01T00:00:00Z, not '" + text + "'"};
  };
  constexpr std::size_t days_digits_max = 5;
  const char unit = text.empty() ? ' ' : text.back();
  if ((unit == 'd' || unit == 'h') && text.size() <= days_digits_max + 1) {
    std::int64_t count = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size() - 1, count);
    if (failed != std::errc() || end != text.data() + text.size() - 1 || count <= 0) return wrong();
    return TimeUs{now.us + count * (unit == 'd' ? 24 : 1) * 3600 * us_per_s};
  }
  const auto time = parse_rfc3339(text.find('T') == std::string::npos ? text + "T00:00:00Z" : text);
  if (!time) return wrong();
  if (time->us <= now.us) return Error{ErrorCode::malformed, "tokens add: --until " + text + " is in the past"};
  return *time;
}

Result<TokenEntry> entry_given(const Arguments& arguments, const std::string& who, const std::string& token) {
  const auto wrong = [](const std::string& what) { return Error{ErrorCode::malformed, "tokens add: " + what}; };
  const auto role = role_named(arguments.value_or("role", ""));
  if (!role) return wrong("--role takes read, work or operate");
  TokenEntry entry{.name = who, .role = *role, .hash = hash_of_token(token)};
  Scope scope;
  for (const std::string_view option : limiting_options) {
    const auto value = arguments.value(option);
    if (!value) continue;
    if (value->find_first_of(" \t\r\n") != std::string::npos) {
      return wrong("--" + std::string(option) + " takes names separated by commas, without blanks");
    }
    if (const auto read = read_limit(std::string(option) + "=" + *value, scope); !read) {
      return wrong(read.error().message);
    }
  }
  if (const auto groups = arguments.value("groups")) {
    const auto read = parse_tokens(line_of(entry) + " groups=" + *groups, "");
    if (!read || read->size() != 1 || groups->find_first_of(" \t\r\n") != std::string::npos) {
      return wrong("--groups takes names of letters, digits, '-', '_' and '.', separated by commas, without blanks");
    }
    entry.groups = read->front().groups;
  }
  if (scope.is_narrow()) entry.scope = std::make_shared<const Scope>(std::move(scope));
  if (const auto until = arguments.value("until")) entry.until = PAWL_TRY(end_given(*until, host_time()));
  // A name with a blank, a line end or a '#' in it would be read as something else.
  const auto read = parse_tokens(line_of(entry), "");
  if (!read || read->size() != 1 || read->front().name != who) {
    return wrong("the name must be 1 to 32 letters, digits, '-', '_' and '.'");
  }
  return entry;
}

bool has_name(const Tokens& tokens, const std::string& who) {
  return std::any_of(tokens.begin(), tokens.end(), [&](const TokenEntry& entry) { return entry.name == who; });
}

std::string with_line(const std::string& text, const std::string& line) {
  return text + (text.empty() || text.ends_with('\n') ? "" : "\n") + line + "\n";
}

Exit add_token(const Arguments& arguments, const std::string& path) {
  const std::vector<std::string>& words = arguments.positional();
  if (words.size() != 2) return fail(Exit::usage, "tokens add: give the NAME that the token is for");
  const std::string token = random_hex() + random_hex();
  const auto entry = entry_given(arguments, words[1], token);
  if (!entry) return fail(entry.error());
  bool is_there = false;
  const auto written = edit_tokens(path, [&](const std::string& text, const Tokens& tokens) -> Result<std::string> {
    is_there = has_name(tokens, entry->name);
    if (is_there) {
      return Error{ErrorCode::malformed, "tokens add: " + words[1] + " already has a token; revoke it first"};
    }
    return with_line(text, line_of(*entry));
  });
  if (!written) return is_there ? fail(Exit::refused, written.error().message) : fail(written.error());
  if (arguments.has("json")) {
    std::string out = "{";
    append_entry(out, *entry, host_time());
    append_json_member(out, "token");
    append_json_text(out, token);
    print(out + "}\n");
  } else {
    print(token + "\n");
  }
  std::fprintf(stderr, "this is the token of %s, shown only this once: %s has only its hash\n", words[1].c_str(),
               printable(path).c_str());
  have_it_read(arguments, path);
  return Exit::done;
}

Exit revoke_token(const Arguments& arguments, const std::string& path) {
  const std::vector<std::string>& words = arguments.positional();
  if (words.size() != 2) return fail(Exit::usage, "tokens revoke: give the NAME that the token is for");
  for (const std::string_view option : {"role", "repos", "agents", "leases", "until"}) {
    if (arguments.has(option)) return fail(Exit::usage, "tokens revoke: --" + std::string(option) + " is for add");
  }
  bool is_there = true;
  bool is_last = false;
  const auto written = edit_tokens(path, [&](const std::string& text, const Tokens& tokens) -> Result<std::string> {
    const auto found =
        std::find_if(tokens.begin(), tokens.end(), [&](const TokenEntry& entry) { return entry.name == words[1]; });
    is_there = found != tokens.end();
    if (!is_there) {
      return Error{ErrorCode::malformed, "tokens revoke: " + printable(words[1]) + " has no token"};
    }
    const std::string rest = without_line(text, found->line);
    is_last = tokens.size() == 1;
    if (!is_last) return rest;
    // pawld ignores a file without tokens and would keep the old ones: so put in a line that no token fits.
    const TokenEntry fits_none{.name = "none",
                               .role = Role::read,
                               .hash = hash_of_token(random_hex() + random_hex()),
                               .scope = nullptr,
                               .until = TimeUs{0}};
    return with_line(rest, line_of(fits_none));
  });
  if (!written) return is_there ? fail(written.error()) : fail(Exit::refused, written.error().message);
  if (arguments.has("json")) {
    std::string out = "{";
    append_json_member(out, "name");
    append_json_text(out, words[1]);
    append_json_member(out, "last", is_last);
    print(out + "}\n");
  }
  std::fprintf(
      stderr, "revoked %s%s\n", words[1].c_str(),
      is_last ? ", the last one: a line that no token fits takes its place, so that pawld refuses every token" : "");
  have_it_read(arguments, path);
  return Exit::done;
}

Exit run_tokens(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  const std::string action = words.empty() ? "list" : words[0];
  if (std::find(token_actions.begin(), token_actions.end(), action) == token_actions.end()) {
    const auto meant = nearest_of(action, token_actions);
    return fail(Exit::usage, "tokens: '" + action + "' is not list, add or revoke" +
                                 (meant ? "; did you mean '" + std::string(*meant) + "'?" : ""));
  }
  const auto path = tokens_path(arguments);
  if (!path) return fail(path.error());
  if (action == "add") return add_token(arguments, *path);
  if (action == "revoke") return revoke_token(arguments, *path);
  if (words.size() > 1) return fail(Exit::usage, "tokens list: too many arguments: '" + words[1] + "'");
  return list_tokens(arguments, *path);
}

}  // namespace

const Command tokens_command = {
    .name = "tokens",
    .arguments = "[list | add NAME | revoke NAME]",
    .summary = "Lists who has a token for pawld over TCP, adds one, or revokes one",
    .details =
        "`add` prints only the token to standard output, and only once, since the file has only its hash. The file\n"
        "is replaced as a whole. With --data or --socket, the daemon there is told to read it.\n"
        "A token with --repos, --agents or --leases neither sees nor moves anything outside of them. Separate\n"
        "names with commas; a repository's may end with `*`, and for leases it is the beginning of the key that\n"
        "counts.\n",
    .options = {{"file", "FILE", "the file that pawld has as --tokens", 0, "PAWL_TOKENS"},
                {"role", "ROLE", "add: read, work or operate"},
                {"repos", "NAMES", "add: only for tasks of these repositories"},
                {"agents", "NAMES", "add: only for jobs of these agents"},
                {"leases", "KEYS", "add: only for leases whose keys begin with one of these"},
                {"groups", "NAMES", "add: the groups by which a gate may name it among those who may approve"},
                {"until", "TIME", "add: valid until then: 30d, 12h, 2027-01-01 or 2027-01-01T00:00:00Z"},
                {"json", "", "print JSON: the list, or what was added or revoked"},
                {"data", "DIR", "the data folder of the pawld to tell", 0, "PAWL_DATA"},
                {"socket", "PATH", "or its unix socket", 0, "PAWL_SOCKET"},
                config_option()},
    .positional_max = 2,
    .run = run_tokens};

}  // namespace pawl
