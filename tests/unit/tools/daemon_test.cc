// The commands against a real pawld, over its socket.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "schema/json/read_json.h"
#include "tests/unit/tools/against_daemon.h"
#include "tests/unit/tools/sample_log.h"
#include "tools/commands/client.h"

namespace pawl {
namespace {

TEST_F(AgainstDaemon, a_task_is_submitted_shown_noted_and_cancelled) {
  const Ran submitted = pawl({"submit", "W-1", "--repo", "shop", "--branch", "w-1"});
  EXPECT_EQ(submitted.exit, 0) << submitted.err;
  EXPECT_EQ(submitted.out, "task 1 (W-1 of shop): analysis, version 1\n");
  EXPECT_EQ(pawl({"note", "1", "look at this"}).exit, 0);
  EXPECT_NE(pawl({"task", "1"}).out.find("work_item         W-1\n"), std::string::npos) << pawl({"task", "1"}).out;
  EXPECT_NE(pawl({"task"}).out.find("W-1"), std::string::npos);
  EXPECT_NE(pawl({"jobs"}).out.find("analyst"), std::string::npos);
  EXPECT_NE(pawl({"task", "1", "--history"}).out.find("look at this"), std::string::npos);
  EXPECT_EQ(pawl({"cancel", "1", "--reason", "no longer wanted"}).out, "task 1 (W-1 of shop): cancelled, version 2\n");
  const Ran again = pawl({"cancel", "1"});
  EXPECT_EQ(again.exit, 1);
  EXPECT_NE(again.err.find("terminal"), std::string::npos) << again.err;
}

TEST_F(AgainstDaemon, a_refusal_names_what_stands_in_the_way) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const Ran twice = pawl({"submit", "W-1", "--repo", "shop"});
  EXPECT_EQ(twice.exit, 1);
  EXPECT_NE(twice.err.find("duplicate_work_item"), std::string::npos) << twice.err;
  EXPECT_NE(twice.err.find("task 1 (W-1 of shop): analysis, version 1"), std::string::npos) << twice.err;
  const Ran unknown = pawl({"task", "77"});
  EXPECT_EQ(unknown.exit, 1);
  EXPECT_NE(unknown.err.find("unknown_task"), std::string::npos) << unknown.err;
  const Ran malformed = pawl({"submit", std::string(201, 'w'), "--repo", "shop"});
  EXPECT_EQ(malformed.exit, 2);
  EXPECT_NE(malformed.err.find("work_item"), std::string::npos) << malformed.err;
}

TEST_F(AgainstDaemon, settings_are_shown_and_set) {
  EXPECT_NE(pawl({"settings"}).out.find("queue.max_concurrency       1\n"), std::string::npos)
      << pawl({"settings"}).out;
  // It accepts settings in the form that it prints.
  EXPECT_NE(pawl({"settings"}).out.find("ownership.enabled           true\n"), std::string::npos);
  EXPECT_EQ(pawl({"settings", "ownership.enabled=true"}).exit, 0);
  EXPECT_NE(pawl({"settings", "ownership.enabeld=true"}).err.find("did you mean 'ownership.enabled'?"),
            std::string::npos);
  EXPECT_EQ(pawl({"settings", "queue.max_concurrency=3", "ownership.repos=[\"shop\"]"}).exit, 0);
  const json::value settings = asked({"settings"});
  EXPECT_EQ(settings.at("settings").at("queue.max_concurrency").as_int64(), 3);
  EXPECT_EQ(settings.at("settings").at("ownership.repos").at(0).as_string(), "shop");
  const Ran twice =
      pawl({"settings", "queue.max_concurrency=4", "queue.serial_per_repo=off", "queue.max_concurrency=5"});
  EXPECT_EQ(twice.exit, 2);
  EXPECT_EQ(twice.err, "pawl: settings: 'queue.max_concurrency' is given twice\n");
  const Ran unknown = pawl({"settings", "queue.speed=9"});
  EXPECT_EQ(unknown.exit, 1);
  EXPECT_NE(unknown.err.find("unknown_setting"), std::string::npos) << unknown.err;
}

TEST_F(AgainstDaemon, tail_shows_the_records) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const auto lines = lines_of(pawl({"tail", "--no-follow", "--after", "0", "--json"}).out);
  ASSERT_FALSE(lines.empty());
  EXPECT_TRUE(lines[0].starts_with(R"({"seq":1,)")) << lines[0];
  EXPECT_NE(lines.back().find(R"("type":"TaskCreated")"), std::string::npos) << lines.back();
  const Ran people = pawl({"tail", "--no-follow"});
  EXPECT_EQ(people.exit, 0);
  EXPECT_NE(people.out.find("TaskCreated      work_item=W-1 repo=shop"), std::string::npos) << people.out;
}

