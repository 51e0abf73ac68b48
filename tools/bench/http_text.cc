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

}  // namespace

void append_request(std::string& out, const HttpTexts& texts, const Op& op, std::uint64_t serial) {
  const Parts parts = parts_of(texts, op);
  out += parts.method;
  out += ' ';
  out += texts.prefix;
  out += parts.path;
  out += " HTTP/1.1\r\nHost: ";
  out += texts.host;
  if (!texts.token.empty()) {
    out += "\r\nAuthorization: Bearer ";
    out += texts.token;
  }
  out += "\r\nPawl-Boot: ";
  out += texts.boot;
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

Result<std::optional<TakenAnswer>> take_answer(std::string_view bytes, const Op& op) {
  const std::size_t head = bytes.find(head_end);
  if (head == std::string_view::npos) return std::optional<TakenAnswer>();
  const std::string_view lines = bytes.substr(0, head + 2);
  const std::uint64_t status = lines.starts_with(version) ? number_after(lines, version) : 0;
  if (status < 200 || status > 599) {
    return Error{ErrorCode::malformed, "the answer to '" + std::string(name(op.verb)) + "' is not from pawld"};
  }
  const std::size_t length = number_after(lines, "\r\nContent-Length: ");
  const std::size_t total = head + head_end.size() + length;
  if (bytes.size() < total) return std::optional<TakenAnswer>();

  const std::string_view body = bytes.substr(head + head_end.size(), length);
  TakenAnswer out{.reply = {}, .bytes = total};
  Reply& reply = out.reply;
  if (status == 204) {
    reply.kind = Reply::Kind::empty;
  } else if (status >= 300) {
    constexpr std::string_view before = R"("code":")";
    const std::size_t code = body.find(before);
    const std::string_view rest = code == std::string_view::npos ? "" : body.substr(code + before.size());
    reply.code = code == std::string_view::npos ? "HTTP status " + std::to_string(status)
                                                : std::string(rest.substr(0, rest.find('"')));
    reply.kind = is_lost_race(reply.code) ? Reply::Kind::lost : Reply::Kind::failed;
  } else if (op.verb == Verb::submit) {
    reply.id = number_after(body, R"("task":{"id":)");
  } else if (op.verb == Verb::acquire) {
    reply.token = number_after(body, R"("token":)");
  } else if (op.verb == Verb::claim) {
    reply.id = number_after(body, R"("job":{"id":)");
    reply.attempt = number_after(body, R"("attempts":)");
  }
  return std::optional(std::move(out));
}

}  // namespace pawl::bench
