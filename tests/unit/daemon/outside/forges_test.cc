// Forges told from a log, by a server on the loopback. Pauses are zero or hours long, never waited for.
#include "daemon/outside/forges.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>

#include "daemon/outside/forge_place.h"
#include "store/memory_log.h"
#include "tests/unit/daemon/alert_server.h"
#include "tests/unit/daemon/comes_true.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

std::string forge_answer(int status) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
}

class ForgesTest : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("no_proxy", "127.0.0.1", 1);
    writer.boot();
    writer.create_task("W-1");
  }

  Forges::Options options(milliseconds pause = hours(1)) {
    Forges::Options made{.folder = folder.path(), .raise = [this](Alert alert) {
                           const std::lock_guard lock(mutex);
                           raised.push_back(alert.reason);
                         }};
    const std::string url = server.url();
    made.targets.all = {
        {.repo = "shop", .kind = ForgeKind::gitea, .project = "acme/shop", .api = url, .token = "secret-token"}};
    made.backoff = [pause](unsigned) { return pause; };
    return made;
  }

  void see(const std::string& head) {
    fb::BranchSeenT seen;
    seen.task = 1;
    seen.head = head;
    const Requester requester{.boot = "boot-1", .actor = "monitor", .key = {}, .request = {}};
    writer.write(propose_group(requester, seen));
  }

  std::vector<std::string> alerts() {
    const std::lock_guard lock(mutex);
    return raised;
  }

  TempDir folder;
  MemoryLog log;
  Writer writer{log};
  AlertServer server;
  std::mutex mutex;
  std::vector<std::string> raised;
};

std::string told_commit(const AlertServer::Request& request) {
  const std::size_t from = request.head.find("/statuses/") + 10;
  return request.head.substr(from, request.head.find(' ', from) - from);
}

const std::string head_a(40, 'a');
const std::string head_b(40, 'b');

TEST_F(ForgesTest, what_happens_from_now_on_is_told) {
  see(head_b);
  Forges forges(log, options());
  forges.start();
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(folder.path("forges")); }));
  see(head_a);
  const auto requests = server.requests(1);
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(told_commit(requests[0]), head_a);
  EXPECT_NE(requests[0].head.find("Authorization: token secret-token\r\n"), std::string::npos);
  EXPECT_TRUE(comes_true([&] { return forges.counts().at(2).told == 1; }));
  forges.stop();
  EXPECT_EQ(read_places(folder.path()).value().at("shop"), last_place(log).value());
}

TEST_F(ForgesTest, what_was_not_told_is_told_after_a_restart) {
  server.answer_with({forge_answer(500), forge_answer(500)});
  {
    Forges forges(log, options());
    forges.start();
    ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(folder.path("forges")); }));
    see(head_a);
    ASSERT_EQ(server.requests(1).size(), 1U);
  }
  see(head_b);
  Forges forges(log, options(milliseconds(0)));
  forges.start();
  EXPECT_TRUE(comes_true([&] { return forges.counts().at(2).told == 2; }));
  const auto requests = server.requests(4);
  ASSERT_EQ(requests.size(), 4U);
  EXPECT_EQ(told_commit(requests[2]), head_a) << "after another failure";
  EXPECT_EQ(told_commit(requests[3]), head_b);
  EXPECT_EQ(forges.counts().at(2).retried, 1U);
}

TEST_F(ForgesTest, what_a_forge_refuses_is_given_up_and_said_once) {
  server.answer_with({forge_answer(404), forge_answer(404), forge_answer(200), forge_answer(404)});
  Forges forges(log, options());
  forges.start();
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(folder.path("forges")); }));
  for (const char letter : {'1', '2', '3', '4'}) see(std::string(40, letter));
  EXPECT_TRUE(comes_true([&] { return forges.counts().at(2).refused == 3; }));
  EXPECT_TRUE(comes_true([&] { return alerts().size() == 2; })) << "the second after a success";
  EXPECT_EQ(alerts().at(0), "word_refused: the status pawl/analysis of commit 111111111111: HTTP 404: {}");
  EXPECT_EQ(forges.counts().at(2).told, 1U);
  EXPECT_EQ(forges.counts().at(2).waiting, 0U);
}

TEST_F(ForgesTest, another_log_is_not_told_from_the_middle) {
  LogPlace place = last_place(log).value();
  place.chain[0] ^= 1U;
  ASSERT_TRUE(write_places(folder.path(), {{"shop", place}}));
  see(head_b);
  Forges forges(log, options());
  forges.start();
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(folder.path("forges.of-another-log")); }));
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(folder.path("forges")); }));
  see(head_a);
  EXPECT_EQ(told_commit(server.requests(1).at(0)), head_a) << "and not of " << head_b;
}

TEST_F(ForgesTest, too_many_words_hold_up_the_reading_and_lose_nothing) {
  server.hold();
  Forges::Options bounded = options();
  bounded.words_max = 2;
  Forges forges(log, std::move(bounded));
  forges.start();
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(folder.path("forges")); }));
  for (char letter = 'a'; letter < 'k'; ++letter) see(std::string(40, letter));
  ASSERT_EQ(server.requests(1).size(), 1U);
  EXPECT_TRUE(comes_true([&] { return forges.counts().at(2).waiting == 2; }));
  server.release();
  EXPECT_TRUE(comes_true([&] { return forges.counts().at(2).told == 10; }));
}

TEST_F(ForgesTest, a_forge_that_hangs_does_not_hold_up_a_stop) {
  server.hold();
  Forges forges(log, options());
  forges.start();
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(folder.path("forges")); }));
  see(head_a);
  ASSERT_EQ(server.requests(1).size(), 1U);
  forges.stop();
  EXPECT_LT(read_places(folder.path()).value().at("shop").seq, log.last_seq()) << "it is told after the next start";
}

TEST_F(ForgesTest, without_targets_nothing_is_read_or_written) {
  Forges forges(log, {.folder = folder.path()});
  forges.start();
  forges.stop();
  EXPECT_FALSE(std::filesystem::exists(folder.path("forges")));
}

}  // namespace
}  // namespace pawl
