// People whom gates ask: they answer in their own time, and in a hostile world also wrongly, twice, too late, or about
// what they looked at before.
#include <algorithm>
#include <map>
#include <vector>

#include "engine/state/approvals.h"
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

class People {
 public:
  explicit People(Story& story) : story_(story) {}

  [[noreturn]] void live() {
    for (;;) {
      story_.scheduler.sleep(story_.dice.between(5, story_.is_hostile() ? 240 : 60) * second);
      answer_some();
    }
  }

 private:
  void answer_some() {
    const State& state = story_.daemon_that_serves().decided();
    std::vector<fb::ApprovalGivenT> answers;
    for (const auto& [id, task] : state.tasks.rows()) {
      const ApprovalRow* question = question_of(task);
      if (!question || !is_open(*question, state.last_time)) continue;
      fb::ApprovalGivenT answer = about(id, *question);
      // Some look now and answer later.
      if (const auto seen = looked_at_.find(id); seen != looked_at_.end() && strikes(3)) answer = seen->second;
      looked_at_.insert_or_assign(id, answer);
      answers.push_back(answer);
    }
    for (fb::ApprovalGivenT& answer : answers) {
      const bool is_busy = story_.is_hostile() && story_.dice.one_in(3);
      if (!is_busy) say(answer);
    }
  }

  fb::ApprovalGivenT about(TaskId id, const ApprovalRow& question) {
    fb::ApprovalGivenT answer;
    answer.task = raw(id);
    answer.version = raw(question.version) + (strikes(20) ? 1 : 0);
    answer.head = strikes(20) ? "another" : question.head;
    answer.approved = !strikes(6);
    answer.reason = answer.approved ? "so be it" : "not like this";
    return answer;
  }

  void say(const fb::ApprovalGivenT& answer) {
    for (const char* who : {"token:ann", "token:bob"}) {
      if (story_.is_hostile() && story_.dice.one_in(4)) continue;
      fb::ApprovalGivenT given = answer;
      std::string principal = who;
      if (strikes(12)) principal = operators;
      if (strikes(16)) principal = std::string();  // as if the daemon itself had said it
      if (strikes(8)) given.as = story_.dice.one_in(2) ? "group:release" : "group:staff";
      story_.ask(propose_group({.boot = story_.daemon_that_serves().boot_id(),
                                .actor = "people",
                                .key = {},
                                .request = {},
                                .principal = principal},
                               given));
    }
  }

  bool strikes(std::uint64_t one_in) { return story_.strikes(Hostility::answers, one_in); }

  Story& story_;
  std::map<TaskId, fb::ApprovalGivenT> looked_at_;
};

}  // namespace

void send_people(Story& story) {
  story.send([people = std::make_shared<People>(story)] { people->live(); });
}

}  // namespace pawl::hostile
