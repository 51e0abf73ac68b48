// Who is served before whom, in words.
#include "engine/policies/turns.h"

#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

class TurnsTold : public Rules {
 protected:
  TaskId create_with(std::int64_t priority) {
    fb::TaskCreatedT event = task_created("W-" + std::to_string(raw(state.last_seq)) + "-of-its-own");
    event.priority = priority;
    return TaskId{effects_of(must(event)).at(0).id};
  }
  std::string words(TaskId id, const std::function<bool(const Job&)>& is_shown = {}) {
    return in_words(state, jobs_ahead_of(state, job(job_of(id)), now, is_shown));
  }
};

TEST_F(TurnsTold, of_a_claim_the_jobs_of_its_agent_count) {
  const TaskId plain = create();
  EXPECT_EQ(words(plain), "it is next");
  create("development");
  const TaskId low = create_with(-1);
  EXPECT_EQ(words(low), "1 job is ahead: job 1 of task 1");
  create_with(5);
  EXPECT_EQ(words(plain), "1 job is ahead: job 4 of task 4 (priority 5)");
  EXPECT_EQ(words(low), "2 jobs are ahead: job 4 of task 4 (priority 5), job 1 of task 1");
  EXPECT_EQ(turns_of_jobs(state, now, 100),
            (std::map<JobId, std::size_t>{{JobId{1}, 1}, {JobId{2}, 0}, {JobId{3}, 2}, {JobId{4}, 0}}));
}

TEST_F(TurnsTold, three_are_named_and_the_others_only_if_they_may_be) {
  for (int i = 0; i < 4; ++i) create();
  const TaskId last = create();
  EXPECT_EQ(words(last), "4 jobs are ahead: job 1 of task 1, job 2 of task 2, job 3 of task 3 and others");
  EXPECT_EQ(words(last, [](const Job& job) { return job.id == JobId{2}; }),
            "4 jobs are ahead: job 2 of task 2 and others");
  EXPECT_EQ(words(last, [](const Job&) { return false; }), "4 jobs are ahead");
}

TEST_F(TurnsTold, who_waits_for_something_else_is_not_ahead) {
  fb::HoldPlacedT hold;
  hold.place = task_key(create());
  must(hold);
  EXPECT_EQ(words(create()), "it is next");
}

TEST_F(TurnsTold, behind_the_serial_gate_the_jobs_of_the_repository_count) {
  set("queue.serial_per_repo", true);
  claim(create());
  create("development");
  create("analysis", "web");
  const TaskId last = create();
  EXPECT_EQ(words(last), "1 job is ahead: job 2 of task 2");
  EXPECT_EQ(turns_of_jobs(state, now, 100),
            (std::map<JobId, std::size_t>{{JobId{2}, 0}, {JobId{3}, 0}, {JobId{4}, 1}}));
}

TEST_F(TurnsTold, of_a_slot_the_jobs_of_every_agent_count) {
  set("queue.max_concurrency", std::int64_t{1});
  claim(create());
  create("development");
  EXPECT_EQ(words(create()), "1 job is ahead: job 2 of task 2");
}

TEST_F(TurnsTold, a_long_queue_is_not_counted_to_its_end) {
  for (int i = 0; i < 150; ++i) create();
  EXPECT_EQ(words(create()),
            "at least 100 jobs are ahead: job 1 of task 1, job 2 of task 2, job 3 of task 3 and others");
  EXPECT_EQ(turns_of_jobs(state, now, 10).size(), 10U);
}

}  // namespace
}  // namespace pawl
