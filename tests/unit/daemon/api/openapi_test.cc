// GET /openapi.json: complete, consistent, and true of what the routes take and answer.
#include "daemon/api/openapi.h"

#include <boost/json/array.hpp>

#include <functional>
#include <set>

#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string_view text(const json::value& value) {
  return {value.get_string().data(), value.get_string().size()};
}

std::string in_query(std::string_view value) {
  std::string out;
  for (const char c : value) out += c == ' ' ? "%20" : c == '>' ? "%3E" : std::string(1, c);
  return out;
}

/// What is wrong with a value by a schema of the document; empty if nothing is. Knows what the document uses.
class SchemaCheck {
 public:
  explicit SchemaCheck(const json::object& document) : document_(document) {}

  std::string problem(const json::value& value, const json::object& schema, const std::string& at = "") const {
    if (const json::value* ref = schema.if_contains("$ref")) return problem(value, resolved(text(*ref)), at);
    if (const json::value* any = schema.if_contains("anyOf")) {
      std::string first;
      for (const json::value& each : any->get_array()) {
        const std::string found = problem(value, each.get_object(), at);
        if (found.empty()) return "";
        if (first.empty()) first = found;
      }
      return first;
    }
    if (const json::value* all = schema.if_contains("allOf")) {
      for (const json::value& each : all->get_array()) {
        if (auto found = problem(value, each.get_object(), at); !found.empty()) return found;
      }
    }
    if (const json::value* type = schema.if_contains("type"); type && !is_of(value, *type)) {
      return at + ": " + json::serialize(value) + " is not of type " + json::serialize(*type);
    }
    if (const json::value* words = schema.if_contains("enum")) {
      const auto& allowed = words->get_array();
      if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
        return at + ": " + json::serialize(value) + " is not one of " + json::serialize(*words);
      }
    }
    if (value.is_object()) return problem_of(value.get_object(), schema, at);
    if (!value.is_array() || !schema.contains("items")) return "";
    for (const json::value& each : value.get_array()) {
      if (auto found = problem(each, schema.at("items").get_object(), at + "/-"); !found.empty()) return found;
    }
    return "";
  }

  const json::object& resolved(std::string_view ref) const {
    const std::size_t slash = ref.rfind('/');
    const json::object& kind = document_.at("components").at(std::string(ref.substr(13, slash - 13))).get_object();
    const json::value* found = kind.if_contains(std::string(ref.substr(slash + 1)));
    EXPECT_NE(found, nullptr) << ref << " leads nowhere";
    return found->get_object();
  }

 private:
  std::string problem_of(const json::object& object, const json::object& schema, const std::string& at) const {
    if (const json::value* required = schema.if_contains("required")) {
      for (const json::value& each : required->get_array()) {
        if (!object.contains(each.get_string())) return at + ": has no " + json::serialize(each);
      }
    }
    const json::value* properties = schema.if_contains("properties");
    const json::value* more = schema.if_contains("additionalProperties");
    for (const auto& member : object) {
      const json::value* of = properties ? properties->get_object().if_contains(member.key()) : nullptr;
      const std::string place = at + "/" + std::string(member.key());
      if (!of && more && *more == false) return place + " is not known";
      if (!of) continue;
      if (auto found = problem(member.value(), of->get_object(), place); !found.empty()) return found;
    }
    return "";
  }

  static bool is_of(const json::value& value, const json::value& type) {
    if (type.is_array()) {
      const auto& types = type.get_array();
      return std::any_of(types.begin(), types.end(), [&](const json::value& each) { return is_of(value, each); });
    }
    const std::string_view name = text(type);
    if (name == "integer") return value.is_int64() || value.is_uint64();
    if (name == "boolean") return value.is_bool();
    if (name == "string") return value.is_string();
    if (name == "array") return value.is_array();
    if (name == "object") return value.is_object();
    return name == "null" && value.is_null();
  }

  const json::object& document_;
};

class OpenApi : public Served {
 protected:
  OpenApi() : document(json::parse(openapi_document("test")).as_object()), check(document) {}

