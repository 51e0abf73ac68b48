// Rules for repository names and clone URLs that can be checked from the text alone.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// Checks a repository's name, which becomes a folder and a word in command lines. The message of `malformed` completes
/// a sentence that begins "must not".
Result<void> check_repo_name(std::string_view name);

/// Whether a URL contains a secret: a password or, over http(s), a user name, which may be a token.
bool has_password(std::string_view url);
bool has_credentials(std::string_view url);

/// Whether it is a path that depends on the current folder: not absolute, no scheme, not `HOST:PATH`.
bool is_relative_path(std::string_view url);
/// Resolves a relative path against `folder`; returns anything else unchanged.
std::string from_folder(const std::string& url, const std::filesystem::path& folder);

}  // namespace pawl
