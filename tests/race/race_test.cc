// Sixteen clients race for one guarded transition, over HTTP: for its lease, and then, since only the winner knows its
// token, for the transition itself. However often they try, one wins; each of the others learns who won, and each lost
// race is in the log.
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/race/pawld_process.h"
#include "tests/race/unix_http.h"

namespace pawl {
namespace {

namespace json = boost::json;

constexpr int client_count = 16;
constexpr int round_count = 1000;

/// The answer that one client got in one round.
struct Told {
  int status = 0;
  std::string code;    // of the error; empty if it won
  std::string winner;  // the actor named in the answer
};

struct Round {
  std::int64_t task = 0;
  std::int64_t token = 0;
  int winner = -1;
  std::array<Told, client_count> lease;
  std::array<Told, client_count> transition;
};

std::string actor_of(int client) {
  return "client-" + std::to_string(client);
}

/// The value at a path like "error.current.owner"; null if there is none.
json::value at(const json::value& from, std::string_view path) {
  const json::value* value = &from;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    const json::object* object = value->if_object();
    value = object == nullptr ? nullptr : object->if_contains(path.substr(0, dot));
    if (value == nullptr) return nullptr;
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return *value;
}

std::string text_at(const json::value& from, std::string_view path) {
  const json::value found = at(from, path);
  return found.is_string() ? std::string(found.get_string()) : std::string();
}

std::int64_t number_at(const json::value& from, std::string_view path) {
  const json::value found = at(from, path);
  return found.is_int64() ? found.get_int64() : 0;
}

json::value parsed(const std::string& text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value(nullptr) : value;
}

Told told(const HttpAnswer& answer) {
  const json::value body = parsed(answer.body);
  Told told{.status = answer.status, .code = text_at(body, "error.code"), .winner = {}};
  // A lease names its owner; a task names who moved it last.
  told.winner = text_at(body, "error.current.owner.actor");
  if (told.winner.empty()) told.winner = text_at(body, "error.current.last.actor");
  return told;
}

/// A test's client: its own connection, its own actor.
struct Client {
  int number;
  UnixHttp http;
  json::object owner;

  Told acquire(Round& round) {
    const json::object body{{"key", "task:" + std::to_string(round.task)}, {"owner", owner}, {"edge", "start->middle"}};
    const HttpAnswer answer = http.request("POST", "/v1/leases", json::serialize(body));
    Told result = told(answer);
    if (answer.status / 100 == 2) {
      round.winner = number;  // if two ever get here, the counts below show it
      round.token = number_at(parsed(answer.body), "token");
    }
    return result;
  }

  /// The winner's work between lease and transition.
  void act(const Round& round) {
    const std::string path = "/v1/tasks/" + std::to_string(round.task) + "/steps";
    const json::object start{
        {"type", "StepStarted"}, {"version", 1}, {"to", "middle"}, {"step", "act"}, {"token", round.token}};
    const HttpAnswer started = http.request("POST", path, json::serialize(start));
    const json::object finish{{"type", "StepFinished"}, {"version", 1},
                              {"step", "act"},          {"started", number_at(parsed(started.body), "seq")},
                              {"outcome", "done"},      {"by", "command"}};
    const HttpAnswer finished = http.request("POST", path, json::serialize(finish));
    EXPECT_EQ(started.status / 100, 2) << started.body;
    EXPECT_EQ(finished.status / 100, 2) << finished.body;
  }

  Told cross(const Round& round) {
    json::object body{{"to", "middle"}, {"expected_version", 1}, {"reason", "race"}};
    if (number == round.winner) body["token"] = round.token;
    return told(http.request("POST", "/v1/tasks/" + std::to_string(round.task) + "/transition", json::serialize(body)));
  }
};

class Race : public testing::Test {
 protected:
  void SetUp() override {
    daemon_ = std::make_unique<PawldProcess>(PAWLD, std::vector<std::string>{"--pipeline", RACE_PIPELINE});
    ASSERT_TRUE(daemon_->ready()) << daemon_->words();
  }

  /// Registers this process as a boot; every client is an actor of it. The daemon cannot observe its host, so it counts
  /// as alive.
  std::string register_boot(UnixHttp& http) {
    const json::object body{{"name", "race"},
                            {"boot_id", "00000000-0000-4000-8000-00000000race"},
                            {"pid", static_cast<std::int64_t>(::getpid())},
                            {"pid_start", 1},
                            {"host", "race"},
                            {"version", "1"}};
    const HttpAnswer answer = http.request("POST", "/v1/boots", json::serialize(body));
    EXPECT_EQ(answer.status, 201) << answer.body;
    return text_at(parsed(answer.body), "boot.boot_id");
  }

  std::int64_t create_task(UnixHttp& http, int round) {
    const json::object body{
        {"work_item", "R-" + std::to_string(round)}, {"repo", "race"}, {"branch", "main"}, {"pipeline", "race"}};
    const HttpAnswer answer = http.request("POST", "/v1/tasks", json::serialize(body));
    EXPECT_EQ(answer.status, 201) << answer.body;
    return number_at(parsed(answer.body), "task.id");
  }