TEST_F(AgainstDaemon, lock_runs_a_command_under_a_lease_and_gives_its_exit_code) {
  const Ran ran = pawl({"lock", "db", "--", "sh", "-c", "echo token $PAWL_TOKEN of $PAWL_LEASE; exit 7"});
  EXPECT_EQ(ran.exit, 7) << ran.err;
  EXPECT_TRUE(ran.out.starts_with("token ")) << ran.out;
  EXPECT_TRUE(ran.out.ends_with(" of db\n")) << ran.out;
  EXPECT_EQ(pawl({"leases"}).out, "no leases\n");
  std::string types;
  for (const std::string& line : lines_of(pawl({"tail", "--no-follow", "--after", "0", "--json"}).out)) {
    const auto record = parse_json(line);
    ASSERT_TRUE(record);
    types += std::string(record->at("type").as_string()) + " ";
  }
  EXPECT_TRUE(types.ends_with("BootStarted LeaseAcquired LeaseReleased BootEnded ")) << types;
}

TEST_F(AgainstDaemon, lock_names_the_holder_when_it_is_held) {
  const std::string begun = daemon.path("begun");
  const std::string go_on = daemon.path("go-on");
  std::thread holder([&] {
    const Ran ran = pawl({"lock", "db", "--actor", "nightly", "--", "sh", "-c",
                          "touch " + begun + "; while ! test -e " + go_on + "; do sleep 0.05; done"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
  });
  const auto until = std::chrono::steady_clock::now() + patience;
  while (::access(begun.c_str(), F_OK) != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const Ran refused = pawl({"lock", "db", "--", "true"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("lease_held"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("held by nightly, pid "), std::string::npos) << refused.err;
  EXPECT_NE(pawl({"leases"}).out.find("nightly"), std::string::npos);
  std::thread waiter([&] { EXPECT_EQ(pawl({"lock", "db", "--wait", "60", "--", "sh", "-c", "exit 9"}).exit, 9); });
  ::close(::open(go_on.c_str(), O_WRONLY | O_CREAT, 0600));
  holder.join();
  waiter.join();
}

TEST_F(AgainstDaemon, lock_hands_signals_on_and_gives_the_lease_back) {
  const std::string begun = daemon.path("begun");
  const pid_t lock = ::fork();
  if (lock == 0) {
    ::execl(program("pawl").c_str(), "pawl", "lock", "--data", daemon.data().c_str(), "db", "--", "sh", "-c",
            ("trap 'exit 5' TERM; touch " + begun + "; while :; do sleep 0.05; done").c_str(), nullptr);
    ::_exit(125);
  }
  const auto until = std::chrono::steady_clock::now() + patience;
  while (::access(begun.c_str(), F_OK) != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(lock, SIGTERM);
  int status = 0;
  ::waitpid(lock, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 5);
  EXPECT_EQ(pawl({"leases"}).out, "no leases\n");
}

TEST_F(AgainstDaemon, lock_says_when_the_command_is_not_there) {
  const Ran ran = pawl({"lock", "db", "--", "/no/such/command"});
  EXPECT_EQ(ran.exit, 127);
  EXPECT_EQ(pawl({"leases"}).out, "no leases\n");
}

TEST_F(AgainstDaemon, submit_waits_until_the_task_ends) {
  Ran ran;
  std::thread waiting([&] { ran = pawl({"submit", "W-1", "--repo", "shop", "--wait"}); });
  const auto until = std::chrono::steady_clock::now() + patience;
  while (pawl({"cancel", "1"}).exit != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  waiting.join();
  EXPECT_EQ(ran.exit, 1);
  const auto lines = lines_of(ran.out);
  ASSERT_GE(lines.size(), 3U) << ran.out;
  EXPECT_EQ(lines[0], "task 1 (W-1 of shop): analysis, version 1");
  EXPECT_TRUE(lines[1].ends_with("  created, on analysis")) << lines[1];
  EXPECT_TRUE(lines.back().ends_with("  cancelled")) << lines.back();
  EXPECT_EQ(ran.err, "pawl: task 1 was cancelled\n");
}

TEST_F(AgainstDaemon, submit_shows_what_an_agent_does_until_the_task_is_done) {
  daemon.stop(SIGTERM);
  daemon.options = {"--pipeline", daemon.file("worked.yaml",
                                              "name: worked\n"
                                              "agents:\n"
                                              "  dev: {run: 'true'}\n"
                                              "stages:\n"
                                              "  - {name: dev, agent: dev, gate: {run: 'echo fine'}, to: done}\n")};
  daemon.start();
  const Ran ran = pawl({"submit", "W-1", "--repo", "shop", "--pipeline", "worked", "--wait"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  for (const char* told : {"  created, on dev\n", "  dev: agent runs\n", "  dev: gate green\n", "  dev -> done\n"}) {
    EXPECT_NE(ran.out.find(told), std::string::npos) << told << " in:\n" << ran.out;
  }
}

TEST_F(AgainstDaemon, submit_does_not_wait_for_ever_for_a_red_gate) {
  daemon.stop(SIGTERM);
  daemon.options = {"--pipeline", daemon.file("judged.yaml",
                                              "name: judged\n"
                                              "stages:\n"
                                              "  - {name: look, gate: {run: 'echo no good; exit 1'}, to: done}\n")};
  daemon.start();
  const Ran ran = pawl({"submit", "W-1", "--repo", "shop", "--pipeline", "judged", "--wait"});
  EXPECT_EQ(ran.exit, 1) << ran.out;
  EXPECT_EQ(
      ran.err,
      "pawl: task 1 waits: the gate of 'look' is red: no good; its output: pawl log 1; correct the branch and push "
      "it, then: pawl advance 1\n");
  const Ran retried = pawl({"retry", "1"});
  EXPECT_EQ(retried.exit, 1);
  EXPECT_TRUE(retried.err.ends_with("; to run its gate again: pawl advance 1\n")) << retried.err;
  EXPECT_EQ(pawl({"submit", "W-2", "--repo", "shop", "--pipeline", "judged", "--wait", "--json"}).exit, 1);
}

TEST_F(AgainstDaemon, the_queue_shows_how_webhooks_fared) {
  daemon.stop(SIGTERM);
  const std::string secret = daemon.file("generic.secret", "secret\n");
  std::filesystem::permissions(secret, std::filesystem::perms::owner_read);
  daemon.start({"--generic-secret-file", secret});
  Client client({.socket = daemon.data() + "/pawl.sock", .url = "http://localhost"});
  ASSERT_TRUE(client.send({.method = "POST", .path = "/webhooks/generic", .body = "{}"}));
  const Ran ran = pawl({"queue"});
  EXPECT_NE(ran.out.find("received 1, acted on 0, deferred 0, refused 0, bad signatures 1, too long 0\n"),
            std::string::npos)
      << ran.out;
  EXPECT_EQ(ran.out.find("gitea"), std::string::npos) << "it is not configured";
}

TEST_F(AgainstDaemon, submit_goes_on_waiting_over_a_restart) {
  std::thread waiting([&] { EXPECT_EQ(pawl({"submit", "W-1", "--repo", "shop", "--wait"}).exit, 1); });
  const auto until = std::chrono::steady_clock::now() + patience;
  while (pawl({"task", "1"}).exit != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  daemon.stop(SIGKILL);
  daemon.start();
  EXPECT_EQ(pawl({"cancel", "1"}).exit, 0);
  waiting.join();
}

TEST_F(AgainstDaemon, the_folder_of_a_running_daemon_is_exported_replayed_and_backed_up) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const Ran log = pawl({"export", "log", "--data", daemon.data()});
  EXPECT_EQ(log.exit, 0) << log.err;
  EXPECT_NE(log.out.find("TaskCreated"), std::string::npos);
  const Ran replayed = run_pawl({"replay", "-", "--json"}, log.out);
  EXPECT_EQ(replayed.exit, 0) << replayed.out << replayed.err;
  EXPECT_EQ(run_pawl({"replay", daemon.data(), "--json"}).out, replayed.out);
  const Ran backup = run_pawl({"backup", daemon.data(), daemon.path("copy")});
  EXPECT_EQ(backup.exit, 0) << backup.err;
  EXPECT_EQ(run_pawl({"export", "log", "--data", daemon.path("copy")}).out, log.out);
}

TEST_F(AgainstDaemon, a_program_that_waits_gets_the_task_as_it_ended) {
  Ran ran;
  std::thread waiting([&] { ran = pawl({"submit", "W-1", "--repo", "shop", "--wait", "--json"}); });
  const auto until = std::chrono::steady_clock::now() + patience;
  while (pawl({"cancel", "1"}).exit != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  waiting.join();
  const auto read = parse_json(ran.out);
  ASSERT_TRUE(read) << ran.out;
  const json::value& task = read->get_object().contains("task") ? read->at("task") : *read;
  EXPECT_EQ(task.at("stage").as_string(), "cancelled");
}

TEST_F(AgainstDaemon, what_is_stuck_is_shown_and_the_reaper_can_be_sent) {
  EXPECT_EQ(pawl({"stuck"}).out, "everything moves\n");
  pawl({"submit", "W-1", "--repo", "shop"});
  const Ran stuck = pawl({"stuck"});
  EXPECT_EQ(stuck.exit, 0) << stuck.err;
  EXPECT_TRUE(stuck.out.starts_with("task 1  W-1 of shop, on analysis: unclaimed\n")) << stuck.out;
  EXPECT_NE(stuck.out.find("\n  job 1 waits to be claimed for agent 'analyst'; it is next, since 20"),
            std::string::npos)
      << stuck.out;
  EXPECT_NE(stuck.out.find("\n  try: start a worker that claims jobs for agent 'analyst'\n"), std::string::npos)
      << stuck.out;
  const Ran reap = pawl({"reap"});
  EXPECT_EQ(reap.exit, 0) << reap.err;
  EXPECT_TRUE(reap.out.starts_with("looked at 0 running jobs: reaped 0")) << reap.out;
}

/// No run has begun when the daemon goes: there is nothing yet to continue, and still something to wait for.
TEST_F(AgainstDaemon, output_is_waited_for_over_a_restart) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const std::string said = daemon.path("said");
  const pid_t follower = ::fork();
  if (follower == 0) {
    const int file = ::open(said.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(file, 1);
    ::dup2(file, 2);
    ::execl(program("pawl").c_str(), "pawl", "log", "1", "-f", "--data", daemon.data().c_str(), nullptr);
    ::_exit(125);
  }
  const auto has_said = [&](const char* words) {
    std::stringstream text;
    text << std::ifstream(said).rdbuf();
    return text.str().find(words) != std::string::npos;
  };
  const auto until = std::chrono::steady_clock::now() + patience;
  int status = 0;
  bool has_ended = false;
  const auto waited_for = [&](const char* words) {
    while (!has_said(words) && std::chrono::steady_clock::now() < until) {
      has_ended = has_ended || ::waitpid(follower, &status, WNOHANG) == follower;
      if (has_ended) return has_said(words);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return has_said(words);
  };
  EXPECT_TRUE(waited_for("waiting for it"));
  daemon.stop(SIGKILL);
  EXPECT_TRUE(waited_for("trying again"));
  daemon.start();
  const std::filesystem::path folder = std::filesystem::path(daemon.data()) / "logs/task-1";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "v1~analysis~gate~20260101T000001.000000Z.log") << "begun at last\n";
  const bool is_shown = waited_for("begun at last");
  EXPECT_TRUE(is_shown);
  if (!is_shown && !has_ended) ::kill(follower, SIGKILL);
  if (!has_ended) ::waitpid(follower, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(AgainstDaemon, output_of_a_task_is_printed_and_what_there_is_is_named) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const Ran none = pawl({"log", "1"});
  EXPECT_EQ(none.exit, 1);
  EXPECT_NE(none.err.find("nothing that ran for task 1 has captured output"), std::string::npos) << none.err;
  EXPECT_EQ(pawl({"log", "1", "--list"}).out, "nothing that ran for it has captured output\n");
  const std::filesystem::path folder = std::filesystem::path(daemon.data()) / "logs/task-1";
  std::filesystem::create_directories(folder / "v1~analysis~gate~20260101T000001.000000Z.log.parts");
  std::ofstream(folder / "v1~analysis~gate~20260101T000001.000000Z.log") << "begun\n";
  std::ofstream(folder / "v1~analysis~gate~20260101T000001.000000Z.log.parts/0000000000002000006") << "over\n";
  std::ofstream(folder / "v1~analysis~step~merge~20260101T000000.000000Z.log") << "merged\n";
  const Ran newest = pawl({"log", "1"});
  EXPECT_EQ(newest.out, "begun\npawl: 2,000,000 bytes are not kept here\nover\n") << newest.err;
  EXPECT_EQ(pawl({"log", "1", "-f"}).out, newest.out) << "the run has ended, so -f does not wait";
  EXPECT_EQ(pawl({"log", "1", "--step", "merge"}).out, "merged\n");
  EXPECT_EQ(pawl({"log", "1", "--run", "v1~analysis~step~merge~20260101T000000.000000Z", "-f"}).out, "merged\n");
  const Ran unknown = pawl({"log", "1", "--stage", "analysys"});
  EXPECT_EQ(unknown.exit, 1);
  EXPECT_NE(unknown.err.find("there is output of gate of analysis, step merge of analysis"), std::string::npos)
      << unknown.err;
  EXPECT_EQ(pawl({"log", "1", "--gate", "--step", "merge"}).exit, 2);
  EXPECT_EQ(pawl({"log", "x"}).exit, 1) << "x is not a task's work item";
  EXPECT_EQ(pawl({"log", "W-1"}).out, newest.out);
  EXPECT_EQ(pawl({"log", "9"}).exit, 1);
  const Ran list = pawl({"log", "1", "--list"});
  EXPECT_TRUE(list.out.starts_with("what  name   stage     version")) << list.out;
  const auto rows = parse_json(pawl({"log", "1", "--list", "--json"}).out);
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->at(0).at("kept").as_int64(), 11);
}

TEST_F(AgainstDaemon, output_of_a_step_comes_before_that_of_the_probe_that_was_asked_about_it) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const std::filesystem::path folder = std::filesystem::path(daemon.data()) / "logs/task-1";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "v1~analysis~gate~20260101T000000.000000Z.log") << "green\n";
  std::ofstream(folder / "v1~analysis~step~merge~20260101T000001.000000Z.log") << "rejected\n";
  std::ofstream(folder / "v1~analysis~probe~merge~20260101T000002.000000Z.log") << "fetched\n";
  const Ran newest = pawl({"log", "1"});
  EXPECT_EQ(newest.out, "rejected\n");
  EXPECT_EQ(newest.err, "pawl: this is the output of the step merge; for its later probe, give --probe merge\n");
  EXPECT_EQ(pawl({"log", "1", "--probe", "merge"}).out, "fetched\n");
  EXPECT_EQ(pawl({"log", "1", "--stage", "analysis"}).out, "fetched\n") << "the newest one that matches";
}

TEST_F(AgainstDaemon, output_that_is_followed_may_not_have_begun_yet) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const std::string command = PAWL_PROGRAM " log 1 -f --data " + daemon.data() + " 2>&1";
  std::FILE* const follower = ::popen(command.c_str(), "r");  // NOLINT(cert-env33-c): read while it runs
  ASSERT_TRUE(follower);
  const auto line = [&] {
    std::array<char, 256> text{};
    return std::string(std::fgets(text.data(), text.size(), follower) ? text.data() : "");
  };
  EXPECT_EQ(line(), "pawl: nothing that ran for task 1 has captured output; waiting for it\n");
  const std::filesystem::path folder = std::filesystem::path(daemon.data()) / "logs/task-1";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "v1~analysis~gate~20260101T000000.000000Z.log") << "green\n";
  EXPECT_EQ(line(), "green\n");
  EXPECT_EQ(::pclose(follower), 0);
  pawl({"submit", "W-2", "--repo", "shop"});
  pawl({"cancel", "2"});
  EXPECT_EQ(pawl({"log", "2", "-f"}).exit, 1) << "the task will never run anything";
}

TEST_F(AgainstDaemon, hold_without_a_place_is_no_list_if_a_hold_was_meant) {
  EXPECT_EQ(pawl({"hold"}).out, "nothing is held\n");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--for", "3h"}, {"--reason", "fair"}}) {
    const Ran ran = pawl({"hold", words[0], words[1]});
    EXPECT_EQ(ran.exit, 2) << ran.out;
    EXPECT_NE(ran.err.find("hold: " + words[0] + " needs a PLACE"), std::string::npos) << ran.err;
  }
}

TEST_F(AgainstDaemon, the_queue_is_shown) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const Ran ran = pawl({"queue"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("live 1: analysis 1; done 0, cancelled 0\n"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("queued 1\njob  item         stage     agent    priority  waits"), std::string::npos)
      << ran.out;
  EXPECT_NE(ran.out.find("a claim  0\n"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("reaper      on, every 60 s, not yet"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("refused none; evicted none\n"), std::string::npos) << ran.out;
  EXPECT_EQ(ran.out.find("running 0"), std::string::npos) << "empty groups are not shown";
  const auto whole = parse_json(pawl({"queue", "--json"}).out);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->at("shares").at("held").at("connections"), 1);
  EXPECT_EQ(whole->at("queued").at(0).at("work_item").as_string(), "W-1");
}

TEST_F(AgainstDaemon, a_switch_that_is_off_is_named_once_with_the_command_that_turns_it_on) {
  pawl({"submit", "W-1", "--repo", "shop"});
  EXPECT_EQ(pawl({"settings", "--actor", "ines", "reaper.enabled=off"}).exit, 0);
  const Ran stuck = pawl({"stuck"});
  EXPECT_TRUE(stuck.out.starts_with("reaper.enabled is off: ")) << stuck.out;
  EXPECT_NE(stuck.out.find(", since 20"), std::string::npos) << stuck.out;
  EXPECT_NE(stuck.out.find(", by ines\n  try: pawl settings reaper.enabled=true\n"), std::string::npos) << stuck.out;
  EXPECT_EQ(pawl({"settings", "reaper.enabled=Yes"}).exit, 0);
  EXPECT_EQ(pawl({"stuck"}).out.find("reaper.enabled"), std::string::npos);
  EXPECT_EQ(pawl({"settings", "pipeline.default=on"}).exit, 1) << "here 'on' is a pipeline's name, not a switch";
}

TEST_F(AgainstDaemon, what_waits_its_turn_is_counted_and_listed_when_asked_for) {
  pawl({"submit", "W-1", "--repo", "shop"});
  pawl({"settings", "queue.max_concurrency=5"});
  pawl({"submit", "W-2", "--repo", "shop", "--depends-on", "W-1"});
  const Ran stuck = pawl({"stuck"});
  EXPECT_NE(stuck.out.find("task 1  W-1 of shop, on analysis: unclaimed"), std::string::npos) << stuck.out;
  EXPECT_NE(stuck.out.find("1 task waits its turn; --all lists it\n"), std::string::npos) << stuck.out;
  EXPECT_EQ(stuck.out.find("W-2"), std::string::npos) << stuck.out;
  EXPECT_NE(pawl({"stuck", "--all"}).out.find("task 2  W-2 of shop, on analysis: dependency"), std::string::npos);
}

TEST_F(AgainstDaemon, a_task_is_named_by_its_work_item_too) {
  pawl({"submit", "W-1", "--repo", "shop"});
  EXPECT_NE(pawl({"task", "W-1"}).out.find("work_item         W-1\n"), std::string::npos);
  EXPECT_EQ(pawl({"note", "W-1", "look"}).exit, 0);
  EXPECT_EQ(pawl({"note", "--work-item", "W-1", "look"}).exit, 0);
  EXPECT_EQ(pawl({"note", "W-1"}).exit, 2);
  EXPECT_EQ(pawl({"note", "W-1", "look", "here"}).exit, 2);
  const Ran none = pawl({"cancel", "W-9"});
  EXPECT_EQ(none.exit, 1);
  EXPECT_EQ(none.err, "pawl: no task has the work item 'W-9'; 'pawl task' lists them\n");
  EXPECT_EQ(pawl({"cancel"}).exit, 2);

  pawl({"submit", "W-1", "--repo", "group/depot"});
  const Ran several = pawl({"cancel", "W-1"});
  EXPECT_EQ(several.exit, 2);
  EXPECT_NE(several.err.find("\n  task 1  shop/W-1  analysis\n  task 2  group/depot/W-1  analysis\n"),
            std::string::npos)
      << several.err;
  EXPECT_EQ(pawl({"cancel", "group/depot/W-1"}).out, "task 2 (W-1 of group/depot): cancelled, version 2\n");
  EXPECT_EQ(pawl({"note", "W-1", "looked at", "--repo", "shop"}).out, "task 1 (W-1 of shop): analysis, version 1\n");
  EXPECT_EQ(pawl({"unblock", "W-1"}).err.find("several"), std::string::npos)
      << "a live task takes precedence over a finished one";

  pawl({"submit", "2", "--repo", "shop"});
  EXPECT_EQ(pawl({"cancel", "2"}).exit, 1) << "a number is an id, and that task is already cancelled";
  EXPECT_EQ(pawl({"cancel", "--work-item", "2"}).out, "task 3 (2 of shop): cancelled, version 2\n");
}

TEST_F(AgainstDaemon, times_are_those_of_the_people_who_read_them) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const auto shown = [&](std::vector<std::string> words) {
    return run_pawl(words, "", {"PAWL_DATA=" + daemon.data(), "TZ=UTC-2"}).out;
  };
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"task"}, {"task", "1"}, {"task", "1", "--history"}, {"jobs"}, {"stuck"}, {"tail", "--no-follow"}}) {
    EXPECT_NE(shown(words).find(" +02:00"), std::string::npos) << words[0] << shown(words);
  }
  EXPECT_EQ(shown({"task", "1", "--json"}).find("+02:00"), std::string::npos);
  EXPECT_EQ(run_pawl({"replay", daemon.data(), "--task", "1"}, "", {"TZ=UTC-2"}).out.find("+02:00"), std::string::npos)
      << "a log is shown as it is";
}

TEST_F(AgainstDaemon, a_pipeline_is_shown_by_its_name_and_attempts_as_tries) {
  pawl({"submit", "W-1", "--repo", "shop"});
  EXPECT_NE(pawl({"task", "1"}).out.find("delivery, as record "), std::string::npos) << pawl({"task", "1"}).out;
  EXPECT_NE(pawl({"jobs"}).out.find("queued  0 of 2 "), std::string::npos) << pawl({"jobs"}).out;
}

TEST(WithGate, an_advance_that_ends_red_is_refused) {
  const Daemon daemon("name: delivery\nstages: [{name: check, gate: {run: 'echo no; exit 1'}, to: done}]\n");
  const std::vector<std::string> environment = {"PAWL_DATA=" + daemon.data()};
  ASSERT_EQ(run_pawl({"submit", "W-1", "--repo", "shop"}, "", environment).exit, 0);
  // Its own finalizer runs the gate too, and holds the lease meanwhile.
  Ran ran = run_pawl({"advance", "W-1"}, "", environment);
  const auto until = std::chrono::steady_clock::now() + patience;
  while (ran.out.starts_with("deferred") && std::chrono::steady_clock::now() < until) {
    ran = run_pawl({"advance", "W-1"}, "", environment);
  }
  EXPECT_TRUE(ran.out.starts_with("gate_red (no): task 1 ")) << ran.out << ran.err;
  EXPECT_EQ(ran.exit, 1);
}

}  // namespace
}  // namespace pawl
