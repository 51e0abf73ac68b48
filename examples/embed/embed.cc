// pawl inside another program: opens a data folder, takes a lease, crosses an edge, and reads the log back.
#include <cstdio>

#include "schema/json/record_json.h"
#include "store/commit/clock.h"
#include "store/commit/sequencer.h"
#include "store/commit/start.h"
#include "store/log.h"
#include "store/open.h"
#include "store/os/random.h"

using namespace pawl;

static Result<void> run(const std::string& folder, const std::string& work_item) {
  const auto log = PAWL_TRY(open_log(folder, LogMode::write));  // `busy`: another process writes it
  Opened opened = PAWL_TRY(open_state(*log));                   // recovers, and proves every record again
  Clock clock(time_before(opened.state), Clock::system_sources());
  const KnownPipelines known = known_pipelines(opened.state);
  Sequencer machine(*log, std::move(opened.state), opened.chain, {.now = [&] { return clock.read(); }});
  machine.start();
  const Requester me{.boot = random_uuid(), .actor = "embedder", .key = {}, .request = {}};
  // Frees what an earlier start of this program held. The time since then does not count against anyone.
  PAWL_TRY(start_boot(machine, me.boot, "1.0", {}, boot_clock(clock)));
  PAWL_TRY(define_pipelines(machine, known, {}, me));

  fb::TaskCreatedT task;
  task.work_item = work_item;
  task.repo = "shop";
  const Decision created = machine.propose(propose_group(me, task));  // durable once it returns, like every answer
  if (created.outcome != Outcome::accepted) return Error{ErrorCode::malformed, std::string(name(created.outcome))};
  const TaskId id{created.effects.front().id};

  fb::LeaseAcquiredT lease;
  lease.key = task_key(id);
  lease.owner = std::make_unique<fb::OwnerT>();
  lease.owner->boot_id = me.boot;
  lease.owner->actor = me.actor;
  const Decision held = machine.propose(propose_group(me, lease));

  fb::StageTransitionT crossing;
  crossing.task = raw(id);
  crossing.to = "development";
  crossing.expected_version = 1;                   // compare-and-swap
  crossing.token = raw(*held.granted(lease.key));  // the fence
  machine.propose(propose_group(me, crossing));    // accepted
  machine.propose(propose_group(me, crossing));    // the second of two racers: version_conflict, on record
  machine.stop();

  return log->read(Seq{1}, [](RecordBytes bytes) {
    std::string line;
    append_record_json(line, **view_record(bytes), "null");
    return std::puts(line.c_str()) >= 0;
  });
}

int main(int count, char** words) {
  if (count != 3) return std::fputs("usage: embed FOLDER WORK_ITEM\n", stderr), 2;
  const Result<void> done = run(words[1], words[2]);
  if (!done) std::fprintf(stderr, "embed: %s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
