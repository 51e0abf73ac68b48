#include "daemon/outside/alert_template.h"

#include <boost/json/value.hpp>

#include <algorithm>

#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/limits.h"
#include "store/os/regular_file.h"

namespace pawl {
namespace {

bool is_name_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_';
}

/// The name of the placeholder that begins at `at`; empty if none does. In JSON itself, a brace is never followed by a
/// bare word and a closing brace.
std::string_view placeholder_at(std::string_view text, std::size_t at) {
  if (text[at] != '{') return {};
  std::size_t end = at + 1;
  while (end < text.size() && is_name_byte(text[end])) ++end;
  if (end == text.size() || text[end] != '}') return {};
  return text.substr(at + 1, end - at - 1);
}

/// Facts to try a template with, each set to `word`.
std::vector<AlertFact> trial_facts(const std::string& word) {
  std::vector<AlertFact> facts = facts_of({});
  for (AlertFact& fact : facts) fact.value = fact.kind == AlertFact::Kind::integer && !word.empty() ? "7" : word;
  return facts;
}

std::string known_names() {
  std::string names;
  for (const AlertFact& fact : facts_of({})) names += (names.empty() ? "{" : ", {") + std::string(fact.name) + "}";
  return names;
}

const AlertFact* fact_named(const std::vector<AlertFact>& facts, std::string_view name) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const AlertFact& fact) { return fact.name == name; });
  return found == facts.end() ? nullptr : &*found;
}

}  // namespace

Result<AlertTemplate> AlertTemplate::parse(std::string_view text, const std::string& name_for_errors) {
  const std::vector<AlertFact> known = facts_of({});
  AlertTemplate parsed;
  std::string literal;
  bool in_string = false;
  std::int64_t line = 1;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (const std::string_view name = placeholder_at(text, at); !name.empty()) {
      if (!fact_named(known, name)) {
        return Error{ErrorCode::malformed, name_for_errors + ":" + std::to_string(line) + ": unknown placeholder {" +
                                               std::string(name) + "}; the placeholders are " + known_names()};
      }
      parsed.pieces_.push_back({Place::literal, std::move(literal)});
      literal.clear();
      parsed.pieces_.push_back({in_string ? Place::in_string : Place::value, std::string(name)});
      at += name.size() + 1;
      continue;
    }
    literal += text[at];
    if (text[at] == '\n') ++line;
    if (text[at] == '"') in_string = !in_string;
    if (text[at] == '\\' && in_string && at + 1 < text.size()) literal += text[++at];
  }
  parsed.pieces_.push_back({Place::literal, std::move(literal)});

  for (const char* word : {"", "\"a\" \\ \n {b}"}) {
    const auto filled = parse_json(parsed.fill(trial_facts(word)));
    if (!filled) {
      return Error{ErrorCode::malformed, name_for_errors + ": is not valid JSON once the placeholders are filled in: " +
                                             filled.error().message};
    }
  }
  return parsed;
}

Result<AlertTemplate> AlertTemplate::read(const std::string& path) {
  return parse(PAWL_TRY(read_regular_file(path, limits::alert_body_bytes_max)), path);
}

AlertTemplate AlertTemplate::of_all_facts() {
  std::string text;
  for (const AlertFact& fact : facts_of({})) {
    text += text.empty() ? '{' : ',';
    append_json_text(text, fact.name);
    text += ":{" + std::string(fact.name) + '}';
  }
  text += '}';
  auto parsed = parse(text, "the default body");
  PAWL_ASSERT(parsed);
  return std::move(*parsed);
}

std::string AlertTemplate::fill(const std::vector<AlertFact>& facts) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (piece.place == Place::literal) {
      out += piece.text;
      continue;
    }
    const AlertFact& fact = *fact_named(facts, piece.text);
    if (piece.place == Place::in_string) {
      std::string quoted;
      append_json_text(quoted, fact.value);
      out.append(quoted, 1, quoted.size() - 2);
    } else if (fact.kind == AlertFact::Kind::integer) {
      out += fact.value.empty() ? "null" : fact.value;
    } else {
      append_json_text_or_null(out, fact.value);
    }
  }
  return out;
}

}  // namespace pawl