  std::unique_ptr<PawldProcess> daemon_;
};

/// The refusals in the log: (task, type, actor) → how often, with what outcomes.
using Lost = std::map<std::tuple<std::int64_t, std::string, std::string>, std::vector<std::string>>;

/// Reads the log with pawl, beside the running daemon.
Lost lost_races(const std::string& data) {
  Lost lost;
  const std::string command = std::string(PAWL) + " export log --data '" + data + "'";
  FILE* lines = ::popen(command.c_str(), "r");  // NOLINT(cert-env33-c): we control the command line
  if (lines == nullptr) return lost;
  char* line = nullptr;
  std::size_t capacity = 0;
  while (::getline(&line, &capacity, lines) > 0) {
    const json::value record = parsed(line);
    const std::string type = text_at(record, "type");
    const std::string outcome = text_at(record, "outcome");
    if (outcome == "accepted" || (type != "LeaseAcquired" && type != "StageTransition")) continue;
    std::int64_t task = number_at(record, "data.task");
    if (type == "LeaseAcquired") task = std::stoll(text_at(record, "data.key").substr(5));
    lost[{task, type, text_at(record, "actor")}].push_back(outcome);
  }
  std::free(line);  // NOLINT(cppcoreguidelines-no-malloc): as getline requires
  EXPECT_EQ(::pclose(lines), 0) << "pawl export log failed";
  return lost;
}

TEST_F(Race, one_client_wins_each_guarded_transition_and_every_loser_is_told_and_recorded) {
  UnixHttp operator_http(daemon_->socket(), "operator");
  const std::string boot_id = register_boot(operator_http);
  ASSERT_FALSE(boot_id.empty());

  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < client_count; ++i) {
    // NOLINTNEXTLINE(modernize-make-unique): an aggregate
    clients.push_back(std::unique_ptr<Client>(
        new Client{i,
                   {daemon_->socket(), actor_of(i)},
                   {{"boot_id", boot_id}, {"pid", static_cast<std::int64_t>(::getpid())}, {"actor", actor_of(i)}}}));
    ASSERT_TRUE(clients.back()->http.connected());
    clients.back()->http.set_boot(boot_id);
  }

  std::vector<Round> rounds(round_count);
  std::barrier line(client_count);
  std::vector<std::thread> threads;
  for (int i = 0; i < client_count; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < round_count; ++n) {
        Round& round = rounds[static_cast<std::size_t>(n)];
        const auto me = static_cast<std::size_t>(i);
        if (i == 0) round.task = create_task(operator_http, n);
        line.arrive_and_wait();
        round.lease[me] = clients[me]->acquire(round);
        line.arrive_and_wait();
        if (i == round.winner) clients[me]->act(round);
        line.arrive_and_wait();
        round.transition[me] = clients[me]->cross(round);
        line.arrive_and_wait();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  const Lost lost = lost_races(daemon_->data());
  std::size_t lost_leases = 0;
  std::size_t lost_transitions = 0;
  for (const Round& round : rounds) {
    SCOPED_TRACE("task " + std::to_string(round.task));
    ASSERT_GE(round.winner, 0) << "no client got the lease";
    const std::string winner = actor_of(round.winner);
    for (int i = 0; i < client_count; ++i) {
      SCOPED_TRACE(actor_of(i));
      const Told& lease = round.lease[static_cast<std::size_t>(i)];
      const Told& transition = round.transition[static_cast<std::size_t>(i)];
      if (i == round.winner) {
        EXPECT_EQ(lease.status / 100, 2) << lease.code;
        EXPECT_EQ(transition.status, 200) << transition.code;
        EXPECT_FALSE(lost.contains({round.task, "LeaseAcquired", actor_of(i)}));
        EXPECT_FALSE(lost.contains({round.task, "StageTransition", actor_of(i)}));
        continue;
      }
      EXPECT_EQ(lease.status, 409);
      EXPECT_EQ(lease.code, "lease_held");
      EXPECT_EQ(lease.winner, winner);
      EXPECT_EQ(transition.status, 409);
      EXPECT_TRUE(transition.code == "lease_held" || transition.code == "version_conflict") << transition.code;
      EXPECT_EQ(transition.winner, winner) << transition.code;

      const auto in_log = [&](const char* type) {
        const auto found = lost.find({round.task, type, actor_of(i)});
        return found == lost.end() ? std::vector<std::string>() : found->second;
      };
      EXPECT_EQ(in_log("LeaseAcquired"), std::vector<std::string>{lease.code});
      EXPECT_EQ(in_log("StageTransition"), std::vector<std::string>{transition.code});
      lost_leases += in_log("LeaseAcquired").size();
      lost_transitions += in_log("StageTransition").size();
    }
    if (HasFailure()) break;  // one round says it all
  }
  if (!HasFailure()) {
    std::printf("%d rounds, %d winners; in the log %zu lost leases and %zu lost transitions\n", round_count,
                round_count, lost_leases, lost_transitions);
  }

  const int status = daemon_->stop();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << daemon_->words();
}

}  // namespace
}  // namespace pawl
