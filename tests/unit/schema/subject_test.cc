#include "schema/subject.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "schema/event.h"
#include "schema/proposal.h"

namespace pawl {
namespace {

const Requester requester{.boot = "b", .actor = "a", .key = {}, .request = {}};

std::unique_ptr<fb::OwnerT> owner() {
  auto owner = std::make_unique<fb::OwnerT>();
  owner->boot_id = "w-1";
  owner->actor = "worker";
  return owner;
}

TEST(Subject, of_an_event_with_a_task_or_a_job_is_that) {
  fb::StageTransitionT transition;
  transition.task = 12;
  transition.to = "review";
  transition.token = 8;
  const Proposal moved = propose(requester, transition);
  EXPECT_EQ(subject_of(moved.record()).task, TaskId{12});
  EXPECT_EQ(subject_of(moved.record()).token, Token{8});
  EXPECT_EQ(subject_of(moved.record()).job, std::nullopt);

  fb::JobClaimedT claim;
  claim.job = 7;
  claim.owner = owner();
  const Proposal claimed = propose(requester, claim);
  const Subject subject = subject_of(claimed.record());
  EXPECT_EQ(subject.job, JobId{7});
  EXPECT_EQ(subject.task, std::nullopt);
  ASSERT_NE(subject.owner, nullptr);
  EXPECT_EQ(subject.owner->boot_id()->string_view(), "w-1");
}

TEST(Subject, of_a_lease_is_its_key_and_the_task_of_its_key) {
  fb::LeaseAcquiredT lease;
  lease.owner = owner();
  const auto task_with = [&](const std::string& key) {
    lease.key = key;
    const Proposal acquired = propose(requester, lease);
    const Subject subject = subject_of(acquired.record());
    EXPECT_EQ(subject.lease, key);
    EXPECT_EQ(subject.task, std::nullopt) << "it has no field of that name";
    return task_of(subject);
  };
  EXPECT_EQ(task_with("task:3"), TaskId{3});
  EXPECT_EQ(task_with("task:x"), TaskId{0});
  EXPECT_EQ(task_with("repo:shop"), std::nullopt);
}

TEST(Subject, of_what_belongs_to_no_task_is_its_name) {
  fb::BootStartedT boot;
  boot.name = "worker";
  boot.boot_id = "w-1";
  EXPECT_EQ(subject_of(propose(requester, boot).record()).boot, "worker");
  fb::BootEndedT ended;
  ended.boot_id = "w-1";
  EXPECT_EQ(subject_of(propose(requester, ended).record()).boot, "w-1");
  fb::PipelineDefinedT pipeline;
  pipeline.name = "delivery";
  EXPECT_EQ(subject_of(propose(requester, pipeline).record()).pipeline, "delivery");
  fb::SettingChangedT setting;
  setting.key = "task:1";
  setting.value = std::make_unique<fb::SettingValueT>();
  const Proposal set = propose(requester, setting);
  EXPECT_EQ(subject_of(set.record()).setting, "task:1");
  EXPECT_EQ(task_of(subject_of(set.record())), std::nullopt);
  fb::TaskCreatedT created;
  created.repo = "shop";
  created.work_item = "W-1";
  const Proposal task = propose(requester, created);
  EXPECT_EQ(subject_of(task.record()).repo, "shop");
  EXPECT_EQ(subject_of(task.record()).work_item, "W-1");
  EXPECT_EQ(task_of(subject_of(task.record())), std::nullopt) << "it gets its id only when it is accepted";
}

TEST(Subject, every_field_that_is_called_task_or_job_has_to_be_known) {
  for (const fb::Event event : fb::EnumValuesEvent()) {
    if (event == fb::Event::NONE) continue;
    const auto known = known_fields(event);
    for (const FieldLayout& field : layout_of(event)->fields) {
      if (field.name != "task" && field.name != "job") continue;
      const bool found = std::any_of(known.begin(), known.end(), [&](const auto& at) { return at.field == &field; });
      EXPECT_TRUE(found) << fb::EnumNameEvent(event) << ' ' << field.name;
    }
  }
  EXPECT_TRUE(known_fields(fb::Event::NONE).empty());
  EXPECT_TRUE(known_fields(static_cast<fb::Event>(200)).empty());
}

TEST(Subject, what_has_to_be_known_stands_in_the_order_of_its_checks) {
  const auto names = [](fb::Event event) {
    std::vector<std::string> found;
    for (const KnownField& known : known_fields(event)) found.push_back(known.field->name);
    return found;
  };
  EXPECT_EQ(names(fb::Event::LeaseAcquired), (std::vector<std::string>{"key", "owner"}));
  EXPECT_EQ(names(fb::Event::JobClaimed), (std::vector<std::string>{"job", "owner"}));
  EXPECT_EQ(names(fb::Event::TaskCreated), (std::vector<std::string>{"depends_on"}));
  EXPECT_EQ(names(fb::Event::BootEnded), (std::vector<std::string>{"boot_id"}));
  EXPECT_EQ(names(fb::Event::BootStarted), std::vector<std::string>());
  EXPECT_EQ(names(fb::Event::LeaseReleased), std::vector<std::string>());
  EXPECT_EQ(names(fb::Event::JobReaped), (std::vector<std::string>{"job"}));
}

TEST(Event, is_handed_on_as_the_table_that_it_is) {
  fb::TaskNoteT note;
  note.task = 5;
  note.text = "seen";
  const Proposal proposal = propose(requester, note);
  const fb::Event type = with_event(
      proposal.record(), []<class EventT>(const EventT&) { return fb::Event{fb::EventTraits<EventT>::enum_value}; });
  EXPECT_EQ(type, fb::Event::TaskNote);
}

TEST(Event, list_of_all_is_the_union) {
  std::vector<fb::Event> listed{fb::Event::NONE};
#define X(Name) listed.push_back(fb::Event::Name);
  PAWL_EVENTS(X)
#undef X
  EXPECT_EQ(listed, std::vector<fb::Event>(std::begin(fb::EnumValuesEvent()), std::end(fb::EnumValuesEvent())));
}

}  // namespace
}  // namespace pawl
