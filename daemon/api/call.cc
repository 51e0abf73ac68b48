#include "daemon/api/call.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <utility>

#include "schema/json/record_json.h"

namespace pawl {

void Call::refuse(const Error& error) const {
  reply(http_error(400, "malformed", error.message));
}

void run(Call call) {
  auto query = RequestQuery::read(call.request.query, call.route);
  if (!query) return call.refuse(query.error());
  auto body = RequestBody::read(call.request.body, call.route);
  if (!body) return call.refuse(body.error());
  call.query = std::move(*query);
  call.body = std::move(*body);
  call.route.function(std::move(call));
}

std::optional<Proposal> propose_asked(Call& call, fb::Event type, std::string_view id_field) {
  boost::json::object& fields = call.body.event_fields();
  if (!id_field.empty()) fields.emplace(boost::json::string_view(id_field.data(), id_field.size()), call.id);
  auto proposal = proposal_from_json(call.asker, type, fields, Reading::asked);
  if (proposal) return std::move(*proposal);
  call.refuse(proposal.error());
  return std::nullopt;
}

void write(Shop& shop, Writing writing, HttpReply reply) {
  struct Answering {
    HttpReply reply;
    Look look;
    Shown shown;
    int status_accepted;
    std::function<int(const Shown&)> status;
    std::function<void()> nothing;
    std::function<void(Decision&, const Shown&)> amend;
    std::shared_ptr<void> keep;
  };
  const auto answering = std::make_shared<Answering>(Answering{.reply = std::move(reply),
                                                               .look = std::move(writing.look),
                                                               .shown = {},
                                                               .status_accepted = writing.status_accepted,
                                                               .status = std::move(writing.status),
                                                               .nothing = std::move(writing.nothing),
                                                               .amend = std::move(writing.amend),
                                                               .keep = std::move(writing.keep)});
  shop.services.sequencer.submit(
      {.group = std::move(writing.group),
       .resolve = std::move(writing.resolve),
       .look = [answering](const SeenDecision& seen) { answering->look(seen, answering->shown); },
       .done =
           [answering, &shop](std::optional<Decision> decision) {
             answering->keep.reset();
             if (!decision) return answering->nothing();
             auto answer = [answering, decision = std::move(*decision)]() mutable {
               if (answering->amend) answering->amend(decision, answering->shown);
               const int status = answering->status ? answering->status(answering->shown) : answering->status_accepted;
               HttpResponse response;
               response.status = status;
               // Rows become JSON on the connection's thread, not on the one that makes records durable.
               response.format = [answering, decision, status](HttpResponse& out) {
                 write_answer(out, decision, answering->shown, status);
               };
               answering->reply(std::move(response));
             };
             const Shown& shown = answering->shown;
             if (shown.archived_task || shown.archived_job) {
               return shop.workers.post([answering, answer, &shop]() mutable {
                 fetch_archived(shop.services.archive, answering->shown);
                 answer();
               });
             }
             answer();
           }});
}

void read_json(const Call& call, std::function<void(const State&, std::string&)> look) {
  const auto body = std::make_shared<std::string>();
  call.sequencer().read(
      [body, look = std::move(look)](const State& state) {
        body->clear();
        look(state, *body);
      },
      [body, reply = call.reply] {
        HttpResponse response;
        response.body = std::move(*body);
        reply(std::move(response));
      });
}

}  // namespace pawl
