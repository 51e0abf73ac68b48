#include "tests/costs/work.h"

#include <boost/asio/buffer.hpp>

#include <memory>
#include <string>
#include <utility>

#include "daemon/api/answers.h"
#include "daemon/api/requests.h"
#include "daemon/http/request_parser.h"
#include "engine/policies/reaper.h"
#include "engine/rules/claim.h"
#include "schema/json/record_json.h"
#include "schema/record_view.h"
#include "store/chain.h"
#include "store/checkpoint.h"
#include "store/commit/batch.h"
#include "store/key_format.h"
#include "store/memory_log.h"
#include "store/replica.h"
#include "tools/bench/deliveries.h"
#include "tools/bench/pipeline.h"

namespace pawl::costs {
namespace {

constexpr const char* boot_id = "7b0c5a52-3d0e-4a7e-9d61-6a1f0e4f9c11";
const Requester worker{.boot = boot_id, .actor = "bench-1", .key = {}, .request = {}};

/// A log of deliveries, and its records.
struct Recorded {
  MemoryLog log;
  std::vector<std::vector<std::uint64_t>> words;  // each record, 8-byte aligned
  std::vector<RecordBytes> records;
};

std::shared_ptr<Recorded> recorded(unsigned deliveries) {
  auto out = std::make_shared<Recorded>();
  bench::Deliveries writer(out->log);
  for (unsigned i = 0; i < deliveries; ++i) writer.deliver();
  writer.flush();
  PAWL_ASSERT(out->log.read(Seq{1}, [&](RecordBytes bytes) {
    std::vector<std::uint64_t>& copy = out->words.emplace_back((bytes.size() + 7) / 8);
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    out->records.emplace_back(reinterpret_cast<const std::uint8_t*>(copy.data()), bytes.size());
    return true;
  }));
  return out;
}

std::function<std::uint64_t()> apply() {
  return [from = recorded(20)] {
    State state;
    std::vector<const fb::Record*> group;
    for (std::size_t at = 0; at < from->records.size(); ++at) {
      const fb::Record* record = fb::GetRecord(from->records[at].data());
      if (!group.empty() && group.front()->stamp()->group() != record->stamp()->group()) {
        const Reapplied applied = reapply(state, group);
        PAWL_ASSERT(!applied.divergence);
        group.clear();
      }
      group.push_back(record);
    }
    const Reapplied applied = reapply(state, group);
    PAWL_ASSERT(!applied.divergence);
    return from->records.size();
  };
}

std::function<std::uint64_t()> decide_deliveries() {
  return [] {
    MemoryLog log;
    bench::Deliveries writer(log);
    for (unsigned i = 0; i < 20; ++i) writer.deliver();
    writer.flush();
    return writer.records();
  };
}

std::function<std::uint64_t()> chain() {
  return [from = recorded(20)] {
    Chain last{};
    for (const RecordBytes record : from->records) last = chain_after(last, *fb::GetRecord(record.data()));
    PAWL_ASSERT(last == chain_of(*fb::GetRecord(from->records.back().data())));
    return from->records.size();
  };
}

std::function<std::uint64_t()> verify() {
  return [from = recorded(20)] {
    RecordVerifier verifier(Seq{0}, Chain{});
    for (const RecordBytes record : from->records) {
      VerifiedRecord verified;
      PAWL_ASSERT(!verifier.verify(record, verified));
    }
    return from->records.size();
  };
}

std::function<std::uint64_t()> block() {
  return [from = recorded(20)] {
    std::string bytes;
    encode_block(from->records, Seq{1}, Seq{0}, bytes);
    PAWL_ASSERT(decode_block(bytes).has_value());
    return from->records.size();
  };
}

/// The owner of a state, without a thread, on a log in memory.
struct Machine {
  MemoryLog log;
  Chain chain{};
  TimeUs now{1'767'225'600 * us_per_s};
  Decider decider{State(), [this] { return LogTime(now = TimeUs{now.us + 1000}); }};

  Decision tell(Group group) {
    std::optional<Decision> out;
    decider.take({.group = std::move(group), .done = [&](std::optional<Decision> decision) { out = decision; }});
    DecidedBatch batch = decider.hand_over();
    PAWL_ASSERT(make_durable(batch, log, chain, [](const std::vector<Decided>&) {}));
    PAWL_ASSERT(out && out->outcome == Outcome::accepted);
    return std::move(*out);
  }
};

std::shared_ptr<Machine> started() {
  auto out = std::make_shared<Machine>();
  fb::BootStartedT boot;
  boot.name = "pawld";
  boot.boot_id = boot_id;
  boot.pid = 1;
  boot.host = "bench";
  boot.version = "bench";
  out->tell(propose_group(worker, boot));
  out->tell(propose_group(worker, pipeline_event(bench::bench_pipeline())));
  return out;
}

TaskId submit(Machine& machine, const std::string& work_item, const std::string& repo) {
  fb::TaskCreatedT event;
  event.work_item = work_item;
  event.repo = repo;
  event.pipeline = bench::pipeline_name;
  return TaskId{machine.tell(propose_group(worker, event)).effects.front().id};
}

/// A guarded transition: three groups, each its own batch, as with one actor. A new task after each 32.
std::function<std::uint64_t()> guarded() {
  return [] {
    const auto machine = started();
    std::uint64_t crossed = 0;
    for (unsigned tasks = 0; tasks < 4; ++tasks) {
      const TaskId task = submit(*machine, "W-" + std::to_string(tasks), "shop");
      for (std::uint64_t version = 1; version <= bench::stages; ++version, ++crossed) {
        fb::LeaseAcquiredT lease;
        lease.key = task_key(task);
        lease.owner = std::make_unique<fb::OwnerT>();
        lease.owner->boot_id = boot_id;
        lease.owner->actor = worker.actor;
        const Token token = *machine->tell(propose_group(worker, lease)).granted(lease.key);
        fb::StageTransitionT crossing;
        crossing.task = raw(task);
        crossing.to = bench::stage_name(version + 1);
        crossing.expected_version = version;
        crossing.token = raw(token);
        machine->tell(propose_group(worker, crossing));
        fb::LeaseReleasedT released;
        released.key = lease.key;
        released.token = raw(token);
        machine->tell(propose_group(worker, released));
      }
    }
    return crossed;
  };
}

constexpr std::string_view crossing_body = R"({"to":"s2","expected_version":1,"token":17})";

std::string crossing_request() {
  return "POST /v1/tasks/12/transition HTTP/1.1\r\nHost: localhost\r\nPawl-Boot: " + std::string(boot_id) +
         "\r\nPawl-Actor: bench-1\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(crossing_body.size()) + "\r\n\r\n" + std::string(crossing_body);
}

std::function<std::uint64_t()> parse() {
  return [bytes = crossing_request()] {
    RequestParser parser;
    parser.eager(true);
    boost::system::error_code failure;
    parser.put(boost::asio::buffer(bytes), failure);
    PAWL_ASSERT(!failure && parser.is_done() && !parser.trouble());
    PAWL_ASSERT(parser.header("Pawl-Actor") == "bench-1");
    return 1U;
  };
}

std::function<std::uint64_t()> propose_from_json() {
  return [] {
    const FoundRoute found = find_route("POST", "/v1/tasks/12/transition");
    auto body = RequestBody::read(crossing_body, *found.route);
    PAWL_ASSERT(body.has_value());
    boost::json::object& fields = body->event_fields();
    fields.emplace("task", 12);
    PAWL_ASSERT(proposal_from_json(worker, fb::Event::StageTransition, fields, Reading::asked).has_value());
    return 1U;
  };
}

std::function<std::uint64_t()> answer() {
  const auto machine = started();
  const TaskId task = submit(*machine, "W-1", "shop");
  auto rows = std::make_shared<ResponseRows>();
  rows->kind = ResourceKind::task;
  rows->task = *machine->decider.state().tasks.find(task);
  return [rows] {
    HttpResponse response;
    write_answer(response, Decision{.seq = Seq{7}, .effects = {}, .detail = {}}, *rows, 200);
    PAWL_ASSERT(response.body.size() > 100);
    return 1U;
  };
}

/// A machine with so many queued jobs, in a hundred repositories.
std::shared_ptr<Machine> with_queue(unsigned jobs) {
  const auto machine = started();
  for (unsigned i = 0; i < jobs; ++i) {
    submit(*machine, "W-" + std::to_string(i), "repo-" + std::to_string(i % 100));
  }
  return machine;
}

std::function<std::uint64_t()> claim_search(unsigned jobs) {
  return [machine = with_queue(jobs)] {
    static const std::vector<std::string> agents{std::string(bench::agent_name)};
    PAWL_ASSERT(first_claimable(machine->decider.state(), agents, {}, machine->now,
                                [](JobId) { return ClaimableJobs::Look::take; }) == JobId{1});
    return 1U;
  };
}

/// What a pass of the reaper reads of each running job, on the sequencer's thread.
std::function<std::uint64_t()> reaper_look(unsigned jobs) {
  const auto machine = with_queue(jobs);
  fb::SettingChangedT setting;
  setting.key = "queue.max_concurrency";
  setting.value = std::make_unique<fb::SettingValueT>();
  setting.value->number = jobs;
  machine->tell(propose_group(worker, setting));
  setting.key = "queue.serial_per_repo";
  setting.value = std::make_unique<fb::SettingValueT>();
  setting.value->flag = false;
  machine->tell(propose_group(worker, setting));
  for (unsigned job = 1; job <= jobs; ++job) {
    fb::JobClaimedT claim;
    claim.job = job;
    claim.owner = std::make_unique<fb::OwnerT>();
    claim.owner->boot_id = boot_id;
    claim.owner->actor = worker.actor;
    machine->tell(propose_group(worker, claim));
  }
  return [machine, jobs] {
    const State& state = machine->decider.state();
    std::vector<WatchedRun> runs;
    BootCopies boots;
    runs.reserve(jobs);
    for (const JobId job : state.indexes.running) runs.push_back(watched_run(state, *state.jobs.find(job), boots));
    PAWL_ASSERT(runs.size() == jobs);
    return std::uint64_t{jobs};
  };
}

std::function<std::uint64_t()> checkpoint_write(unsigned tasks) {
  return [machine = with_queue(tasks), tasks] {
    PAWL_ASSERT(!pack_checkpoint(machine->decider.state(), machine->chain).bytes.empty());
    return std::uint64_t{tasks};
  };
}

std::function<std::uint64_t()> checkpoint_read(unsigned tasks) {
  const auto machine = with_queue(tasks);
  auto stored = std::make_shared<StoredCheckpoint>(pack_checkpoint(machine->decider.state(), machine->chain));
  return [stored, tasks] {
    PAWL_ASSERT(unpack_checkpoint(stored->bytes).has_value());
    return std::uint64_t{tasks};
  };
}

}  // namespace

const std::vector<Work>& all_work() {
  static const std::vector<Work> all = {
      {"parse", "the bytes of a transition's request, to its headers and body", "request", parse, 2000},
      {"propose", "its JSON, to a checked proposal", "request", propose_from_json, 2000},
      {"guarded", "W: three groups decided, chained and appended in memory, one at a time", "W", guarded, 5},
      {"answer", "the JSON of a transition's answer", "answer", answer, 2000},
      {"decide", "records of deliveries: proposed, decided, chained, appended in memory", "record", decide_deliveries,
       5},
      {"apply", "records of deliveries: applied again, with their digests", "record", apply, 10},
      {"chain", "their canonical bytes and SHA-256", "record", chain, 10},
      {"verify", "their form, order and chain, as every replay checks them", "record", verify, 10},
      {"block", "their block: framed and checksummed, then read and checked", "record", block, 50},
      {"claim", "the search for a job among 2,000 queued ones", "claim", [] { return claim_search(2000); }, 200},
      {"reaper_look", "a look at 256 running jobs, as the reaper's pass takes one after another", "job",
       [] { return reaper_look(256); }, 20},
      {"checkpoint_write", "a checkpoint of 1,000 tasks, packed", "task", [] { return checkpoint_write(1000); }, 5},
      {"checkpoint_read", "the same, unpacked, with its digest recomputed", "task",
       [] { return checkpoint_read(1000); }, 5},
  };
  return all;
}

}  // namespace pawl::costs
