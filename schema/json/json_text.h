// Writing JSON by appending to a string: the primitives that records, rows and answers share. No document tree and no
// library.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "schema/time.h"

namespace pawl {

/// Quoted, with the shortest escapes and \u00xx (lower case) for other control characters. Bytes that are not UTF-8
/// become U+FFFD: texts are checked on input, but the output must be valid JSON whatever happens.
void append_json_text(std::string& out, std::string_view text);

/// A list of texts.
void append_json_texts(std::string& out, std::span<const std::string> texts);

/// `text`, or null if it is empty.
void append_json_text_or_null(std::string& out, std::string_view text);

void append_json_integer(std::string& out, std::int64_t value);
void append_json_integer(std::string& out, std::uint64_t value);

inline void append_json_bool(std::string& out, bool value) {
  out += value ? "true" : "false";
}

/// RFC 3339, quoted.
void append_json_time(std::string& out, TimeUs time);

/// 16 lower-case hex digits, quoted: digests and request hashes.
void append_json_hex(std::string& out, std::uint64_t value);
/// Two lower-case digits for each byte, quoted: chains.
void append_json_hex(std::string& out, std::span<const std::uint8_t> bytes);

/// Whether `text` is well-formed UTF-8 without U+0000, so that it survives writing and reading back.
bool is_json_text(std::string_view text);

/// Begins a member of an open object: a comma unless it is the first, the name, a colon.
void append_json_member(std::string& out, std::string_view name);
/// A whole member.
void append_json_member(std::string& out, std::string_view name, std::uint64_t value);
void append_json_member(std::string& out, std::string_view name, std::int64_t value);
void append_json_member(std::string& out, std::string_view name, bool value);

}  // namespace pawl
