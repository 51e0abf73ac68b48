#include "tests/fuzz/story.h"

#include "engine/state/pipeline.h"
#include "store/chain.h"
#include "store/checkpoint.h"
#include "store/open.h"
#include "tools/simulation/direct_machine.h"

namespace pawl::fuzz {
namespace {

fb::BootStartedT boot(const std::string& name, std::int64_t pid) {
  fb::BootStartedT event;
  event.name = name == "daemon" ? std::string(daemon_name) : name;
  event.boot_id = name;
  event.pid = pid;
  event.host = "host";
  event.version = "test";
  return event;
}

fb::TaskCreatedT task(const std::string& work_item, const std::string& stage) {
  fb::TaskCreatedT event;
  event.work_item = work_item;
  event.repo = "shop";
  event.branch = work_item;
  event.stage = stage;
  return event;
}

std::unique_ptr<fb::OwnerT> worker() {
  auto owner = std::make_unique<fb::OwnerT>();
  owner->boot_id = "worker";
  owner->pid = 7;
  owner->actor = "worker";
  return owner;
}

/// Plays it into an in-memory log.
std::unique_ptr<MemoryLog> told() {
  auto log = std::make_unique<MemoryLog>();
  Chain chain{};
  DirectMachine machine;
  machine.on_group = [&](Decided& decided) {
    Batch batch;
    for (Proposal& record : decided.records) {
      chain = stamp_chain(chain, record);
      batch.records.push_back({record.data(), record.size()});
    }
    PAWL_ASSERT(log->append(batch, next(log->last_seq())));
  };
  const Requester requester{.boot = "daemon", .actor = "pawld", .key = {}, .request = {}};
  const auto happen = [&](const auto& event) {
    PAWL_ASSERT(machine.propose(propose_group(requester, event)).outcome == Outcome::accepted);
  };
  machine.set_now(plus_s(story_end, -100));
  happen(boot("daemon", 1));
  happen(pipeline_event(default_pipeline()));
  happen(boot("worker", 7));
  happen(task("W-1", ""));
  happen(task("W-2", "deploy-staging"));
  fb::JobClaimedT claim;
  claim.job = 1;
  claim.owner = worker();
  happen(claim);
  machine.set_now(story_end);
  fb::LeaseAcquiredT lease;
  lease.key = "task:2";
  lease.owner = worker();
  happen(lease);
  return log;
}

MemoryLog& told_once() {
  static const std::unique_ptr<MemoryLog> log = told();
  return *log;
}

}  // namespace

State story_state() {
  // Unpacked, which is cheaper than opening a log; every input starts with it.
  static const StoredCheckpoint at_its_end = [] {
    const Opened opened = std::move(open_state(told_once())).value();
    return pack_checkpoint(opened.state, opened.chain);
  }();
  return std::move(unpack_checkpoint(at_its_end.bytes)).value().state;
}

std::shared_ptr<MemoryDisk> story_disk() {
  return std::make_shared<MemoryDisk>(*told_once().disk());
}

Seq story_seq() {
  return told_once().last_seq();
}

}  // namespace pawl::fuzz
