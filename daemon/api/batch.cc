// POST /v1/batch: many requests in one, answered together. What can be decided together is also made durable together,
// with one sync for all of them.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/batch_request.h"
#include "daemon/api/call.h"
#include "daemon/http/request_head.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"
#include "store/os/mutex.h"

namespace pawl {
namespace {

HttpResponse not_in_batch(const Call& call, std::string_view why) {
  return http_error(400, "not_in_batch",
                    std::string(call.route.method) + " " + std::string(call.route.path) +
                        " cannot be in a batch: " + std::string(why));
}

/// The refusal of a call that must not be in a batch, or nothing. Requires: read().
std::optional<HttpResponse> refuse_in_batch(const Call& call) {
  if (call.route.in_batch == InBatch::no) {
    return not_in_batch(call,
                        "batches are for calls that change or show one object, and that no one has to wait for. Send "
                        "it alone");
  }
  for (const Field& field : call.route.body) {
    if (field.name != "wait_s" || call.body.integer(field.name) == 0) continue;
    return not_in_batch(call,
                        "with \"wait_s\" it waits, and all others would wait with it. Send it alone, or leave it out");
  }
  return std::nullopt;
}

bool is_by_itself(const Call& call) {
  if (call.route.in_batch == InBatch::by_itself) return true;
  if (call.route.by_itself_with.empty()) return false;
  const std::string_view field = call.route.by_itself_with;
  const boost::json::value* value = call.body.fields().if_contains({field.data(), field.size()});
  return value && !value->is_null();
}

void append_answer(std::string& out, HttpResponse& answer) {
  if (answer.format) answer.format(answer);
  out += '{';
  append_json_member(out, "status", static_cast<std::int64_t>(answer.status));
  append_json_member(out, "headers");
  for (std::size_t i = 0; i < answer.headers.size(); ++i) {
    out += i == 0 ? '{' : ',';
    append_json_text(out, answer.headers[i].first);
    out += ':';
    append_json_text(out, answer.headers[i].second);
  }
  out += answer.headers.empty() ? "null" : "}";
  append_json_member(out, "body");
  out += answer.body.empty() ? "null" : answer.body;
  out += '}';
}

/// A batch that is being carried out. Lives as long as something of it is under way.
class BatchRun : public std::enable_shared_from_this<BatchRun> {
 public:
  BatchRun(const Call& call, std::vector<BatchedRequest> requests)
      : context_(call.context), permit_(*call.permit), reply_(call.reply) {
    items_.reserve(requests.size());
    for (BatchedRequest& sent : requests) items_.push_back({.sent = std::move(sent)});
    for (Item& item : items_) item.request = request_of(item.sent, call.request);
  }

  /// On a thread that may not block, and serves what is submitted.
  void begin() {
    // What a narrow token may do is looked up on a thread that may block.
    if (permit_.scope) return run_elsewhere();
    run();
  }

 private:
  struct Item {
    BatchedRequest sent;
    HttpRequest request = {};  // views into `sent`
    HttpResponse answer = {};
  };
  /// A call whose turn has not come: what is before it has not been answered.
  struct Held {
    std::size_t item;
    Call call;
  };

  static HttpRequest request_of(const BatchedRequest& sent, const HttpRequest& batch) {
    const RequestTarget target = *parse_target(sent.target);
    return {.method = sent.method,
            .path = target.path,
            .query = target.query,
            .actor = sent.actor,
            .boot = sent.boot,
            .idempotency_key = sent.idempotency_key,
            .accept = {},
            .last_event_id = {},
            .body = sent.body,
            .authorization = {},
            .transport = batch.transport,
            .peer_uid = batch.peer_uid,
            .gone = batch.gone};
  }

  /// Checks a request as if it had come alone, except for a narrow token's limits. None if that refused it.
  std::optional<Call> call_of(const Item& item, HttpReply reply) {
    auto call = admitted(context_, item.request, permit_, std::move(reply));
    if (!call || !read(*call)) return std::nullopt;
    if (auto refused = refuse_in_batch(*call)) {
      call->reply(*std::move(refused));
      return std::nullopt;
    }
    return call;
  }

  HttpReply answer_to(std::size_t item) {
    return [self = shared_from_this(), item](HttpResponse answer) {
      self->items_[item].answer = std::move(answer);
      self->leave();
    };
  }

