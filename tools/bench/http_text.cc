#include "tools/bench/http_text.h"

#include <charconv>

#include "schema/json/json_text.h"

namespace pawl::bench {
namespace {

/// The number after the first occurrence of `before`; 0 if there is none.
std::uint64_t number_after(std::string_view text, std::string_view before) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return 0;
  std::uint64_t number = 0;
  const char* begin = text.data() + at + before.size();
  std::from_chars(begin, text.data() + text.size(), number);
  return number;
}

void append_owner(std::string& out, const HttpTexts& texts, std::size_t actor) {
  out += R"("owner":{"boot_id":")" + texts.boot + R"(","pid":)" + std::to_string(texts.pid) + R"(,"actor":")" +
         texts.actor + std::to_string(actor + 1) + R"("})";
}

struct Parts {
  std::string_view method = "POST";
  std::string path;
  std::string body = {};
};

Parts parts_of(const HttpTexts& texts, const Op& op) {
  const std::string task = "/v1/tasks/" + std::to_string(op.task);
  const std::string job = "/v1/jobs/" + std::to_string(op.job);
  Parts out;
  std::string& body = out.body;
  switch (op.verb) {
    case Verb::submit:
      out.path = "/v1/tasks";
      body = R"({"work_item":"bench-)" + texts.run + "-" + std::to_string(op.number) + R"(","repo":")" +
             repo_name(op.actor) + R"(","pipeline":")" + std::string(pipeline_name) + R"("})";
      break;
    case Verb::acquire:
    case Verb::renew:
      out.path = "/v1/leases";
      body = op.task == 0 ? R"({"key":"bench-)" + texts.run + "-" + std::to_string(op.actor)
                          : R"({"key":"task:)" + std::to_string(op.task);
      body += R"(","ttl_s":60,)";
      append_owner(body, texts, op.actor);
      if (op.verb == Verb::renew) body += R"(,"token":)" + std::to_string(op.token);
      body += '}';
      break;
    case Verb::transition:
      out.path = task + "/transition";
      body = R"({"to":")" + stage_name(op.version + 1) + R"(","expected_version":)" + std::to_string(op.version) +
             R"(,"token":)" + std::to_string(op.token) + "}";
      break;
    case Verb::release:
      out.method = "DELETE";
      out.path = op.task == 0 ? "/v1/leases/bench-" + texts.run + "-" + std::to_string(op.actor)
                              : "/v1/leases/task%3A" + std::to_string(op.task);
      out.path += "?token=" + std::to_string(op.token);
      break;
    case Verb::claim:
      out.path = "/v1/jobs/claim";
      body = R"({"agents":[")" + std::string(agent_name) + R"("],"ttl_s":60,)";
      append_owner(body, texts, op.actor);
      body += '}';
      break;
    case Verb::exited:
      out.path = job + "/exited";
      body = R"({"exit_code":1,"attempt":)" + std::to_string(op.attempt) + "}";
      break;
    case Verb::cancel:
      out.path = task + "/cancel";
      break;
    case Verb::note:
      out.path = task + "/note";
      body = R"({"text":"a note of pawl bench"})";
      break;
    case Verb::task:
      out.method = "GET";
      out.path = task;
      break;
    case Verb::queue:
      out.method = "GET";
      out.path = "/queue";
      break;
  }
  return out;
}

constexpr std::string_view head_end = "\r\n\r\n";
constexpr std::string_view version = "HTTP/1.1 ";

/// The lines that all requests have, up to the one that names the boot.
void append_head(std::string& out, const HttpTexts& texts, std::string_view method, std::string_view path) {
  out += method;
  out += ' ';
  out += texts.prefix;
  out += path;
  out += " HTTP/1.1\r\nHost: ";
  out += texts.host;
  if (!texts.token.empty()) {
    out += "\r\nAuthorization: Bearer ";
    out += texts.token;
  }
  out += "\r\nPawl-Boot: ";
  out += texts.boot;
}

/// A whole message: its status and its body.
struct Message {
  std::uint64_t status = 0;
  std::string_view body;
  std::size_t bytes = 0;
};

Result<std::optional<Message>> take_message(std::string_view bytes, std::string_view to_what) {
  const std::size_t head = bytes.find(head_end);
  if (head == std::string_view::npos) return std::optional<Message>();
  const std::string_view lines = bytes.substr(0, head + 2);
  const std::uint64_t status = lines.starts_with(version) ? number_after(lines, version) : 0;
  if (status < 200 || status > 599) {
    return Error{ErrorCode::malformed, "the answer to '" + std::string(to_what) + "' is not from pawld"};
  }
  const std::size_t length = number_after(lines, "\r\nContent-Length: ");
  const std::size_t total = head + head_end.size() + length;
  if (bytes.size() < total) return std::optional<Message>();
  return std::optional(Message{.status = status, .body = bytes.substr(head + head_end.size(), length), .bytes = total});
}

