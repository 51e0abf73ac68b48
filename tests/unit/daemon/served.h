// The routes over a log in memory: called as the server calls them, but without a socket.
#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <future>
#include <memory>
#include <string>

#include "daemon/api/routes.h"
#include "store/commit/sequencer.h"
#include "store/commit/start.h"
#include "store/memory_log.h"
#include "store/open.h"

namespace pawl {

struct Answer {
  int status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  boost::json::value json() const { return boost::json::parse(body); }
  /// The value at a JSON pointer ("/error/code") as JSON text; "missing" if there is none.
  std::string at(const std::string& pointer) const {
    boost::system::error_code failure;
    const boost::json::value document = json();
    const boost::json::value* value = document.find_pointer(pointer, failure);
    return value ? boost::json::serialize(*value) : "missing";
  }
  std::string code() const {
    const std::string code = at("/error/code");
    return code.size() > 2 ? code.substr(1, code.size() - 2) : code;
  }
  std::string header(const std::string& name) const {
    for (const auto& [known, value] : headers) {
      if (known == name) return value;
    }
    return {};
  }
};

struct Headers {
  std::string actor = {};
  std::string boot = {};
  std::string key = {};
  std::string accept = {};
  std::string authorization = {};
  Transport transport = Transport::unix_socket;
  std::string last_event_id = {};
  std::optional<std::uint32_t> peer_uid = {};
};

class Served : public testing::Test {
 protected:
  Served() {
    logs_folder = testing::TempDir() + "pawl-served-" + std::to_string(::getpid());
    std::filesystem::create_directories(logs_folder);
    start();
  }
  ~Served() override {
    stop();
    std::filesystem::remove_all(logs_folder);
  }

  void start() {
    log = disk ? std::move(MemoryLog::open(disk)).value() : std::make_unique<MemoryLog>();
    disk = log->disk();
    Opened opened = open_state(*log).value();
    sequencer = std::make_unique<Sequencer>(
        *log, std::move(opened.state), opened.chain,
        Sequencer::Options{.batch_records_max = 4096,
                           .batch_bytes_max = 1 << 20,
                           .now = [this] { return TimeUs{1'767'225'600 * us_per_s + now_us.load()}; },
                           .superseded = [](const Error&) {},
                           .measured = measured});
    if (sequencer_made) sequencer_made();
    sequencer->start();
    boot = "daemon-" + std::to_string(++starts);
    ASSERT_TRUE(start_boot(*sequencer, boot, "test"));
    const Requester requester{.boot = boot, .actor = "pawld", .key = {}, .request = std::nullopt};
    ASSERT_TRUE(define_pipelines(*sequencer, sequencer->ask(known_pipelines), {}, requester));
    serve();
  }

  /// Makes the Api again, over the same sequencer and with the services as they are now.
  void serve() {
    api.reset();
    api = std::make_unique<Api>(Services{
        .sequencer = *sequencer,
        .journal = *log,
        .archive = *log,
        .boot_id = boot,
        .version = "test",
        .logs_folder = logs_folder,
        .advance = [this](const AdvanceRequest& order, const auto& done) { done(advance_answer(order)); },
        .lock_step = [this](const StepKey&, const std::string&, const auto& done) { done(step_lock); },
        .find_branch =
            [this](const std::string& repo, const std::string& branch, const auto& done) {
              ++branches_asked;
              done(branch_answer(repo, branch));
            },
        .is_skipped = [this](JobId job) { return raw(job) == skipped; },
        .origin_trouble = [this](const std::string& repo) { return trouble_of(repo); },
        .is_alive = [this](const Owner& owner, const Boot&) { return owner.pid != dead_pid; },
        .is_seen = [this](const Owner& owner, const Boot&) { return owner.pid != unseen_pid; },
        .readiness =
            [this] {
              return Readiness{.has_space = has_space,
                               .has_reserve = has_reserve,
                               .can_write = can_write,
                               .free_bytes = 1,
                               .free_bytes_floor = 1,
                               .clock_drift_s = clock_drift_s};
            },
        .reconciler_totals = [] { return ReconcilerTotals{.passes = 3, .defers = 2, .moves = 1, .last_pass = {}}; },
        .reaper_totals = [this] { return reaper; },
        .run_reaper = [this](const auto& done) { done(reaper_pass); },
        .access = services_access,
        .figures = services_figures,
        .audit = services_audit,
    });
  }

  void stop() {
    api.reset();
    sequencer.reset();
  }

  void restart() {
    stop();
    start();
  }

  std::future<Answer> begin(const std::string& method, const std::string& target, const std::string& body = {},
                            const Headers& headers = {}) {
    auto promise = std::make_shared<std::promise<Answer>>();
    const std::size_t question = std::min(target.find('?'), target.size());
    const std::string query = question < target.size() ? target.substr(question + 1) : "";
    const std::string path = target.substr(0, question);
    api->handle({.method = method,
                 .path = path,
                 .query = query,
                 .actor = headers.actor,
                 .boot = headers.boot,
                 .idempotency_key = headers.key,
                 .accept = headers.accept,
                 .last_event_id = headers.last_event_id,
                 .body = body,
                 .authorization = headers.authorization,
                 .transport = headers.transport,
                 .peer_uid = headers.peer_uid,
                 .waits = told_of_wait},
                [this, promise](HttpResponse response) {
                  if (response.format) response.format(response);
                  undelivered = response.undelivered;
                  stream = response.stream;
                  promise->set_value({response.status, response.body, response.headers});
                });
    return promise->get_future();
  }

  Answer ask(const std::string& method, const std::string& target, const std::string& body = {},
             const Headers& headers = {}) {
    return begin(method, target, body, headers).get();
  }
  Answer get(const std::string& target) { return ask("GET", target); }
  Answer post(const std::string& target, const std::string& body, const Headers& headers = {}) {
    return ask("POST", target, body, headers);
  }

  Answer create(const std::string& work_item, const std::string& more = {}) {
    return post("/v1/tasks", R"({"work_item":")" + work_item + R"(","repo":"shop","branch":"b")" + more + "}");
  }

  /// A worker, registered; its boot id is its name.
  void worker(const std::string& name) {
    ASSERT_EQ(post("/v1/boots", R"({"name":")" + name + R"(","boot_id":")" + name +
                                    R"(","pid":7,"pid_start":1,"host":"h","version":"1"})")
                  .status,
              201);
  }
  static std::string owner(const std::string& boot_id) {
    return R"({"boot_id":")" + boot_id + R"(","pid":7,"actor":"worker"})";
  }
  Answer claim(const std::string& boot_id, const std::string& agent, const Headers& headers = {}) {
    return post("/v1/jobs/claim", R"({"agents":[")" + agent + R"("],"owner":)" + owner(boot_id) + "}", headers);
  }
  Answer lease(const std::string& key, const std::string& boot_id, const std::string& more = {}) {
    return post("/v1/leases", R"({"key":")" + key + R"(","owner":)" + owner(boot_id) + more + "}");
  }
  Answer move(int task, const std::string& to, int version, const std::string& more = {}) {
    return post("/v1/tasks/" + std::to_string(task) + "/transition",
                R"({"to":")" + to + R"(","expected_version":)" + std::to_string(version) + more + "}");
  }
  std::uint64_t last_seq() { return raw(sequencer->durable_seq()); }

