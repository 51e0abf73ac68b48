#include "tests/unit/tools/sample_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "store/chain.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

Requester requester(const std::string& actor) {
  return {.boot = "boot-1", .actor = actor, .key = {}, .request = {}};
}

std::unique_ptr<fb::OwnerT> owner() {
  auto owner = std::make_unique<fb::OwnerT>();
  owner->boot_id = "boot-1";
  owner->pid = 7;
  owner->actor = "worker";
  return owner;
}

fb::StageTransitionT transition(std::uint64_t task, const std::string& to, std::uint64_t version) {
  fb::StageTransitionT event;
  event.task = task;
  event.to = to;
  event.expected_version = version;
  return event;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

/// A pipeline of two stages without guarded edges.
fb::PipelineDefinedT short_pipeline() {
  Pipeline pipeline;
  pipeline.name = "short";
  pipeline.agents.push_back({.name = "builder", .run = {"./build", "--fast"}});
  pipeline.stages.push_back(
      {.name = "build", .agent = "builder", .gate = {}, .to = "ship", .steps = {}, .rollback = ""});
  pipeline.stages.push_back(
      {.name = "ship", .agent = "builder", .gate = {}, .to = "done", .steps = {}, .rollback = "build"});
  return pipeline_event(pipeline);
}

}  // namespace

TestFolder::TestFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "pawl-tools-XXXXXX").string();
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  root_ = name;
}

TestFolder::~TestFolder() {
  std::error_code failed;
  std::filesystem::remove_all(root_, failed);
}

std::string TestFolder::file(const std::string& name, const std::string& content) const {
  std::ofstream(path(name), std::ios::binary) << content;
  return path(name);
}

SampleLog::SampleLog(const std::string& dir, std::int64_t concurrency) : now_{1'767'225'600 * us_per_s} {
  auto opened = RocksLog::open(dir, RocksLog::Mode::write);
  EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
  log_ = std::move(*opened);
  tell(concurrency);
}

Seq SampleLog::propose(Group group) {
  const Seq first = next(state_.last_seq);
  now_ = plus_s(now_, 1);
  Decided decided = decide(state_, std::move(group), now_);
  Batch batch;
  for (Proposal& record : decided.records) {
    chain_ = stamp_chain(chain_, record);
    batch.records.emplace_back(record.data(), record.size());
  }
  for (const ArchivedTask& archived : decided.archived) {
    batch.archived.push_back(pack_archived(archived, state_.last_seq));
  }
  const auto appended = log_->append(batch, first);
  EXPECT_TRUE(appended) << (appended ? "" : appended.error().message);
  return state_.last_seq;
}

void SampleLog::tell(std::int64_t concurrency) {
  fb::BootStartedT boot;
  boot.name = "pawld";
  boot.boot_id = "boot-1";
  boot.pid = 1;
  boot.host = "host";
  boot.version = "0.1.0";
  propose(propose_group(requester("pawld"), boot));
  propose(propose_group(requester("pawld"), pipeline_event(default_pipeline())));
  propose(propose_group(requester("operator"), short_pipeline()));
  fb::SettingChangedT setting;
  setting.key = "queue.max_concurrency";
  setting.value = std::make_unique<fb::SettingValueT>(setting_value_event(SettingValue{concurrency}));
  propose(propose_group(requester("operator"), setting));
  for (const std::string item : {"W-1", "W-2", "W-\"3\", grün"}) {
    fb::TaskCreatedT task;
    task.work_item = item;
    task.repo = "shop";
    task.pipeline = "short";
    Requester webhook = requester("webhook");
    webhook.key = "hook-" + item;
    webhook.request = 0xABC;
    propose(propose_group(webhook, task));
  }
  deliver(1);
  propose(propose_group(requester("reaper"), transition(2, "ship", 9)));  // a lost race
  fb::CancelRequestedT cancel;
  cancel.task = 2;
  propose(propose_group(requester("operator"), cancel));
  fb::TaskBlockedT block;
  block.task = 3;
  block.version = 1;
  block.reason = "waiting for a word";
  propose(propose_group(requester("operator"), block));
}

void SampleLog::deliver(std::uint64_t task) {
  for (std::uint64_t version = 1; version <= 2; ++version) {
    std::uint64_t job = 0;
    for (const auto& [id, row] : state_.jobs.rows()) {
      if (row.task == TaskId{task} && row.status == JobStatus::queued) job = raw(id);
    }
    fb::JobClaimedT claim;
    claim.job = job;
    claim.owner = owner();
    propose(propose_group(requester("worker"), claim));
    fb::RunExitedT exited;
    exited.job = job;
    exited.attempt = 1;
    propose(propose_group(requester("worker"), exited));
    fb::JobFinishedT finished;
    finished.job = job;
    finished.attempt = 1;
    finished.result = fb::JobResult::done;
    propose(propose_group(requester("monitor"), transition(task, version == 1 ? "ship" : "done", version), finished));
  }
}

std::string program(const std::string& name) {
  if (const char* folder = std::getenv("PAWL_TEST_PROGRAMS")) return std::string(folder) + "/" + name;
  return name == "pawl" ? PAWL_PROGRAM : PAWLD_PROGRAM;
}

Ran run_pawl(const std::vector<std::string>& words, const std::string& input,
             const std::vector<std::string>& environment) {
  const TestFolder folder;
  const std::string in = folder.file("in", input);
  const std::string out = folder.path("out");
  const std::string err = folder.path("err");
  const pid_t child = ::fork();
  if (child == 0) {
    for (const char* name : {"PAWL_DATA", "PAWL_SOCKET", "PAWL_URL", "PAWL_TOKEN_FILE", "PAWL_CACERT", "PAWL_CERT",
                             "PAWL_KEY", "http_proxy", "https_proxy", "all_proxy"}) {
      ::unsetenv(name);
    }
    ::setenv("XDG_CONFIG_HOME", folder.path("config").c_str(), 1);  // not that of the user who runs the tests
    for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
    ::dup2(::open(in.c_str(), O_RDONLY), 0);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), 2);
    std::vector<char*> arguments = {const_cast<char*>("pawl")};
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execv(program("pawl").c_str(), arguments.data());
    ::_exit(125);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), content_of(out), content_of(err)};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace pawl
