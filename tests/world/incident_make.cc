// Tells stories of an incident until the cause has done harm, and writes the log and the label.
#include <cstdio>
#include <fstream>
#include <memory>

#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "store/memory_log.h"
#include "tests/world/incident.h"
#include "tools/commands/log_export.h"

namespace pawl::hostile {
namespace {

constexpr std::uint64_t tries_max = 50;

const IncidentKind* kind_named(const std::string& name) {
  for (const IncidentKind& kind : incident_kinds()) {
    if (name == kind.name) return &kind;
  }
  return nullptr;
}

void append_tasks(std::string& out, const std::set<TaskId>& tasks) {
  out += '[';
  for (const TaskId task : tasks) out += (out.back() == '[' ? "" : ",") + std::to_string(raw(task));
  out += ']';
}

}  // namespace

bool write_log_of(const Story& story) {
  const auto log = MemoryLog::open(std::make_shared<MemoryDisk>(*story.disk()));
  if (!log) return false;
  const auto written = write_log(**log, {}, (*log)->last_seq());
  if (!written) std::fprintf(stderr, "pawl_world: the log cannot be written: %s\n", written.error().message.c_str());
  return static_cast<bool>(written);
}

std::string in_json(const Label& label) {
  std::string out = "{\"kind\":";
  append_json_text(out, label.kind);
  out += ",\"seed\":" + std::to_string(label.seed) + ",\"tries\":" + std::to_string(label.tries) + ",\"cause\":";
  out += label.cause ? std::to_string(raw(*label.cause)) : "null";
  out += ",\"proof\":" + (label.proof ? std::to_string(raw(*label.proof)) : "null");
  out += ",\"also\":[";
  for (const Seq seq : label.also) out += (out.back() == '[' ? "" : ",") + std::to_string(raw(seq));
  out += "],\"setting\":";
  append_json_text_or_null(out, label.setting);
  out += ",\"victims\":";
  append_tasks(out, label.harm.victims);
  out += ",\"own\":";
  append_tasks(out, label.own);
  out += ",\"what\":";
  append_json_text(out, label.words);
  out += ",\"bad\":";
  append_json_text(out, label.harm.what);
  return out + "}\n";
}

void list_incidents() {
  for (const IncidentKind& kind : incident_kinds()) std::printf("%-16s %s\n", kind.name, kind.sentence);
}

int make_incident(const IncidentOrder& order) {
  const IncidentKind* kind = kind_named(order.kind);
  if (!kind) {
    std::fprintf(stderr, "pawl_world: '%s' is not a kind of incident; --incidents lists them\n", order.kind.c_str());
    return 2;
  }
  for (std::uint64_t tries = 1; tries <= tries_max; ++tries) {
    Incident incident(*kind, order.records);
    Story story({.seed = order.seed * 1000 + tries - 1,
                 .records = order.records,
                 .without = ~std::uint64_t{0},
                 .script = &incident});
    story.tell();
    if (story.failure()) {
      std::fprintf(stderr, "pawl_world: %s of seed %llu, try %llu: %s\n", kind->name,
                   static_cast<unsigned long long>(order.seed), static_cast<unsigned long long>(tries),
                   story.failure()->c_str());
      return 1;
    }
    Label label{.kind = kind->name,
                .seed = order.seed,
                .tries = tries,
                .cause = incident.cause,
                .also = incident.also,
                .proof = incident.proof,
                .setting = kind->setting ? kind->setting : incident.setting,
                .harm = incident.harm(),
                .words = incident.words,
                .own = incident.own()};
    const bool is_harmed = !label.harm.victims.empty();
    if (kind->is_healthy() && is_harmed) {
      std::fprintf(stderr, "pawl_world: a healthy story does harm: %s\n", in_json(label).c_str());
      if (order.log) write_log_of(story);
      return 1;
    }
    const bool is_shown = label.cause && (label.proof || !incident.needs_proof);
    if (!kind->is_healthy() && (!is_harmed || !is_shown)) {
      if (tries == tries_max && order.log) write_log_of(story);
      continue;
    }
    if (order.log && !write_log_of(story)) return 1;
    const std::string text = in_json(label);
    if (order.label.empty()) {
      std::fputs(text.c_str(), stderr);
    } else if (!(std::ofstream(order.label) << text)) {
      std::fprintf(stderr, "pawl_world: %s cannot be written\n", order.label.c_str());
      return 1;
    }
    return 0;
  }
  std::fprintf(stderr, "pawl_world: %s of seed %llu did no harm in %llu tries\n", kind->name,
               static_cast<unsigned long long>(order.seed), static_cast<unsigned long long>(tries_max));
  return 1;
}

}  // namespace pawl::hostile
