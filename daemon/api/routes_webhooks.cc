// Webhooks, carried out: over the routes and the one path that everybody's requests take.
//
// A start is POST /v1/tasks, a stop POST /v1/tasks/{id}/cancel, bodies and all. What lets a task go on is written down
// first, as a note that bears the delivery's idempotency key, and then driven on with `advance` after the answer: a
// gate may take minutes, and who sends webhooks waits for seconds. A crash between the two loses nothing: the
// reconciler drives what stands still.
#include <utility>

#include "daemon/api/call.h"
#include "daemon/outside/webhooks.h"
#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"

namespace pawl {
namespace {

/// The live tasks that a webhook may be about: at most two are ever looked for, for one is needed.
struct Found {
  std::vector<TaskId> tasks;
  bool is_worked_on = false;  // the repository has live tasks
};

constexpr std::size_t found_max = 2;

/// Blocks: on a thread of its own. An empty branch is any.
Found find_in_repo(Sequencer& sequencer, const std::string& repo, const std::string& branch) {
  Found found;
  std::pair<std::string, std::string> after{repo, ""};  // No work item is without a name.
  bool more = true;
  while (more && found.tasks.size() < found_max) {
    more = sequencer.ask([&](const State& state) {
      const auto& live = state.indexes.live_work_items;
      auto at = live.upper_bound(after);
      for (std::size_t rows = 0; rows < limits::rows_per_read_max; ++rows, ++at) {
        if (at == live.end() || at->first.first != repo) return false;
        found.is_worked_on = true;
        after = at->first;
        const Task* task = state.tasks.find(at->second);
        if (task && (branch.empty() || task->branch == branch)) found.tasks.push_back(task->id);
        if (found.tasks.size() == found_max) return false;
      }
      return true;
    });
  }
  return found;
}

Found find_tasks(Sequencer& sequencer, const std::vector<std::string>& repos, const std::string& branch) {
  for (const std::string& repo : repos) {
    Found found = find_in_repo(sequencer, repo, branch);
    if (found.is_worked_on) return found;
  }
  return {};
}

/// What is to be done with a task that was found, decided at the very moment of the note.
struct WebhookVerdict {
  enum class What { pass_on, defer, ignore };
  What what = What::pass_on;
  std::string why = {};
};

bool is_lease_live(const State& state, const Task& task, TimeUs now) {
  const Lease* lease = state.lease(task_key(task.id));
  return lease && state.settings().ownership_checked(task.repo) && state.is_live(*lease, now);
}

WebhookVerdict verdict_on_advance(const State& state, const Task& task, TimeUs now) {
  if (is_lease_live(state, task, now)) return {WebhookVerdict::What::defer, "lease"};
  if (!task.cancel_requested.empty()) return {WebhookVerdict::What::ignore, "cancel_requested"};
  if (!task.blocked.empty()) return {WebhookVerdict::What::ignore, "blocked"};
  if (state.open_job(task)) return {WebhookVerdict::What::ignore, "already_queued"};
  return {};
}

/// A merge that pawl itself made, or is about to make, is no news.
WebhookVerdict verdict_on_merge(const State& state, const Task& task, TimeUs now) {
  if (is_lease_live(state, task, now)) return {WebhookVerdict::What::defer, "lease"};
  for (const StepRow& step : task.steps) {
    const bool may_have_happened = step.state == StepState::started || step.state == StepState::done;
    if (step.irreversible && may_have_happened) return {WebhookVerdict::What::ignore, "own_step"};
  }
  return {};
}

using Judge = WebhookVerdict (*)(const State&, const Task&, TimeUs);

/// `{"seq":…,"result":…,"reason":…,"task":…}`
HttpResponse answer(int status, std::optional<Seq> seq, std::string_view result, std::string_view reason,
                    const Shown& shown) {
  HttpResponse response;
  response.status = status;
  std::string& out = response.body;
  out = R"({"seq":)";
  out += seq ? std::to_string(raw(*seq)) : "null";
  out += R"(,"result":)";
  append_json_text(out, result);
  out += R"(,"reason":)";
  append_json_text_or_null(out, reason);
  out += R"(,"task":)";
  append_object(out, shown, Noun::task);
  out += '}';
  return response;
}

/// One delivery on its way, after its signature was found right and its body read.
struct Delivery {
  Shop& shop;
  Webhooks& webhooks;
  WebhookTotals& totals;
  WebhookCall call;
  Asker asker;
  HttpReply reply;

