#include "tests/fuzz/served.h"

#include <boost/beast/http/status.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <optional>

#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "store/open.h"
#include "tests/fuzz/story.h"

namespace pawl::fuzz {
namespace {

/// A header's value contains no byte that ends the header.
bool is_one_line(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 || c == '\t'; });
}

void check(const HttpResponse& response) {
  PAWL_ASSERT(response.status >= 200 && response.status < 600);
  namespace http = boost::beast::http;
  PAWL_ASSERT(http::int_to_status(static_cast<unsigned>(response.status)) != http::status::unknown);
  PAWL_ASSERT(response.status != 500);
  PAWL_ASSERT(is_one_line(response.content_type));
  for (const auto& [name, value] : response.headers) PAWL_ASSERT(is_one_line(name) && is_one_line(value));
  PAWL_ASSERT(is_json_text(response.body));
  if (response.content_type == "application/json" && response.status != 204 && !response.stream) {
    const auto body = parse_json(response.body);
    if (!body) assertion_failed((body.error().message + ": " + response.body).c_str(), __FILE__, __LINE__);
    if (response.status >= 400) PAWL_ASSERT(body->is_object() && body->get_object().contains("error"));
  }
}

}  // namespace

WebhookConfig webhook_config() {
  return {.gitea_secret = "gitea's secret",
          .plane_secret = "plane's secret",
          .generic_secret = "our own secret",
          .github = {.secret = "github's secret",
                     .repos = {{"acme/shop", {.repo = "shop", .prefix = "W"}}},
                     .members = {"grace"}},
          .gitlab = {.secret = "gitlab's token",
                     .repos = {{"acme/tools/shop", {.repo = "shop", .prefix = "W"}}},
                     .members = {"grace"}},
          .gitea_repos = {{"acme/shop", "shop"}},
          .plane_projects = {{"P", {.repo = "shop", .prefix = "W"}}}};
}

Served::Served() : webhooks_(webhook_config()) {
  log_ = std::move(MemoryLog::open(story_disk())).value();
  Opened opened = std::move(open_state(*log_)).value();
  sequencer_ = std::make_unique<Sequencer>(
      *log_, std::move(opened.state), opened.chain,
      Sequencer::Options{
          .batch_records_max = 4096, .batch_bytes_max = 1 << 20, .now = [] { return plus_s(story_end, 1); }});
  sequencer_->start();
  api_ = std::make_unique<Api>(Services{
      .sequencer = *sequencer_,
      .journal = *log_,
      .archive = *log_,
      .boot_id = "daemon",
      .version = "test",
      .logs_folder = "/nowhere",
      .advance = [](const AdvanceRequest&, const auto& done) { done({.result = AdvanceResult::waiting}); },
      .lock_step = [](const StepKey&, const std::string&, const auto& done) { done(nullptr); },
      .is_alive = [](const Owner&, const Boot&) { return true; },
      .readiness = [] { return Readiness{}; },
      .reconciler_totals = [] { return ReconcilerTotals{}; },
      .reaper_totals = [] { return ReaperTotals{}; },
      .run_reaper = [](const auto& done) { done(ReaperPass{}); },
      .webhooks = &webhooks_,
  });
}

Served::~Served() {
  // As in pawld: requests that are decided only now still find the routes alive.
  stop();
  sequencer_->stop();
  api_.reset();
}

void Served::handle(const HttpRequest& request, HttpReply reply) {
  api_->handle(request, [reply = std::move(reply)](HttpResponse response) {
    // Rows become text once, here: the connection's thread would make the same text.
    if (const auto format = std::exchange(response.format, nullptr)) format(response);
    check(response);
    reply(std::move(response));
  });
}

void Served::stop() {
  if (!std::exchange(stopped_, true)) api_->stop();
}

bool Served::is_used() const {
  return stopped_ || sequencer_->durable_seq() != story_seq();
}

Served& fresh_served() {
  static std::optional<Served> served;
  if (!served || served->is_used()) served.emplace();
  return *served;
}

}  // namespace pawl::fuzz
