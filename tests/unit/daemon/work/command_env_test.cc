// The variables that `env` gives to commands: their sources, their precedence, and who can see them.
#include "daemon/work/command_env.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "engine/policies/stuck.h"
#include "schema/json/record_json.h"
#include "tests/unit/daemon/work/executor_stage.h"

namespace pawl {
namespace {

/// A process with a made-up environment and made-up files.
class CommandEnvTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/pawl-env-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    system_.emplace(RealSystem::Options{.data_folder = name});
    ::setenv("PAWL_TEST_VARIABLE", "of the daemon", 1);
  }
  void TearDown() override {
    ::unsetenv("PAWL_TEST_VARIABLE");
    fs::remove_all(folder_);
  }
  Variable of_file(const std::string& content) {
    std::ofstream(folder_ / "file", std::ios::binary) << content;
    return {.name = "X", .file = (folder_ / "file").string()};
  }
  Result<CommandEnv> read(const Variables& one, const Variables& two = {}, const Variables& three = {}) {
    const std::array<const Variables*, 3> layers = {&one, &two, &three};
    return read_env(*system_, layers);
  }
  std::string why(const Variables& variables) {
    const Result<CommandEnv> env = read(variables);
    return env ? "" : env.error().message;
  }
  std::string path() const { return (folder_ / "file").string(); }

  fs::path folder_;
  std::optional<RealSystem> system_;
};

TEST_F(CommandEnvTest, a_later_layer_counts_more) {
  const Variable low{.name = "X", .value = "pipeline"};
  const Variable middle{.name = "X", .value = "stage"};
  const Variable high{.name = "X", .value = "command"};
  EXPECT_EQ(read({low}, {middle}, {high})->values.at("X"), "command");
  EXPECT_EQ(read({low}, {middle})->values.at("X"), "stage");
  EXPECT_EQ(read({low})->values.at("X"), "pipeline");
}

TEST_F(CommandEnvTest, only_what_is_not_written_in_the_definition_is_a_secret) {
  const Result<CommandEnv> env = read(
      {{.name = "LITERAL", .value = "shown"}, of_file("hidden"), {.name = "OWN", .from_daemon = "PAWL_TEST_VARIABLE"}});
  ASSERT_TRUE(env);
  EXPECT_EQ(env->secrets, (std::vector<std::string>{"OWN", "X"}));
  EXPECT_EQ(env->values.at("OWN"), "of the daemon");
  // A literal that overrides a file is not a secret, and the file is not even read.
  EXPECT_TRUE(read({{.name = "X", .file = "/none"}}, {{.name = "X", .value = "shown"}})->secrets.empty());
}

TEST_F(CommandEnvTest, one_line_end_is_cut_off_a_file) {
  EXPECT_EQ(read({of_file("secret\n")})->values.at("X"), "secret");
  EXPECT_EQ(read({of_file("two\nlines\n\n")})->values.at("X"), "two\nlines\n");
  EXPECT_EQ(read({of_file("")})->values.at("X"), "");
}

TEST_F(CommandEnvTest, what_cannot_be_had_is_named) {
  EXPECT_EQ(why({{.name = "X", .file = path()}}), "X: " + path() + ": No such file or directory");
  EXPECT_EQ(why({{.name = "X", .from_daemon = "PAWL_TEST_NONE"}}),
            "X: pawld's environment has no variable PAWL_TEST_NONE");
  ::setenv("PAWL_TEST_VARIABLE", std::string(value_bytes_max + 1, 'x').c_str(), 1);
  EXPECT_EQ(why({{.name = "X", .from_daemon = "PAWL_TEST_VARIABLE"}}),
            "X: PAWL_TEST_VARIABLE in pawld's environment is longer than 65536 bytes");
  EXPECT_EQ(why({of_file(std::string("a\0b", 3))}), "X: " + path() + ": contains a NUL byte");
  EXPECT_EQ(why({of_file(std::string(value_bytes_max, 'x'))}), "");
  EXPECT_EQ(why({of_file(std::string(value_bytes_max + 1, 'x'))}), "X: " + path() + ": is longer than 65536 bytes");
  EXPECT_EQ(why({{.name = "X", .file = folder_.string()}}),
            "X: " + folder_.string() + ": is a folder, but must be a regular file");
  fs::remove(path());
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_NE(why({{.name = "X", .file = path()}}).find("X: " + path() + ": is a pipe"), std::string::npos)
      << "it does not wait for a writer";
}

TEST_F(CommandEnvTest, a_value_takes_the_place_of_one_of_its_name) {
  std::vector<std::string> environment = {"PATH=/bin", "HOME=/root"};
  put_into(environment, *read({{.name = "PATH", .value = "/opt/bin"}, {.name = "CI", .value = "1"}}));
  EXPECT_EQ(environment, (std::vector<std::string>{"HOME=/root", "CI=1", "PATH=/opt/bin"}));
}

constexpr const char* with_secrets = R"(name: test
env:
  LEVEL: pipeline
  LOW: pipeline
agents:
  worker: {run: 'echo "agent $LEVEL $LOW $TOKEN"', env: {LEVEL: agent}, timeout_s: 60}