  void ignore(std::string_view why) const {
    totals.ignored.fetch_add(1);
    reply(answer(202, std::nullopt, "ignored", why, {}));
  }
};

/// The same call as anybody's: its route gets a request of which only the body and the asker matter.
void pass_to(const Delivery& delivery, const Route& route, const std::string& body, std::uint64_t id, HttpReply reply) {
  delivery.totals.calls.fetch_add(1);
  const HttpRequest request{.method = "POST", .body = body};
  run(Call{.shop = delivery.shop,
           .request = request,
           .reply = std::move(reply),
           .asker = delivery.asker,
           .route = route,
           .id = id});
}

void start(const Delivery& delivery, const WebhookStart& wanted) {
  std::string body = R"({"work_item":)";
  append_json_text(body, wanted.work_item);
  body += R"(,"repo":)";
  append_json_text(body, wanted.repo);
  body += R"(,"branch":)";
  append_json_text(body, wanted.branch);
  body += R"(,"pipeline":)";
  append_json_text_or_null(body, wanted.pipeline);
  body += '}';
  pass_to(delivery, route_named("POST", "/v1/tasks"), body, 0, delivery.reply);
}

void stop(std::shared_ptr<const Delivery> delivery, const WebhookStop& wanted) {
  // That of its key, if the delivery came before, else the live one of that work item.
  const auto target = std::make_shared<std::optional<TaskId>>();
  delivery->shop.services.sequencer.read(
      [target, key = delivery->call.key, item = std::pair(wanted.repo, wanted.work_item)](const State& state) {
        const auto& live = state.indexes.live_work_items;
        target->reset();
        if (const KeyRow* first = state.keys.find(key); first && first->task != TaskId{0}) {
          *target = first->task;
        } else if (const auto found = live.find(item); found != live.end()) {
          *target = found->second;
        }
      },
      [delivery, target, reason = wanted.reason] {
        if (!*target) return delivery->ignore("no live task has this work item");
        std::string body = R"({"reason":)";
        append_json_text(body, reason);
        body += '}';
        // As with everybody's cancel, 202 says that the request stands and its moment has not come yet.
        HttpReply counting = [delivery](HttpResponse response) {
          if (response.status == 202) delivery->totals.deferred.fetch_add(1);
          delivery->reply(std::move(response));
        };
        pass_to(*delivery, route_named("POST", "/v1/tasks/{id}/cancel"), body, raw(**target), std::move(counting));
      });
}

/// A note about a task that was found, and what follows from it.
struct Noting {
  std::shared_ptr<const Delivery> delivery;
  TaskId task{};
  Judge judge;
  std::string_view result;                                 // for the answer
  int status;                                              // likewise
  std::function<void(const Delivery&, const Task&)> then;  // once it is durable, for the first delivery alone

