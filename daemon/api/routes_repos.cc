// Calls about repositories: which exist, and the URLs to clone them from (SPEC §4).
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <set>
#include <utility>

#include "daemon/api/call.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"
#include "schema/repository.h"

namespace pawl {
namespace {

Error bad_field(std::string message) {
  return {ErrorCode::malformed, std::move(message)};
}

/// Every reader of the log sees its contents.
Result<void> check_url(std::string_view url) {
  if (has_credentials(url)) {
    return bad_field(
        "field \"url\" must not contain a user name or password, which every reader of the log could see: leave them "
        "out, and use a git credential helper or a key");
  }
  if (is_relative_path(url)) {
    return bad_field("field \"url\" must be a URL, HOST:PATH or an absolute path: the daemon runs in another folder");
  }
  for (const char c : url) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return bad_field("field \"url\" must not contain a control character");
    }
  }
  return {};
}

/// Calls `look` repeatedly, with the key to continue from, until it has seen all rows. Both tables may be long.
template <class Key, class Look>
void in_pieces(StateReader& reader, Look look) {
  std::optional<Key> next = Key();
  while (next) next = reader.ask([&look, next](const State& state) { return look(state, *next); });
}

/// The declared repositories by name, with their numbers of live tasks.
struct Listed {
  std::map<std::string, RepoRow> rows;
  std::map<std::string, std::set<TaskId>> tasks;
};

/// The sequencer may run a look twice; running it again gives the same result.
Listed listed(StateReader& reader) {
  Listed found;
  in_pieces<std::string>(reader, [&found](const State& state, const std::string& from) {
    std::size_t rows = 0;
    for (auto at = state.repos.rows().lower_bound(from); at != state.repos.rows().end(); ++at) {
      if (++rows > limits::rows_per_read_max) return std::optional(at->first);
      if (at->second.declared) found.rows.insert_or_assign(at->first, at->second);
    }
    return std::optional<std::string>();
  });
  using WorkItem = std::pair<std::string, std::string>;
  in_pieces<WorkItem>(reader, [&found](const State& state, const WorkItem& from) {
    std::size_t rows = 0;
    const auto& live = state.indexes.live_work_items;
    for (auto at = live.lower_bound(from); at != live.end(); ++at) {
      if (++rows > limits::rows_per_read_max) return std::optional(at->first);
      found.tasks[at->first.first].insert(at->second);
    }
    return std::optional<WorkItem>();
  });
  return found;
}

void append_trouble(std::string& out, const OriginTrouble& trouble) {
  out += '{';
  append_json_member(out, "reason");
  append_json_text(out, trouble.reason());
  append_json_member(out, "since");
  append_json_time(out, trouble.since);
  append_json_member(out, "words");
  append_json_text(out, trouble.words);
  out += '}';
}

}  // namespace

void repos_declare(Call call) {
  const auto& fields = call.body.event_fields();
  const auto text = [&fields](std::string_view name) -> std::string_view {
    const boost::json::value* value = fields.if_contains(boost::json::string_view(name.data(), name.size()));
    return value && value->is_string() ? std::string_view(value->get_string().data(), value->get_string().size())
                                       : std::string_view();
  };
  const std::string repo(text("repo"));
  if (const auto checked = check_repo_name(repo); !checked) {
    return call.refuse(bad_field("field \"repo\" must not " + checked.error().message));
  }
  if (const auto checked = check_url(text("url")); !checked) return call.refuse(checked.error());
  auto proposal = propose_asked(call, fb::Event::RepoDeclared);
  if (!proposal) return;
  Group group;
  group.push_back(std::move(*proposal));
  write(call.context,
        {.group = std::move(group),
         .look =
             [repo](const SeenDecision& seen, ResponseRows& rows) {
               rows.kind = ResourceKind::repo;
               const RepoRow* row = seen.state.repos.find(repo);
               if (row && row->declared) rows.repo = *row;
             },
         .status_accepted = 201},
        std::move(call.reply));
}

void repos_remove(Call call) {
  fb::RepoRemovedT removed;
  removed.repo = call.param.empty() ? std::string(*call.query.text("repo")) : call.param;
  write(call.context,
        {.group = propose_group(call.requester, removed),
         .look =
             [repo = removed.repo](const SeenDecision& seen, ResponseRows& rows) {
               rows.kind = ResourceKind::repo;
               const RepoRow* row = seen.state.repos.find(repo);
               if (row && row->declared) rows.repo = *row;
             }},
        std::move(call.reply));
}

void repos_list(Call call) {
  call.work([&context = call.context, narrow = call.narrow, reply = call.reply,
             is_past = call.past != nullptr](StateReader& reader) {
    const Listed found = listed(reader);
    HttpResponse response;
    std::string& out = response.body;
    out = R"({"items":[)";
    for (const auto& [repo, row] : found.rows) {
      if (narrow && !narrow->scope().has_repo(repo)) continue;
      if (out.back() != '[') out += ',';
      append_json(out, row);
      out.pop_back();
      const auto tasks = found.tasks.find(repo);
      append_json_member(out, "tasks",
                         static_cast<std::uint64_t>(tasks == found.tasks.end() ? 0 : tasks->second.size()));
      append_json_member(out, "trouble");
      const auto trouble = context.services.origin_trouble && !is_past ? context.services.origin_trouble(repo)
                                                                       : std::optional<OriginTrouble>();
      if (trouble) {
        append_trouble(out, *trouble);
      } else {
        out += "null";
      }
      out += '}';
    }
    out += R"(],"next":null})";
    reply(std::move(response));
  });
}

}  // namespace pawl
