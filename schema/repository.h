// What repositories may be called, and where they may be cloned from: what can be told from the text alone.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// A repository's name becomes a folder, and a word of command lines. `malformed` says what it must not have, to stand
/// behind "must not".
Result<void> check_repo_name(std::string_view name);

/// Whether a URL bears what not everybody may read: a password, or over http(s) a user name, which may be a token.
bool has_password(std::string_view url);
bool has_credentials(std::string_view url);

/// Whether it is a path that leads elsewhere from each folder: neither absolute, nor with a scheme, nor `HOST:PATH`.
bool is_relative_path(std::string_view url);
/// What a relative path is from that folder; anything else as it is.
std::string from_folder(const std::string& url, const std::filesystem::path& folder);

}  // namespace pawl