Reply reply_of(std::uint64_t status, std::string_view body, Verb verb) {
  Reply reply;
  if (status == 204) {
    reply.kind = Reply::Kind::empty;
  } else if (status >= 300) {
    constexpr std::string_view before = R"("code":")";
    const std::size_t code = body.find(before);
    const std::string_view rest = code == std::string_view::npos ? "" : body.substr(code + before.size());
    reply.code = code == std::string_view::npos ? "HTTP status " + std::to_string(status)
                                                : std::string(rest.substr(0, rest.find('"')));
    reply.kind = is_lost_race(reply.code) ? Reply::Kind::lost : Reply::Kind::failed;
  } else if (verb == Verb::submit) {
    reply.id = number_after(body, R"("task":{"id":)");
  } else if (verb == Verb::acquire) {
    reply.token = number_after(body, R"("token":)");
  } else if (verb == Verb::claim) {
    reply.id = number_after(body, R"("job":{"id":)");
    reply.attempt = number_after(body, R"("attempts":)");
  }
  return reply;
}

}  // namespace

void append_request(std::string& out, const HttpTexts& texts, const Op& op, std::uint64_t serial) {
  const Parts parts = parts_of(texts, op);
  append_head(out, texts, parts.method, parts.path);
  out += "\r\nPawl-Actor: ";
  out += texts.actor;
  out += std::to_string(op.actor + 1);
  const bool writes = parts.method != "GET";
  if (texts.keys && writes) {
    out += "\r\nIdempotency-Key: ";
    out += texts.run;
    out += '-';
    out += std::to_string(serial);
  }
  if (!parts.body.empty()) {
    out += "\r\nContent-Type: application/json";
  }
  if (writes) {
    out += "\r\nContent-Length: ";
    out += std::to_string(parts.body.size());
  }
  out += head_end;
  out += parts.body;
}

void append_batch(std::string& out, const HttpTexts& texts, std::span<const Op> ops, std::uint64_t serial) {
  std::string body = R"({"requests":[)";
  for (const Op& op : ops) {
    const Parts parts = parts_of(texts, op);
    if (&op != ops.data()) body += ',';
    body += R"({"method":")";
    body += parts.method;
    body += R"(","path":")";
    body += parts.path;
    body += R"(","headers":{"Pawl-Actor":")";
    body += texts.actor;
    body += std::to_string(op.actor + 1);
    if (texts.keys && parts.method != "GET") {
      body += R"(","Idempotency-Key":")";
      body += texts.run;
      body += '-';
      body += std::to_string(serial++);
    }
    body += R"("},"body":)";
    body += parts.body.empty() ? "null" : parts.body;
    body += '}';
  }
  body += "]}";
  append_head(out, texts, "POST", "/v1/batch");
  out += "\r\nContent-Type: application/json\r\nContent-Length: ";
  out += std::to_string(body.size());
  out += head_end;
  out += body;
}

Result<std::optional<TakenAnswer>> take_answer(std::string_view bytes, const Op& op) {
  const auto message = PAWL_TRY(take_message(bytes, name(op.verb)));
  if (!message) return std::optional<TakenAnswer>();
  return std::optional(
      TakenAnswer{.reply = reply_of(message->status, message->body, op.verb), .bytes = message->bytes});
}

Result<std::optional<TakenBatch>> take_batch(std::string_view bytes, std::span<const Op> ops) {
  const auto message = PAWL_TRY(take_message(bytes, "batch"));
  if (!message) return std::optional<TakenBatch>();
  TakenBatch out{.replies = {}, .bytes = message->bytes};
  if (message->status != 200) {
    for (const Op& op : ops) out.replies.push_back(reply_of(message->status, message->body, op.verb));
    return std::optional(std::move(out));
  }
  // Quotes within texts are escaped, and no object of pawl begins so.
  constexpr std::string_view begin = R"({"status":)";
  std::size_t at = message->body.find(begin);
  for (const Op& op : ops) {
    if (at == std::string_view::npos) return Error{ErrorCode::malformed, "the answer to a batch has too few items"};
    const std::size_t next = message->body.find(begin, at + begin.size());
    const std::string_view item = message->body.substr(at, next == std::string_view::npos ? next : next - at);
    out.replies.push_back(reply_of(number_after(item, begin), item, op.verb));
    at = next;
  }
  return std::optional(std::move(out));
}

}  // namespace pawl::bench
