// A desk that stands between the executor and the sequencer: it passes on what it does not change.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "store/commit/sequencer.h"

namespace pawl {

class DeskBetween : public Desk {
 public:
  explicit DeskBetween(Sequencer& sequencer) : sequencer_(sequencer) {}

  Decision propose(Group group) override { return sequencer_.propose(std::move(group)); }
  std::optional<TaskView> view(TaskId task) override { return sequencer_.view(task); }
  TimeUs now() const override { return sequencer_.now(); }
  void look(const std::function<void(const State&)>& look) override { sequencer_.look(look); }
  std::optional<Decision> propose_if(Group group, std::function<bool(const State&)> holds) override {
    return sequencer_.propose_if(std::move(group), std::move(holds));
  }
  std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener) override {
    return sequencer_.subscribe(std::move(listener));
  }
  void unsubscribe(std::uint64_t id) override { sequencer_.unsubscribe(id); }

 private:
  Sequencer& sequencer_;
};

}  // namespace pawl
