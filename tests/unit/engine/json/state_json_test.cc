#include "engine/json/state_json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "schema/json/read_json.h"
#include "schema/json/record_json.h"

namespace pawl {
namespace {

constexpr TimeUs noon{1781524800'000001};

template <class Row>
std::string json_of(const Row& row) {
  std::string out;
  append_json(out, row);
  return out;
}

Task task_12() {
  Task task;
  task.id = TaskId{12};
  task.work_item = "W-\"1\"";
  task.repo = "shop";
  task.pipeline = Seq{2};
  task.stage = "deploy-staging";
  task.version = Version{5};
  task.depends_on = {TaskId{3}, TaskId{4}};
  task.steps = {{Version{5}, "deploy", "merge", Seq{40}, "run-1", true, StepState::did_not_happen, "b-1"}};
  task.gate = GateRow{Version{5}, "deploy-staging", std::nullopt, "timed out", Seq{39}};
  task.last = {Seq{30}, "b-1", "monitor"};
  task.created = noon;
  task.entered = noon;
  return task;
}

Job job_of(std::uint64_t id) {
  Job job;
  job.id = JobId{id};
  job.task = TaskId{12};
  job.agent = "deployer";
  job.stage = "testing";
  job.version = Version{4};
  job.queued = noon;
  return job;
}

TEST(StateJson, a_task_shows_what_is_absent_as_null) {
  EXPECT_EQ(
      json_of(task_12()),
      R"({"id":12,"work_item":"W-\"1\"","repo":"shop","branch":null,"pipeline":2,"stage":"deploy-staging",)"
      R"("version":5,"blocked":null,"cancel_requested":null,"rollbacks":0,"depends_on":[3,4],)"
      R"("steps":[{"version":5,"to":"deploy","step":"merge","started":40,"irreversible":true,)"
      R"("state":"did_not_happen","boot":"b-1","in_doubt":null,"ended_at":null,"reason":null,"token":null,"principal":null,"not_done":null,"late":null}],)"
      R"("gate":{"version":5,"gate":"deploy-staging","passed":null,"reason":"timed out","seq":39,"later":null,"head":null},)"
      R"("last":{"seq":30,"boot":"b-1","actor":"monitor"},"created_at":"2026-06-15T12:00:00.000001Z",)"
      R"("entered_at":"2026-06-15T12:00:00.000001Z","lost_dependency":null,"keep_branch":null,"branch_head":null,)"
      R"("branch_begun":null,"red":null,"principal":null,"let_through":null,"approval":null})");
}

TEST(StateJson, a_queued_job_has_no_pid) {
  EXPECT_EQ(json_of(job_of(7)),
            R"({"id":7,"task":12,"agent":"deployer","stage":"testing","version":4,"status":"queued","attempts":0,)"
            R"("max_attempts":0,"interruptions":0,"reason":null,"run":null,"queued_at":"2026-06-15T12:00:00.000001Z",)"
            R"("not_before_at":null,"previous":null,"returned":null,"pid":null,"exit_code":null})");
}

TEST(StateJson, a_running_job_has_the_pid_of_its_attempt) {
  Job job = job_of(7);
  job.status = JobStatus::running;
  job.run = pawl::Run{};
  job.run->owner = {"b-1", 9, "worker"};
  job.run->pid = 4242;
  job.run->exit_code = 0;
  const std::string json = json_of(job);
  EXPECT_NE(json.find(R"("status":"running")"), std::string::npos);
  EXPECT_NE(json.find(R"("owner":{"boot_id":"b-1","pid":9,"actor":"worker"})"), std::string::npos);
  EXPECT_NE(
      json.find(
          R"("started_at":null,"exit_code":0,"exited_at":null,"marked":false,"exit_seq":null,"ttl":null,"renewed_at":null})"),
      std::string::npos);
  EXPECT_TRUE(json.ends_with(R"("pid":4242,"exit_code":0})")) << json;
}

TEST(StateJson, a_job_shows_what_an_attempt_left_behind_and_whose_it_is) {
  Job job = job_of(7);
  job.previous = Previous{.attempt = 1, .pid = 42, .pid_start = 5, .host = "here"};
  EXPECT_NE(json_of(job).find(R"("pid_start":5,"host":"here","worker_pid":null,"worker_pid_start":null})"),
            std::string::npos);
  job.previous->worker_pid = 7;
  job.previous->worker_pid_start = 0;
  EXPECT_NE(json_of(job).find(R"("worker_pid":7,"worker_pid_start":0})"), std::string::npos);
}

TEST(StateJson, leases_and_boots_are_objects) {
  Lease lease{"task:12", Token{30}, {"b-1", 9, "monitor"}, "", std::nullopt, noon, noon};
  EXPECT_EQ(json_of(lease),
            R"({"key":"task:12","token":30,"owner":{"boot_id":"b-1","pid":9,"actor":"monitor"},"edge":null,"ttl":null,)"
            R"("acquired_at":"2026-06-15T12:00:00.000001Z","renewed_at":"2026-06-15T12:00:00.000001Z"})");
  lease.ttl_s = 1800;
  EXPECT_NE(json_of(lease).find(R"("ttl":1800,)"), std::string::npos);
  EXPECT_EQ(json_of(Boot{"b-1", "pawld", 1, -2, "host", "0.1.0", Seq{1}, true}),
            R"({"boot_id":"b-1","name":"pawld","pid":1,"pid_start":-2,"host":"host","version":"0.1.0","started":1,)"
            R"("stale":true,"member":null,"time_ns":null,"boottime":null,"started_at":null,"principal":null})");
}

TEST(StateJson, a_pipeline_without_commands_shows_null_for_them) {
  const PipelineRow row{Seq{2}, true, std::make_shared<const Pipeline>(default_pipeline())};
  const std::string json = json_of(row);
  EXPECT_TRUE(json.starts_with(R"({"seq":2,"in_force":true,"definition":{"name":"delivery","agents":[{"name":)"));
  EXPECT_NE(json.find(R"("run":null,"timeout_s":1800)"), std::string::npos);
  EXPECT_NE(json.find(R"("not_done_exit_codes":[])"), std::string::npos);
}

TEST(StateJson, settings_are_one_flat_object_in_the_order_of_their_names) {
  const std::string json = json_of(Settings{});
  EXPECT_NE(json.find(R"("ownership.repos":[])"), std::string::npos);
  const auto read = parse_json(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->get_object().size(), setting_keys().size());  // SPEC §10
  std::string before;
  for (const auto& member : read->get_object()) {
    const std::string name(member.key().data(), member.key().size());
    EXPECT_LT(before, name);
    before = name;
  }
}

TEST(StateJson, effects_have_the_fields_of_their_kind) {
  const Effects all = {{.kind = EffectKind::task, .id = 1},
                       {.kind = EffectKind::job_queued, .id = 2},
                       {.kind = EffectKind::job_cancelled, .id = 3},
                       {.kind = EffectKind::lease_granted, .text = "task:1", .token = 4},
                       {.kind = EffectKind::lease_freed, .text = "task:1", .token = 4},
                       {.kind = EffectKind::blocked, .id = 5, .text = "outcome_unknown"},
                       {.kind = EffectKind::end_group, .id = 6, .pid = 77},
                       {.kind = EffectKind::alert, .text = "blocked"}};
  EXPECT_EQ(json_of(all),
            R"([{"effect":"task","id":1},{"effect":"job_queued","id":2},{"effect":"job_cancelled","id":3},)"
            R"({"effect":"lease_granted","key":"task:1","token":4},{"effect":"lease_freed","key":"task:1","token":4},)"
            R"({"effect":"blocked","task":5,"reason":"outcome_unknown"},{"effect":"end_group","job":6,"pid":77},)"
            R"({"effect":"alert","reason":"blocked"}])");
  EXPECT_EQ(json_of(Effects{}), "[]");
}

TEST(StateJson, a_record_line_bears_its_effects) {
  const Proposal proposal = propose({"b-1", "operator", "", {}}, fb::TaskCancelledT{});
  std::string line;
  append_record_line(line, proposal.record(), {{.kind = EffectKind::alert, .text = "x"}});
  EXPECT_NE(line.find(R"(,"effects":[{"effect":"alert","reason":"x"}],"digest":)"), std::string::npos) << line;
  EXPECT_TRUE(read_record_line(line));
}

std::string state_json(const State& state, const EachArchived& archived) {
  std::string out;
  const auto written = write_state_json(state, archived, [&](std::string_view piece) { out += piece; });
  EXPECT_TRUE(written);
  return out;
}

std::string ids_of(const boost::json::value& state, const char* list) {
  std::string ids;
  for (const auto& row : state.at(list).as_array()) ids += std::to_string(row.at("id").as_int64()) + " ";
  return ids;
}

TEST(StateJson, a_fresh_state_is_written_whole) {
  const State state;
  const auto read = parse_json(state_json(state, {}));
  ASSERT_TRUE(read) << read.error().message;
  std::string keys;
  for (const auto& member : read->get_object()) keys += std::string(member.key()) + " ";
  EXPECT_EQ(keys, "seq digest tasks jobs leases boots settings ");
}

TEST(StateJson, archived_tasks_stand_among_the_others) {
  State state;
  for (const std::uint64_t id : {2U, 5U}) {
    Task task = task_12();
    task.id = TaskId{id};
    state.tasks.load(task.id, task);
  }
  state.jobs.load(JobId{8}, job_of(8));
  const auto archived = [](const std::function<void(const ArchivedTask&)>& each) -> Result<void> {
    for (const std::uint64_t id : {1U, 3U, 9U}) {
      Task task = task_12();
      task.id = TaskId{id};
      each({task, {job_of(id * 10), job_of(id * 10 + 1)}});
    }
    return {};
  };
  const auto all = parse_json(state_json(state, archived));
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(ids_of(*all, "tasks"), "1 2 3 5 9 ");
  EXPECT_EQ(ids_of(*all, "jobs"), "8 10 11 30 31 90 91 ");
  const auto live = parse_json(state_json(state, {}));
  ASSERT_TRUE(live);
  EXPECT_EQ(ids_of(*live, "tasks"), "2 5 ");
}

TEST(StateJson, an_archive_that_cannot_be_read_is_an_error) {
  const auto broken = [](const std::function<void(const ArchivedTask&)>&) -> Result<void> {
    return Error{ErrorCode::damaged, "archived task 3"};
  };
  const auto written = write_state_json(State(), broken, [](std::string_view) {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, "archived task 3");
}

}  // namespace
}  // namespace pawl
