// Whose a data folder is, what may stand in it, and who else may look into it. For who writes: reading a folder of
// somebody else is no harm, and changes nothing.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "schema/result.h"
#include "store/os/descriptor.h"

namespace pawl {

/// `malformed`, with the command that mends it, unless the folder belongs to this process's user, and no other user may
/// write in it. That holds for its group and for root too: what root wrote there would lock its user out.
Result<void> check_folder(const struct stat& about, const std::string& name);

/// `malformed` if something that pawl opens in there by its name is a link, a pipe, or has another name elsewhere.
Result<void> check_entries(const Descriptor& folder, const std::string& name);

/// Takes from others what they may do with the folder, with pawl's own folders in it, and with the files that hold the
/// log; what it did, in sentences. Requires: check_folder(), check_entries().
Result<std::vector<std::string>> narrow_folder(const Descriptor& folder, const std::string& name);

}  // namespace pawl
