// Checks who owns a data folder, what it may contain and who else may access it. Only writers check: reading another
// user's folder is harmless and changes nothing.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "schema/result.h"
#include "store/os/descriptor.h"

namespace pawl {

/// `malformed`, with the command that fixes it, unless the folder belongs to this process's user and no one else may
/// write in it, its group included. Root gets no exception: files that root wrote there would lock its owner out.
Result<void> check_folder(const struct stat& about, const std::string& name);

/// `malformed` if something that pawl opens there by name is a link or a pipe, or has another name elsewhere.
Result<void> check_entries(const Descriptor& folder, const std::string& name);

/// Removes others' permissions on the folder, on pawl's own folders in it and on the log's files. Returns what it did,
/// in sentences. Requires: check_folder(), check_entries().
Result<std::vector<std::string>> narrow_folder(const Descriptor& folder, const std::string& name);

}  // namespace pawl