  void run_elsewhere() {
    context_.workers.post([self = shared_from_this()] {
      {
        const Sequencer::ServesSoon all_at_once;
        if (!std::exchange(self->is_looked_up_, true)) self->look_up();
        self->run();
      }
      self->context_.services.sequencer.serve();
    });
  }

  /// Has it remembered what the limits depend on. Looking later, between two writes, would cost a sync each time.
  void look_up() {
    if (!permit_.scope) return;
    for (const Item& item : items_) {
      const auto call = call_of(item, [](auto&&) {});
      if (call && is_limited(*call)) (void)refuse_narrow(*call);
    }
  }

  /// Carries out what may be carried out now. On one thread at a time.
  void run() {
    while (auto next = take_next()) {
      const bool is_alone = is_by_itself(next->call);
      if (is_alone && others_are_open()) {
        // Without the reply, which keeps this alive.
        next->call.reply = nullptr;
        held_.emplace(std::move(*next));
        leave();
        break;
      }
      carry_out(std::move(next->call));
      if (is_alone && is_under_way()) break;
    }
    leave();
  }

  static void carry_out(Call call) {
    if (is_limited(call)) {
      if (auto refused = refuse_narrow(call)) return call.reply(*std::move(refused));
    }
    pawl::carry_out(std::move(call));
  }

  std::optional<Held> take_next() {
    if (held_) {
      enter();
      std::optional<Held> held(std::move(*held_));
      held_.reset();
      held->call.reply = answer_to(held->item);
      return held;
    }
    while (next_ < items_.size()) {
      const std::size_t item = next_++;
      enter();
      if (auto call = call_of(items_[item], answer_to(item))) return Held{.item = item, .call = *std::move(call)};
    }
    return std::nullopt;
  }

  void enter() {
    const MutexLock lock(mutex_);
    ++open_;
  }
  /// Besides run() and the call in its hands.
  bool others_are_open() {
    const MutexLock lock(mutex_);
    return open_ > 2;
  }
  /// Besides run().
  bool is_under_way() {
    const MutexLock lock(mutex_);
    return open_ > 1;
  }
  void leave() {
    {
      const MutexLock lock(mutex_);
      if (--open_ > 0) return;
      open_ = 1;  // for run()
    }
    if (held_ || next_ < items_.size()) return run_elsewhere();
    finish();
  }

  void finish() {
    HttpResponse response;
    response.undelivered = undelivered();
    response.format = [self = shared_from_this()](HttpResponse& out) {
      out.body = R"({"items":[)";
      for (Item& item : self->items_) {
        if (&item != self->items_.data()) out.body += ',';
        append_answer(out.body, item.answer);
        item.answer = {};
      }
      out.body += "]}";
    };
    std::exchange(reply_, nullptr)(std::move(response));
  }

  std::function<void()> undelivered() {
    std::vector<std::function<void()>> each;
    for (Item& item : items_) {
      if (item.answer.undelivered) each.push_back(std::move(item.answer.undelivered));
    }
    if (each.empty()) return nullptr;
    return [each = std::move(each)] {
      for (const auto& tell : each) tell();
    };
  }

  RouteContext& context_;
  const Permit permit_;
  HttpReply reply_;
  std::vector<Item> items_;
  // The thread's that is in run(); each hands them to the next through the mutex.
  std::size_t next_ = 0;
  std::optional<Held> held_;
  bool is_looked_up_ = false;
  Mutex mutex_;
  /// What has not been answered, and run() itself: the thread that ends the last of them goes on.
  std::size_t open_ PAWL_GUARDED_BY(mutex_) = 1;
};

}  // namespace

void batch_post(Call call) {
  auto requests = read_batch(call.request);
  if (!requests) return call.refuse(requests.error());
  // It was counted as one already.
  const std::size_t more = requests->size() - 1;
  if (more > 0 && call.request.takes_more && !call.request.takes_more(more)) {
    HttpResponse response = http_error(429, "too_many_requests",
                                       "this token sends too many requests per second: a batch counts as many as it "
                                       "has, and nothing of this one was done");
    response.headers.emplace_back("Retry-After", "1");
    return call.reply(std::move(response));
  }
  std::make_shared<BatchRun>(call, *std::move(requests))->begin();
}

}  // namespace pawl
