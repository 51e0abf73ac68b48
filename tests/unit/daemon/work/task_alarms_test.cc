// When tasks are tried again although no record says so.
#include "daemon/work/task_alarms.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

Deadline at(int s) {
  return Deadline{} + std::chrono::seconds(s);
}

TEST(TaskAlarms, come_in_order_once_and_the_last_time_of_a_task_counts) {
  TaskAlarms alarms;
  EXPECT_EQ(alarms.next(at(99)), at(99));
  alarms.set(TaskId{1}, at(30));
  alarms.set(TaskId{2}, at(20));
  alarms.set(TaskId{1}, at(10));
  EXPECT_EQ(alarms.next(at(99)), at(10));
  EXPECT_EQ(alarms.take_due(at(9)), std::nullopt);
  EXPECT_EQ(alarms.take_due(at(10)), TaskId{1});
  EXPECT_EQ(alarms.take_due(at(10)), std::nullopt);
  EXPECT_EQ(alarms.next(at(99)), at(20));
  EXPECT_EQ(alarms.take_due(at(40)), TaskId{2});
  EXPECT_EQ(alarms.take_due(at(40)), std::nullopt) << "the first time of task 1 was replaced";
}

TEST(TaskAlarms, all_can_be_due_at_once) {
  TaskAlarms alarms;
  alarms.set(TaskId{1}, at(30));
  alarms.set(TaskId{2}, at(20));
  alarms.ring_all();
  EXPECT_EQ(alarms.take_due(at(0)), TaskId{1});
  EXPECT_EQ(alarms.take_due(at(0)), TaskId{2});
  EXPECT_EQ(alarms.take_due(at(0)), std::nullopt);
}

}  // namespace
}  // namespace pawl