  const json::object& operation(const Route& route) const {
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(),
                   [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    return document.at("paths").at(std::string(route.path)).at(method).get_object();
  }

  /// Compares an answer with what the document says of that call and status.
  void expect_documented(const std::string& method, const std::string& path, const Answer& answer) {
    const json::object& of = operation(route_named(method, path));
    const json::object& responses = of.at("responses").get_object();
    const json::value* response = responses.if_contains(std::to_string(answer.status));
    ASSERT_NE(response, nullptr) << method << ' ' << path << " is answered " << answer.status << ": " << answer.body;
    const json::value* content = response->get_object().if_contains("content");
    if (!content || answer.body.empty() || !content->get_object().contains("application/json")) return;
    const json::object& schema = content->at("application/json").at("schema").get_object();
    EXPECT_EQ(check.problem(answer.json(), schema), "") << method << ' ' << path << " " << answer.status << '\n'
                                                        << answer.body;
  }

  const json::object document;
  SchemaCheck check;
};

TEST_F(OpenApi, every_route_is_an_operation_and_every_operation_a_route) {
  std::size_t operations = 0;
  for (const auto& path : document.at("paths").get_object()) operations += path.value().get_object().size();
  EXPECT_EQ(operations, routes().size());
  std::set<std::string> ids;
  for (const Route& route : routes()) {
    const json::object& of = operation(route);
    EXPECT_TRUE(ids.insert(std::string(text(of.at("operationId")))).second) << of.at("operationId");
    EXPECT_TRUE(text(of.at("summary")).ends_with('.'));
    EXPECT_EQ(text(of.at("x-role")), name(route.role)) << route.path;
    EXPECT_EQ(of.contains("x-role-without-boot"), route.role_without_boot > route.role) << route.path;
    for (const int status : route.answer.statuses) {
      EXPECT_TRUE(of.at("responses").get_object().contains(std::to_string(status))) << route.path << ' ' << status;
    }
    const bool has_body = route.form != BodyForm::ignored;
    EXPECT_EQ(of.contains("requestBody"), has_body) << route.path;
    std::size_t in_path = 0;
    for (const json::value& parameter : of.at("parameters").get_array()) {
      const auto* in = parameter.get_object().if_contains("in");
      if (in && text(*in) == "path") ++in_path;
      if (const auto* ref = parameter.get_object().if_contains("$ref")) check.resolved(text(*ref));
    }
    EXPECT_EQ(in_path, route.path.find('{') == std::string_view::npos ? 0U : 1U) << route.path;
  }
}

TEST_F(OpenApi, every_error_code_has_the_status_that_api_md_gives_it) {
  std::ifstream in(std::filesystem::path(__FILE__).parent_path() / "../../../../docs/API.md");
  std::vector<std::pair<std::string, std::string>> lines;  // statuses, and the rest
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("| 4") || line.starts_with("| 5"))
      lines.emplace_back(line.substr(2, line.find(" |") - 2), line);
  }
  ASSERT_GT(lines.size(), 10U);
  for (const Route& route : routes()) {
    for (const auto& response : operation(route).at("responses").get_object()) {
      const std::string status(response.key());
      if (status < "400") continue;
      const auto& schema = response.value().at("content").at("application/json").at("schema").get_object();
      // Those of /readyz are besides what it says itself, and those of `advance` are not all listed.
      if (!schema.contains("allOf")) continue;
      const auto& codes = schema.at("allOf").at(1);
      for (const json::value& code :
           codes.at("properties").at("error").at("properties").at("code").at("enum").get_array()) {
        const std::string name(text(code));
        const bool is_refusal = std::any_of(outcome_rows.begin(), outcome_rows.end(),
                                            [&](const OutcomeRow& row) { return row.name == name; });
        if (is_refusal) continue;  // schema/outcomes.def has its status
        const bool is_there = std::any_of(lines.begin(), lines.end(), [&](const auto& line) {
          return line.first.find(status) != std::string::npos &&
                 line.second.find("`" + name + "`") != std::string::npos;
        });
        EXPECT_TRUE(is_there) << route.method << ' ' << route.path << ": docs/API.md has no `" << name << "` under "
                              << status;
      }
    }
    for (const std::string_view error : route.errors) {
      const bool is_code = error.find(' ') == std::string_view::npos;
      EXPECT_EQ(status_of_error(error) != 0, is_code) << error;
    }
  }
}

/// Every schema within a value of the document.
void each_schema(const json::value& value, const std::function<void(const json::object&)>& look) {
  if (const json::array* list = value.if_array()) {
    for (const json::value& each : *list) each_schema(each, look);
  }
  const json::object* object = value.if_object();
  if (!object) return;
  if (object->contains("type") || object->contains("$ref")) look(*object);
  for (const auto& member : *object) each_schema(member.value(), look);
}

TEST_F(OpenApi, each_answer_says_what_its_members_are) {
  const json::object schemas = answer_schemas();
  for (const Route& route : routes()) {
    const RouteAnswer& answer = route.answer;
    const bool has_a_schema = answer.schema.empty() || schemas.contains(as_key(answer.schema));
    EXPECT_TRUE(has_a_schema) << route.path << ": openapi_answers.cc has no " << answer.schema;
    for (const auto& response : operation(route).at("responses").get_object()) {
      const auto* content = response.value().get_object().if_contains("content");
      if (!content || !content->get_object().contains("application/json")) continue;
      const json::value& media = content->at("application/json");
      EXPECT_TRUE(media.get_object().contains("example")) << route.method << ' ' << route.path << ' ' << response.key();
      each_schema(media.at("schema"), [&](const json::object& schema) {
        if (const auto* ref = schema.if_contains("$ref")) check.resolved(text(*ref));
        const bool is_object = schema.contains("type") && schema.at("type") == "object";
        EXPECT_TRUE(!is_object || schema.contains("properties") || schema.contains("additionalProperties"))
            << route.method << ' ' << route.path << ": " << schema;
      });
    }
  }
}

