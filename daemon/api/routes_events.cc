// The log as a stream: JSON lines for clients that poll, Server-Sent Events for clients that stay connected.
#include <charconv>
#include <utility>

#include "daemon/api/call.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"

namespace pawl {
namespace {

/// The largest `after`: the seq that follows it must still fit.
constexpr std::uint64_t seq_max = INT64_MAX - 1;
constexpr std::size_t bytes_per_answer_max = 4 * 1024 * 1024;
constexpr std::int64_t records_per_event_piece = 100;
/// Records per read, including those hidden from the client.
constexpr std::int64_t looked_at_max = 10'000;
/// An idle stream sends a heartbeat, so that proxies and clients keep the connection.
constexpr std::chrono::seconds heartbeat{15};

struct Lines {
  std::string text;
  std::uint64_t last = 0;  // seq of the last record looked at; at first, the requested `after`
  /// Where the log goes on, if a restore left out the requested seq.
  std::optional<std::uint64_t> goes_on_at = std::nullopt;
};

enum class StreamForm { json_lines, server_sent };

/// The records after `after`, up to one answer's worth. Blocks on reading the log. `narrow`: the client's limits; null:
/// show all. More records may follow even if none of these is shown.
Result<Lines> read_lines(RouteContext& context, const Narrow* narrow, std::uint64_t after, std::int64_t count_max,
                         StreamForm form) {
  Lines lines{.text = {}, .last = after};
  std::int64_t count = 0;
  std::int64_t seen = 0;
  // Whether the client may see it.
  const auto look_at = [&](const fb::Record& record) {
    lines.last = record.stamp()->seq();
    ++seen;
    return !narrow || narrow->has(record);
  };
  const auto take = [&](const RecordLine& line) {
    if (form == StreamForm::server_sent) lines.text += "id: " + std::to_string(lines.last) + "\ndata: ";
    lines.text += line.json();
    lines.text += form == StreamForm::server_sent ? "\n\n" : "\n";
    ++count;
  };
  const auto has_room = [&] {
    return count < count_max && seen < looked_at_max && lines.text.size() < bytes_per_answer_max;
  };
  // First the records that other followers have just read.
  while (const auto line = context.lines.find(Seq{lines.last + 1})) {
    if (look_at(line->record())) take(*line);
    if (!has_room()) return lines;
  }
  if (seen > 0 && lines.last >= raw(context.services.sequencer.durable_seq())) return lines;

  std::optional<Error> damage;
  PAWL_TRY(context.services.journal.read(Seq{lines.last + 1}, [&](RecordBytes bytes) {
    const auto record = view_record(bytes);
    if (!record) {
      damage = record.error();
      return false;
    }
    const std::uint64_t seq = (*record)->stamp()->seq();
    const auto* restored = (*record)->event_as_LogRestored();
    if (seen == 0 && restored && seq_after(Seq{restored->from()}, **record) == Seq{seq} && restored->from() < after &&
        after + 1 < seq) {
      lines.goes_on_at = seq;
      return false;
    }
    if (look_at(**record)) take(*context.lines.add(bytes));
    return has_room();
  }));
  if (damage) return *damage;
  return lines;
}

HttpResponse gone(std::uint64_t after, std::uint64_t next) {
  const std::string goes_on = std::to_string(next);
  HttpResponse response =
      http_error(410, "gone",
                 "record " + std::to_string(after) +
                     " is not in this log, which was restored from a backup: the log goes on at record " + goes_on +
                     ", and the records in between are lost");
  response.body.insert(response.body.size() - 2, ",\"next\":" + goes_on);
  return response;
}

struct Asked {
  RouteContext& context;
  std::shared_ptr<const Narrow> narrow;  // null: nothing is hidden from the client
  std::uint64_t after;
  std::int64_t count_max;
  LongPolls::Time deadline;
  std::shared_ptr<const std::atomic<bool>> gone;
  std::function<void(HttpResponse)> waits;
  HttpReply reply;
};

HttpResponse answer_of(Lines lines) {
  HttpResponse response{.content_type = "application/x-ndjson", .body = std::move(lines.text)};
  response.headers.emplace_back("Pawl-Next", std::to_string(lines.last));
  return response;
}

void answer_lines(std::shared_ptr<Asked> asked, LongPolls::Wake wake) {
  if (asked->gone && asked->gone->load()) return;
  RouteContext& context = asked->context;
  const auto look = [asked, wake, &context] {
    const LongPolls::Turn seen = context.record_waits.turn();
    const auto lines = read_lines(context, asked->narrow.get(), asked->after, asked->count_max, StreamForm::json_lines);
    if (!lines) return asked->reply(http_error(500, "io", lines.error().message));
    if (lines->goes_on_at) return asked->reply(gone(asked->after, *lines->goes_on_at));
    const bool is_over = wake != LongPolls::Wake::again || std::chrono::steady_clock::now() >= asked->deadline;
    // The client may see none of these records: look on, to the end of the log. An answer without a record means that
    // there is none.
    const bool has_more = lines->last > std::exchange(asked->after, lines->last);
    if (lines->text.empty() && has_more && wake != LongPolls::Wake::stopped) return answer_lines(asked, wake);
    if (lines->text.empty() && !is_over) {
      if (asked->waits) asked->waits(answer_of(*lines));
      return context.record_waits.wait(
          {.seen = seen, .deadline = asked->deadline, .gone = asked->gone, .wake = [asked](LongPolls::Wake why, auto) {
             answer_lines(asked, why);
           }});
    }
    asked->reply(answer_of(*lines));
  };
  // At shutdown the workers accept nothing new, and this thread may block just as well.
  if (wake == LongPolls::Wake::stopped) return look();
  context.workers.post(look);
}

/// One client's stream. It holds one piece in memory, however far behind the client is.
class RecordStream final : public HttpStream, public std::enable_shared_from_this<RecordStream> {
 public:
  RecordStream(RouteContext& context, std::shared_ptr<const Narrow> narrow, std::uint64_t after)
      : context_(context), narrow_(std::move(narrow)), after_(after) {}