  // Filled in by the sequencer:
  WebhookVerdict verdict = {};
  std::optional<Task> seen = std::nullopt;  // as the verdict found it
  Shown shown = {};
};

void answer_noted(const std::shared_ptr<Noting>& noting, const Decision& decision) {
  Noting& note = *noting;
  const bool is_accepted = decision.outcome == Outcome::accepted && decision.way != Decision::Way::mismatched;
  if (!is_accepted) {
    HttpResponse response;
    write_answer(response, decision, note.shown, note.status);
    return note.delivery->reply(std::move(response));
  }
  HttpResponse response = answer(note.status, decision.seq, note.result, "", note.shown);
  const bool is_first = decision.way == Decision::Way::decided;
  if (!is_first) response.headers.emplace_back("Idempotency-Replayed", "true");
  note.delivery->reply(std::move(response));
  if (is_first && note.seen) {
    note.delivery->totals.calls.fetch_add(1);
    note.then(*note.delivery, *note.seen);
  }
}

void answer_left(const Noting& note) {
  if (note.verdict.what == WebhookVerdict::What::ignore) {
    note.delivery->totals.ignored.fetch_add(1);
    return note.delivery->reply(answer(202, std::nullopt, "ignored", note.verdict.why, note.shown));
  }
  note.delivery->totals.deferred.fetch_add(1);
  note.delivery->shop.totals.advances_deferred.fetch_add(1);
  note.delivery->reply(answer(202, std::nullopt, "deferred", note.verdict.why, note.shown));
}

void propose_note(const std::shared_ptr<Noting>& noting) {
  const Delivery& delivery = *noting->delivery;
  fb::TaskNoteT event;
  event.task = raw(noting->task);
  event.text = delivery.call.what;
  Sequencer& sequencer = delivery.shop.services.sequencer;
  sequencer.submit({.group = propose_group(delivery.asker, event),
                    .resolve =
                        [noting, &sequencer](const State& state, Group&) {
                          const Task* task = state.tasks.find(noting->task);
                          if (!task || is_terminal(task->stage)) {
                            noting->verdict = {WebhookVerdict::What::ignore, "terminal"};
                            return false;
                          }
                          noting->seen = *task;
                          noting->shown.task = *task;
                          noting->verdict = noting->judge(state, *task, sequencer.now());
                          return noting->verdict.what == WebhookVerdict::What::pass_on;
                        },
                    .look = [noting](const SeenDecision& seen) { show_task(seen, noting->task, noting->shown); },
                    .done =
                        [noting](std::optional<Decision> decision) {
                          Shop& shop = noting->delivery->shop;
                          shop.workers.post([noting, decision = std::move(decision), &shop] {
                            if (!decision) return answer_left(*noting);
                            fetch_archived(shop.services.archive, noting->shown);
                            answer_noted(noting, *decision);
                          });
                        }});
}

/// The task of this delivery: that of its key, if it came before, else the one live task on that branch. None after
/// it was answered. Blocks: on a thread of its own.
std::optional<TaskId> task_of(const Delivery& delivery, const std::vector<std::string>& repos,
                              const std::string& branch) {
  Sequencer& sequencer = delivery.shop.services.sequencer;
  const TaskId before = sequencer.ask([&](const State& state) {
    const KeyRow* first = state.keys.find(delivery.call.key);
    return first ? first->task : TaskId{0};
  });
  if (before != TaskId{0}) return before;
  const Found found = find_tasks(sequencer, repos, branch);
  if (found.tasks.size() == 1) return found.tasks.front();
  if (found.tasks.empty()) {
    delivery.ignore("no live task works there");
  } else {
    delivery.ignore(branch.empty() ? "the commit is not known, and more than one task is live"
                                   : "more than one live task works on this branch");
  }
  return std::nullopt;
}

void advance_on(const Delivery& delivery, const Task& task) {
  Webhooks& webhooks = delivery.webhooks;
  if (!webhooks.under_way.begin(task.id)) return;  // What it comes too early for, the reconciler takes up.
  Asker asker = delivery.asker;
  asker.key.clear();  // It was the note's: each record of the path is decided anew.
  asker.request.reset();
  delivery.shop.services.advance(
      {.task = task.id, .version = task.version, .asker = std::move(asker)},
      [&webhooks, &shop = delivery.shop, &totals = delivery.totals, id = task.id](const AdvanceAnswer& came_to) {
        webhooks.under_way.end(id);
        if (came_to.result != AdvanceResult::deferred) return;
        totals.deferred.fetch_add(1);
        shop.totals.advances_deferred.fetch_add(1);
      });
}

void advance(const std::shared_ptr<const Delivery>& delivery, const WebhookAdvance& wanted) {
  CommitBranches& branches = delivery->webhooks.branches;
  std::string branch = wanted.branch;
  if (branch.empty()) {
    branch = branches.find(wanted.repos.front(), wanted.commit);
  } else {
    branches.learn(wanted.repos.front(), wanted.commit, branch);
  }
  const auto task = task_of(*delivery, wanted.repos, branch);
  if (!task) return;
  propose_note(std::make_shared<Noting>(Noting{.delivery = delivery,
                                               .task = *task,
                                               .judge = verdict_on_advance,
                                               .result = "advancing",
                                               .status = 202,
                                               .then = advance_on}));
}

void note(const std::shared_ptr<const Delivery>& delivery, const WebhookNote& wanted) {
  const auto task = task_of(*delivery, wanted.repos, wanted.branch);
  if (!task) return;
  propose_note(std::make_shared<Noting>(Noting{.delivery = delivery,
                                               .task = *task,
                                               .judge = verdict_on_merge,
                                               .result = "noted",
                                               .status = 200,
                                               .then = [](const Delivery&, const Task&) {}}));
}

void carry_out(std::shared_ptr<const Delivery> delivery) {
  const auto& action = delivery->call.action;
  if (const auto* ignored = std::get_if<WebhookIgnored>(&action)) return delivery->ignore(ignored->why);
  if (const auto* wanted = std::get_if<WebhookStart>(&action)) return start(*delivery, *wanted);
  if (const auto* wanted = std::get_if<WebhookStop>(&action)) return stop(delivery, *wanted);
  ThreadPool& workers = delivery->shop.workers;
  workers.post([delivery] {
    const auto& call = delivery->call.action;
    if (const auto* wanted = std::get_if<WebhookAdvance>(&call)) return advance(delivery, *wanted);
    if (const auto* wanted = std::get_if<WebhookNote>(&call)) return note(delivery, *wanted);
  });
}

WebhookHeaders headers_of(const HttpRequest& request, WebhookSource source) {
  const auto header = [&](std::string_view header_name) {
    return request.header ? request.header(header_name) : std::string_view();
  };
  if (source == WebhookSource::gitea) {
    return {.event = header("X-Gitea-Event"),
            .delivery = header("X-Gitea-Delivery"),
            .signature = header("X-Gitea-Signature")};
  }
  return {.event = header("X-Plane-Event"),
          .delivery = header("X-Plane-Delivery"),
          .signature = header("X-Plane-Signature")};
}

HttpResponse not_configured(WebhookSource source) {
  const std::string which(name(source));
  return http_error(403, "webhook_not_configured",
                    "no secret is configured for " + which + ": start pawld with --" + which + "-secret-file");
}

void receive(Call call, WebhookSource source) {
  Webhooks* webhooks = call.shop.services.webhooks;
  if (!webhooks) return call.reply(not_configured(source));
  WebhookTotals& totals = webhooks->totals(source);
  totals.received.fetch_add(1);
  const WebhookHeaders headers = headers_of(call.request, source);
  // Before anything of the body is looked at.
  switch (check_signature(source, call.request.body, headers.signature, webhooks->config)) {
    case SignatureCheck::right:
      break;
    case SignatureCheck::not_configured:
      totals.not_configured.fetch_add(1);
      return call.reply(not_configured(source));
    case SignatureCheck::missing:
      totals.bad_signatures.fetch_add(1);
      return call.reply(http_error(401, "bad_signature", "the request is not signed"));
    case SignatureCheck::wrong:
      totals.bad_signatures.fetch_add(1);
      return call.reply(http_error(401, "bad_signature",
                                   "the signature is not that of this body under the secret configured for " +
                                       std::string(name(source)) + "; the body has to be sent as application/json"));
  }
  auto parsed = parse_webhook(source, headers, call.request.body, webhooks->config);
  if (!parsed) {
    totals.malformed.fetch_add(1);
    return call.refuse(parsed.error());
  }
  // Who asks is said by the signature, not by headers that anybody on the way could add.
  const Asker asker{.boot = call.shop.services.boot_id,
                    .actor = std::string(webhook_actor),
                    .key = parsed->key,
                    .request = parsed->request};
  carry_out(std::make_shared<const Delivery>(Delivery{.shop = call.shop,
                                                      .webhooks = *webhooks,
                                                      .totals = totals,
                                                      .call = std::move(*parsed),
                                                      .asker = asker,
                                                      .reply = std::move(call.reply)}));
}

}  // namespace

void append_webhooks(std::string& out, const Webhooks* webhooks) {
  const auto append = [&](WebhookSource source, bool is_configured, const WebhookTotals& totals) {
    out += out.back() == '{' ? "" : ",";
    append_json_text(out, name(source));
    out += R"(:{"configured":)";
    append_json_bool(out, is_configured);
    for (const auto& [member, total] :
         {std::pair{"received", &totals.received}, std::pair{"calls", &totals.calls},
          std::pair{"deferred", &totals.deferred}, std::pair{"ignored", &totals.ignored},
          std::pair{"malformed", &totals.malformed}, std::pair{"bad_signatures", &totals.bad_signatures},
          std::pair{"not_configured", &totals.not_configured}}) {
      out += ',';
      append_json_text(out, member);
      out += ':';
      append_json_integer(out, total->load());
    }
    out += '}';
  };
  if (!webhooks) {
    out += "null";
    return;
  }
  out += '{';
  append(WebhookSource::gitea, webhooks->config.gitea_secret.has_value(), webhooks->of_gitea);
  append(WebhookSource::plane, webhooks->config.plane_secret.has_value(), webhooks->of_plane);
  out += '}';
}

void webhooks_gitea(Call call) {
  receive(std::move(call), WebhookSource::gitea);
}

void webhooks_plane(Call call) {
  receive(std::move(call), WebhookSource::plane);
}

}  // namespace pawl