  std::atomic<std::int64_t> now_us{0};
  std::string logs_folder;
  std::shared_ptr<MemoryDisk> disk;
  std::unique_ptr<MemoryLog> log;
  std::unique_ptr<Sequencer> sequencer;
  std::unique_ptr<Api> api;
  std::string boot;
  int starts = 0;
  std::atomic<bool> has_space{true};
  std::atomic<bool> has_reserve{true};
  std::atomic<bool> can_write{true};
  std::optional<std::int64_t> clock_drift_s;  // set while no request is in progress
  std::atomic<std::uint64_t> skipped{0};
  std::atomic<std::int64_t> dead_pid{0};
  std::atomic<std::int64_t> unseen_pid{0};
  const Access* services_access = nullptr;
  LogAudit* services_audit = nullptr;
  std::shared_ptr<const DaemonFigures> services_figures;
  std::function<void(const BatchTimes&)> measured;
  std::function<void()> sequencer_made;  // called when there is a sequencer, before its first record
  ReaperTotals reaper;
  ReaperPass reaper_pass;
  std::shared_ptr<StepLock> step_lock;
  std::function<void()> undelivered;               // of the last answer
  std::function<void(HttpResponse)> told_of_wait;  // by the current request
  std::shared_ptr<HttpStream> stream;              // of the last answer
  std::atomic<int> branches_asked{0};
  std::function<FoundBranch(const std::string& repo, const std::string& branch)> branch_answer =
      [](const auto&, const auto&) { return FoundBranch{}; };
  std::function<std::optional<OriginTrouble>(const std::string& repo)> trouble_of = [](const auto&) {
    return std::optional<OriginTrouble>();
  };
  std::function<AdvanceAnswer(const AdvanceRequest&)> advance_answer = [](const AdvanceRequest&) {
    return AdvanceAnswer{};
  };
};

}  // namespace pawl