  void next(std::function<void(std::optional<std::string>)> done) override {
    context_.workers.post([weak = weak_from_this(), done = std::move(done)] {
      if (const auto self = weak.lock()) self->look(done);
    });
  }

 private:
  void look(const std::function<void(std::optional<std::string>)>& done) {
    const LongPolls::Turn seen = context_.record_waits.turn();
    auto lines = read_lines(context_, narrow_.get(), after_, records_per_event_piece, StreamForm::server_sent);
    if (!lines) return done(std::nullopt);
    const bool has_more = lines->last > std::exchange(after_, lines->last);
    if (!lines->text.empty()) return say(done, std::move(lines->text));
    // A record that the client may not see does not count as sent: the heartbeat stays due.
    const auto deadline = said_ + heartbeat;
    if (std::chrono::steady_clock::now() >= deadline) return say(done, ":\n\n");
    if (has_more) return next(done);
    context_.record_waits.wait(
        {.seen = seen, .deadline = deadline, .wake = [weak = weak_from_this(), done](LongPolls::Wake why, auto) {
           const auto self = weak.lock();
           if (!self) return;
           if (why == LongPolls::Wake::deadline) return self->say(done, ":\n\n");
           if (why == LongPolls::Wake::stopped) return done(std::nullopt);
           self->next(done);
         }});
  }

  void say(const std::function<void(std::optional<std::string>)>& done, std::string piece) {
    said_ = std::chrono::steady_clock::now();
    done(std::move(piece));
  }

  RouteContext& context_;
  std::shared_ptr<const Narrow> narrow_;
  std::uint64_t after_;
  std::chrono::steady_clock::time_point said_ = std::chrono::steady_clock::now();
};

}  // namespace

void head_get(Call call) {
  const Seq seq = call.past ? call.upto() : call.sequencer().durable_seq();
  call.work([&context = call.context, seq, reply = call.reply](StateReader&) {
    HttpResponse response;
    Result<void> viewed;
    const auto read = context.services.journal.read(seq, [&](RecordBytes bytes) {
      const auto record = view_record(bytes);
      record ? append_head_json(response.body, **record) : void(viewed = record.error());
      return false;
    });
    if (!read) return reply(http_error(500, "io", read.error().message));
    if (!viewed) return reply(http_error(500, "io", viewed.error().message));
    reply(std::move(response));
  });
}

void events_get(Call call) {
  const auto after = static_cast<std::uint64_t>(call.query.number("after"));
  if (call.request.accept.find("text/event-stream") != std::string_view::npos) {
    std::uint64_t from = after;
    if (!call.request.last_event_id.empty()) {
      const auto seen = id_of(call.request.last_event_id);
      if (!seen || *seen > seq_max) return call.refuse({ErrorCode::malformed, "header Last-Event-ID must be a seq"});
      from = *seen;
    }
    // Takes a place now: many streams waiting for their first piece must not block others.
    if (call.request.waits) call.request.waits({.content_type = "text/event-stream", .body = {}});
    return call.context.workers.post(
        [&context = call.context, narrow = std::move(call.narrow), from, reply = std::move(call.reply)] {
          const auto lines = read_lines(context, nullptr, from, 1, StreamForm::server_sent);
          if (lines && lines->goes_on_at) return reply(gone(from, *lines->goes_on_at));
          HttpResponse response{.content_type = "text/event-stream", .body = {}};
          response.headers.emplace_back("Cache-Control", "no-cache");
          response.stream = std::make_shared<RecordStream>(context, narrow, from);
          reply(std::move(response));
        });
  }
  const bool may_wait = call.query.number("wait_s") > 0;
  if (may_wait && call.request.waits) call.request.waits(answer_of({.text = {}, .last = after}));
  answer_lines(std::make_shared<Asked>(Asked{
                   .context = call.context,
                   .narrow = std::move(call.narrow),
                   .after = after,
                   .count_max = call.query.number("limit"),
                   .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(call.query.number("wait_s")),
                   .gone = call.request.gone,
                   .waits = call.request.waits,
                   .reply = std::move(call.reply)}),
               LongPolls::Wake::again);
}

}  // namespace pawl
