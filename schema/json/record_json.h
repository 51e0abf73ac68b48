// The JSON of records and events (SPEC §12), both ways. It follows the layout of schema/*.fbs by itself: nothing here
// knows any single event.
//
// A table is an object of all its fields in the order of their ids; what is absent is null. A Command is the array of
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

/// Beyond this an exported line is refused unread: the longest record, with every byte of it escaped.
constexpr std::size_t record_line_bytes_max = 6 * limits::record_bytes_max + 4096;

/// For whom JSON is made: whoever has the log sees all of it, readers of the daemon nothing of the fields that the
/// schema calls hidden.
enum class Audience { owner, reader };

/// Appends a table as an object. Requires: its buffer was verified.
void append_json(std::string& out, const flatbuffers::Table& table, const TableLayout& layout,
                 Audience audience = Audience::owner);

/// Appends the fields of the record's event: what stands under `data`.
void append_event_json(std::string& out, const fb::Record& record, Audience audience = Audience::owner);

/// Appends the record in its one canonical form, without a line end. `effects` is their JSON, as
/// engine/json/state_json.h makes it: effects are not stored, so whoever writes a line has applied the record.
void append_record_json(std::string& out, const fb::Record& record, std::string_view effects,
                        Audience audience = Audience::owner);

/// Appends where the record stands in the chain, as an object: what a witness of the log keeps (docs/FORENSICS.md).
void append_head_json(std::string& out, const fb::Record& record);

/// Which fields may be left out.
enum class Reading {
  /// What was exported: every field is there. Texts are taken as they are.
  exported,
  /// What somebody typed or sent: fields left out are null, lists empty, booleans false, the numbers that have a
  /// default (time-outs of a pipeline, say) that default. Texts have the bounds of schema/limits.h, and where a text
  /// is required it is not empty.
  asked,
};

/// What a text field of that name may have in bytes where somebody asks.
std::size_t text_bytes_max(std::string_view field);

/// Writes an event from its `data` to `builder`. `malformed` names the field and what is wrong with it.
/// Requires: layout_of(type) exists; builder.ForceDefaults(true) was called.
Result<flatbuffers::Offset<void>> read_event(fb::Event type, const boost::json::object& data, Reading reading,
                                             flatbuffers::FlatBufferBuilder& builder);

/// A proposal from `data`: read_event() and finish_proposal().
Result<Proposal> proposal_from_json(const Asker& asker, fb::Event type, const boost::json::object& data,
                                    Reading reading);

/// An exported line back into the record that it shows, stamp included. Its effects are not looked at, nor the order
/// of its keys: whether the line was in canonical form is seen by writing it again, once the effects are known.
/// `malformed` names the field; `unsupported`: an event or an outcome of a newer version.
Result<Proposal> read_record_line(std::string_view line);

}  // namespace pawl
