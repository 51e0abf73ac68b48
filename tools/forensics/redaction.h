// Replaces every text of a log that could tell whose log it is: the same text by the same replacement, so that the log
// still says the same about its tasks. What the rules read in a text stays: stages and steps, the kinds of lease keys,
// settings, the daemon's own actors, reasons that are words of pawl.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "engine/state/state.h"
#include "schema/layout.h"
#include "schema/proposal.h"
#include "schema/result.h"

namespace pawl {

class Redaction {
 public:
  Redaction();

  /// The record with its texts replaced. Its stamp is as before, digest and chain included: those no longer fit.
  Result<Proposal> redacted(const fb::Record& record);

  /// The state with its texts replaced; the archive's part of the digest is left out. For a log that begins with a
  /// checkpoint: call it before the first record.
  Result<State> redacted(const State& state);

  /// The replacement for a field of a table of the schema. A field that is not listed is replaced like any other text:
  /// a new one is secret until it is listed.
  std::string text(std::string_view table, std::string_view field, std::string_view text);

 private:
  std::string replacement(std::string_view kind, std::string_view text, std::string_view separator = "-");
  std::string boot_id(std::string_view text);
  std::string boot_name(std::string_view text);
  std::string version(std::string_view text);
  std::string actor(std::string_view text);
  std::string principal(std::string_view text);
  std::string pipeline(std::string_view text);
  std::string stage(std::string_view text);
  std::string step(std::string_view text);
  std::string edge(std::string_view text);
  std::string lease_key(std::string_view text);
  std::string place(std::string_view text);
  std::string setting(std::string_view text);
  std::string reason(std::string_view text);

  struct Editing;  // of a record as JSON

  /// Learns the names that stay, of stages and steps.
  void learn(const Pipeline& pipeline);
  template <class Row>
  void redact_row(Row& row, std::string_view table);
  Result<PipelineRow> redacted(const PipelineRow& row);
  Result<SettingRow> redacted(const SettingRow& row);

  std::map<std::string, std::map<std::string, std::uint64_t, std::less<>>, std::less<>> numbers_;  // by kind and text
  std::map<std::uint64_t, std::uint64_t> requests_;
  std::set<std::string, std::less<>> stages_;
  std::set<std::string, std::less<>> steps_;
};

}  // namespace pawl