TEST_F(OpenApi, a_daemon_that_is_at_its_limit_says_when_a_retry_may_help) {
  for (const Route& route : routes()) {
    for (const auto& response : operation(route).at("responses").get_object()) {
      if (response.key() != "429" && response.key() != "503") continue;
      const auto& headers = response.value().at("headers").get_object();
      EXPECT_TRUE(headers.contains("Retry-After")) << route.method << ' ' << route.path << ' ' << response.key();
    }
  }
}

TEST_F(OpenApi, every_example_is_what_its_schema_says) {
  for (const Route& route : routes()) {
    const json::object& of = operation(route);
    const auto expect_valid = [&](const json::value& media) {
      const json::object& each = media.get_object();
      if (const auto* example = each.if_contains("example")) {
        EXPECT_EQ(check.problem(*example, each.at("schema").get_object()), "") << route.method << ' ' << route.path;
      }
    };
    for (const json::value& parameter : of.at("parameters").get_array()) {
      if (!parameter.get_object().contains("$ref")) expect_valid(parameter);
    }
    if (const auto* body = of.if_contains("requestBody")) expect_valid(body->at("content").at("application/json"));
    for (const auto& response : of.at("responses").get_object()) {
      const auto* content = response.value().get_object().if_contains("content");
      if (!content) continue;
      for (const auto& media : content->get_object()) expect_valid(media.value());
    }
  }
}

TEST_F(OpenApi, every_example_is_read_as_a_request) {
  for (const Route& route : routes()) {
    if (route.form == BodyForm::delivery || route.form == BodyForm::batch) continue;
    std::string path(route.path);
    const std::size_t begin = path.find('{');
    if (begin != std::string::npos) path.replace(begin, path.find('}') + 1 - begin, "12");
    for (const Field& field : route.query) {
      if (field.name == "wait_s") continue;
      const json::value example = example_of(route, field);
      path += (path.find('?') == std::string::npos ? "?" : "&") + std::string(field.name) + "=";
      path += example.is_string() ? in_query(text(example)) : json::serialize(example);
    }
    std::string body;
    if (const auto* sent = operation(route).if_contains("requestBody")) {
      body = json::serialize(sent->at("content").at("application/json").at("example"));
    }
    if (route.path == "/v1/events") continue;  // waits, or streams
    const Answer answer = ask(std::string(route.method), path, body);
    EXPECT_NE(answer.status, 400) << route.method << ' ' << path << ' ' << body << '\n' << answer.body;
    EXPECT_NE(answer.status, 405) << route.method << ' ' << path;
    expect_documented(std::string(route.method), std::string(route.path), answer);
  }
}

TEST_F(OpenApi, answers_are_what_it_says) {
  expect_documented("POST", "/v1/tasks", create("W-1"));
  expect_documented("POST", "/v1/tasks", create("W-1"));
  worker("w");
  expect_documented("POST", "/v1/jobs/claim", claim("w", "developer"));
  expect_documented("POST", "/v1/jobs/claim", claim("w", "analyst"));
  expect_documented("POST", "/v1/leases", lease("task:1", "w"));
  expect_documented("POST", "/v1/leases", lease("task:1", "x"));
  expect_documented("POST", "/v1/tasks/{id}/transition", move(1, "development", 7));
  expect_documented("POST", "/v1/tasks/{id}/note", post("/v1/tasks/1/note", "{}"));
  expect_documented("POST", "/v1/tasks/{id}/note", post("/v1/tasks/1/note", R"({"text":"hm"})"));
  expect_documented("POST", "/v1/settings", post("/v1/settings", R"({"queue.max_concurrency":0})"));
  expect_documented("POST", "/v1/settings", post("/v1/settings", R"({"queue.max_concurrency":4})"));
  expect_documented("POST", "/v1/repos", post("/v1/repos", R"({"repo":"shop"})"));
  for (const char* path : {"/v1/tasks", "/v1/leases", "/v1/boots", "/v1/jobs", "/v1/pipelines", "/v1/repos",
                           "/v1/stuck", "/v1/settings", "/v1/head", "/queue", "/healthz", "/readyz", "/openapi.json"}) {
    expect_documented("GET", path, get(path));
  }
  expect_documented("GET", "/v1/tasks/{id}", get("/v1/tasks/1"));
  expect_documented("GET", "/v1/tasks/{id}", get("/v1/tasks/99"));
  expect_documented("GET", "/v1/tasks/{id}/history", get("/v1/tasks/1/history"));
  expect_documented("GET", "/v1/jobs/{id}", get("/v1/jobs/1"));
  expect_documented("GET", "/v1/tasks", get("/v1/tasks?at=9999"));
  has_space = false;
  expect_documented("POST", "/v1/tasks", create("W-2"));
}

}  // namespace
}  // namespace pawl