stages:
  - name: work
    agent: worker
    env:
      LEVEL: stage
      LOW: stage
      TOKEN: {file: $1/token}
    gate: {run: 'echo "gate $LEVEL $LOW $TOKEN"', timeout_s: 60}
    to: out
  - name: out
    to: done
    steps:
      - {name: deploy, run: 'echo "deploy $LEVEL $TOKEN"; exit 3', probe: 'echo "probe $LEVEL $TOKEN"', timeout_s: 60,
         irreversible: true, env: {LEVEL: step, TOKEN: {file: $1/other}}}
)";

class EnvOfCommands : public ExecutorTest {
 protected:
  void SetUp() override {
    ExecutorTest::SetUp();
    put("token", "correct-horse-battery\n");
    put("other", "hunter2hunter2\n");
  }
  void put(const std::string& name, const std::string& content) { std::ofstream(at(name)) << content; }

  /// Everything printed by one kind of command.
  std::string printed(const std::string& kind) {
    std::string text;
    for (const auto& entry : fs::recursive_directory_iterator(at("data/logs"))) {
      if (entry.is_regular_file() && entry.path().string().find(kind) != std::string::npos) {
        text += contents(entry.path());
      }
    }
    return text;
  }
  /// All records, as they are exported.
  std::string exported() {
    std::string text;
    EXPECT_TRUE(log_->read(Seq{1}, [&](RecordBytes bytes) {
      append_record_json(text, *fb::GetRecord(bytes.data()), "[]");
      return true;
    }));
    return text;
  }
};

TEST_F(EnvOfCommands, each_command_gets_its_own_over_its_stages_over_its_pipelines_and_no_secret_is_seen) {
  define(with_secrets);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(reaches(id, "done"));
  EXPECT_EQ(printed("/job-"), "agent agent stage ***\n");
  EXPECT_EQ(printed("gate"), "gate stage stage ***\n");
  EXPECT_EQ(printed("step~"), "deploy step ***\n");
  EXPECT_EQ(printed("probe"), "probe step ***\n");
  const std::string records = exported();
  EXPECT_EQ(records.find("correct-horse"), std::string::npos);
  EXPECT_EQ(records.find("hunter2"), std::string::npos);
  EXPECT_NE(records.find("gate stage stage ***"), std::string::npos) << "the reason of the gate";
}

TEST_F(EnvOfCommands, a_job_is_not_claimed_before_its_variables_can_be_had) {
  fs::remove(at("token"));
  set("reconciler.interval_s", 86400);  // so that it is retried because it is due, not because of a pass
  define(with_secrets);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return count(fb::Event::TaskNote) == 1; }));
  EXPECT_EQ(job(1)->attempts, 0u);
  EXPECT_EQ(count(fb::Event::JobClaimed), 0u);
  const std::string words = "TOKEN: " + at("token").string() + ": No such file or directory";
  EXPECT_NE(exported().find("its command waits for the variable " + words), std::string::npos);
  const auto stuck = sequencer_->ask([&](const State& state) {
    return why_stuck(state, *state.tasks.find(id), sequencer_->now(),
                     {.missing_variable = [&](TaskId task) { return executor_->missing_variable(task); }});
  });
  ASSERT_TRUE(stuck);
  EXPECT_EQ(stuck->reason, "variable_missing");
  EXPECT_NE(stuck->detail.find(words), std::string::npos) << stuck->detail;

  put("token", "correct-horse-battery\n");
  ASSERT_TRUE(reaches(id, "done")) << "by itself";
  EXPECT_EQ(count(fb::Event::JobClaimed), 1u);
  EXPECT_FALSE(executor_->missing_variable(id));
  EXPECT_EQ(count(fb::Event::TaskNote), 1u) << "only one note, however often it was tried";
  EXPECT_EQ(variable_alerts(), std::vector<std::string>{words});
}

TEST_F(EnvOfCommands, no_lease_is_taken_and_no_step_begun_before_its_variables_can_be_had) {
  fs::remove(at("other"));
  set("reconciler.interval_s", 86400);
  define(with_secrets);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(reaches(id, "out"));
  ASSERT_TRUE(comes_true([&] { return count(fb::Event::TaskNote) == 1; }));
  EXPECT_EQ(count(fb::Event::StepStarted), 0u);
  const std::size_t leases = count(fb::Event::LeaseAcquired);
  AdvanceAnswer answer{};
  // The daemon may itself hold it for a moment, to check whether the variable is available.
  ASSERT_TRUE(comes_true([&] {
    std::promise<AdvanceAnswer> answered;
    executor_->advance({.task = id, .version = task(id)->version, .requester = requester("operator")},
                       [&](AdvanceAnswer got) { answered.set_value(std::move(got)); });
    answer = answered.get_future().get();
    return answer.awaited != Awaited::path;
  }));
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_TRUE(answer.reason.starts_with("variable_missing: TOKEN: ")) << answer.reason;
  EXPECT_EQ(answer.awaited, Awaited::variable);
  EXPECT_EQ(count(fb::Event::LeaseAcquired), leases);
  EXPECT_TRUE(task(id)->blocked.empty());
  put("other", "hunter2hunter2\n");
  ASSERT_TRUE(reaches(id, "done")) << "by itself";
  EXPECT_EQ(count(fb::Event::StepStarted), 1u);
}

}  // namespace
}  // namespace pawl
