// Records and events as JSON (SPEC §12), both ways. It follows the layout of schema/*.fbs: no code here is specific to
// an event.
//
// A table is an object with all its fields in the order of their ids; absent fields are null. A Command is an array of
// its words, a SettingValue the bare value, an enum its name, a time RFC 3339 text.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include "schema/layout.h"
#include "schema/limits.h"
#include "schema/proposal.h"
#include "schema/result.h"

namespace pawl {

/// A longer exported line is refused unread: this is the longest record with every byte escaped.
constexpr std::size_t record_line_bytes_max = 6 * limits::record_bytes_max + 4096;

/// Who the JSON is for: an owner of the log sees everything; readers of the daemon do not see fields marked hidden.
enum class Audience { owner, reader };

/// Appends a table as an object. Requires: its buffer was verified.
void append_json(std::string& out, const flatbuffers::Table& table, const TableLayout& layout,
                 Audience audience = Audience::owner);

/// Appends the fields of the record's event, the value of `data`.
void append_event_json(std::string& out, const fb::Record& record, Audience audience = Audience::owner);

/// Appends the record in its canonical form, without a line end. `effects` is the JSON of its effects from
/// engine/json/state_json.h: effects are not stored, so the caller must have applied the record.
void append_record_json(std::string& out, const fb::Record& record, std::string_view effects,
                        Audience audience = Audience::owner);

/// Appends the record's position in the chain as an object, for a witness of the log to keep (docs/FORENSICS.md).
void append_head_json(std::string& out, const fb::Record& record);

/// Which fields may be left out.
enum class Reading {
  /// Exported data: every field is present. Texts are taken unchecked.
  exported,
  /// A request: fields left out are null, lists empty, booleans false, and numbers with a default (a pipeline's
  /// time-outs, say) take it. Texts are limited by schema/limits.h, and a required text must not be empty.
  asked,
};

/// Whether a request must send that field; without it, a list is empty, and a number has its default.
bool is_asked_for(const TableLayout& layout, const FieldLayout& field);

/// The limit in bytes for a text field of that name in a request.
std::size_t text_bytes_max(std::string_view field);

/// Writes an event from its `data` to `builder`. `malformed` names the field and what is wrong with it.
/// Requires: layout_of(type) exists; builder.ForceDefaults(true) was called.
Result<flatbuffers::Offset<void>> read_event(fb::Event type, const boost::json::object& data, Reading reading,
                                             flatbuffers::FlatBufferBuilder& builder);

/// A proposal from `data`: read_event() and finish_proposal().
Result<Proposal> proposal_from_json(const Requester& requester, fb::Event type, const boost::json::object& data,
                                    Reading reading);

/// Reads an exported line back into its record, stamp included. The effects and the order of the keys are ignored: to
/// check that a line is canonical, write it again once its effects are known. `malformed` names the field;
/// `unsupported`: an event or an outcome of a newer version.
Result<Proposal> read_record_line(std::string_view line);

}  // namespace pawl
