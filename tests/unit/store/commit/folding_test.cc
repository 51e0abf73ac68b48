#include "store/commit/folding.h"

#include <gtest/gtest.h>

#include "schema/proposal.h"

namespace pawl {
namespace {

template <class EventT>
std::string target(const EventT& event) {
  return target_of(propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, event).record());
}

TEST(Folding, target_is_what_the_event_is_about) {
  fb::TaskCancelledT cancelled;
  cancelled.task = 12;
  EXPECT_EQ(target(cancelled), "task:12");
  fb::FinalizerMarkedT marked;
  marked.job = 7;
  EXPECT_EQ(target(marked), "job:7");
  fb::LeaseReleasedT released;
  released.key = "repo:shop";
  EXPECT_EQ(target(released), "repo:shop");
  fb::TaskCreatedT created;
  created.repo = "shop";
  created.work_item = "W-1";
  EXPECT_EQ(target(created), "shop\nW-1");
  fb::BootEndedT ended;
  ended.boot_id = "w-1";
  EXPECT_EQ(target(ended), "w-1");
  fb::PipelineDefinedT pipeline;
  pipeline.name = "delivery";
  EXPECT_EQ(target(pipeline), "delivery");
  fb::SettingChangedT setting;
  setting.key = "stop.enabled";
  setting.value = std::make_unique<fb::SettingValueT>();
  EXPECT_EQ(target(setting), "stop.enabled");
  EXPECT_EQ(target(fb::RefusalsFoldedT()), "");
}

TEST(Folding, more_than_32_equal_refusals_in_a_second_are_folded_into_the_first) {
  Folding folding;
  const RefusalKey key{.boot = "b", .actor = "a", .type = fb::Event::TaskNote, .target = "task:1", .outcome = {}};
  for (std::uint64_t seq = 1; seq <= 32; ++seq) {
    EXPECT_EQ(folding.fold(key, TimeUs{0}), std::nullopt);
    folding.recorded(key, Seq{seq}, TimeUs{0});
  }
  EXPECT_EQ(folding.fold(key, TimeUs{0}), Seq{1});
  EXPECT_TRUE(folding.any_folded());
  RefusalKey other = key;
  other.target = "task:2";
  EXPECT_EQ(folding.fold(other, TimeUs{0}), std::nullopt);
}

}  // namespace
}  // namespace pawl
