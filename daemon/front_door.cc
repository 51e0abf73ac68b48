#include "daemon/front_door.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "daemon/api/route_table.h"
#include "daemon/api/starting.h"
#include "daemon/version.h"
#include "store/commit/sequencer.h"

namespace pawl {

Result<void> FrontDoor::open(const Options& options, const Access& access, std::size_t connections_max,
                             FrontBooks books, std::function<bool()> may_make_socket) {
  server_ = PAWL_TRY(Server::open({.listen = options.listen,
                                   .socket = options.socket,
                                   .asks_for_tokens = options.tokens.has_value(),
                                   .connections_max = connections_max,
                                   .who_asks =
                                       [&access](const HttpRequest& request) {
                                         Permit permit = access.permit_of(request);
                                         return Visitor{.principal = std::move(permit.principal),
                                                        .is_operator = permit.role == Role::operate,
                                                        .is_rated = !permit.holder.empty()};
                                       },
                                   .share_book = std::move(books.shares),
                                   .figures = std::move(books.figures),
                                   .body_bytes_max = delivery_read_bytes_max,
                                   .body_bytes_max_of = body_bytes_max,
                                   .body_was_too_long =
                                       [this](std::string_view path) {
                                         if (Api* const api = api_.load()) api->body_was_too_long(path);
                                       },
                                   .end_of_turn =
                                       [this] {
                                         if (Api* const api = api_.load()) api->serve();
                                       },
                                   .may_make_socket = std::move(may_make_socket),
                                   .warn = [](const std::string& message) { spdlog::warn("{}", message); }},
                                  [this](const HttpRequest& request, HttpReply reply) {
                                    const Sequencer::ServesSoon at_the_end_of_the_turn;
                                    if (Api* const api = api_.load()) return api->handle(request, std::move(reply));
                                    reply(starting_answer(request, program_version));
                                  }));
  is_bound_.store(true);
  return {};
}

void FrontDoor::open_early() {
  if (!is_bound_.load() || is_open_) return;
  spdlog::info("the log is still being replayed; /healthz already answers");
  begin();
}

void FrontDoor::leave_early() {
  if (is_bound_.load()) server_->stop();
}

void FrontDoor::serve(Api& api, const Options& options) {
  api_.store(&api);
  if (!is_open_) begin();
  if (server_->socket()) spdlog::info("serving on {}", server_->socket()->string());
  if (options.listen) spdlog::info("serving on {} port {}", options.listen->host, server_->port());
}

void FrontDoor::begin() {
  server_->start();
  is_open_ = true;
}

}  // namespace pawl
