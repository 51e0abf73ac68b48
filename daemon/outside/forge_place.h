// How far each forge has been told: a place in the log, in a file in the data folder.
//
// After a crash the words behind the place are read from the log again, and sent again: each arrives at least once. The
// place names its log by the chain of its record, so that another log in the folder is not told from the middle.
#pragma once

#include <map>
#include <string>

#include "daemon/outside/forge_word.h"
#include "schema/result.h"
#include "store/journal.h"

namespace pawl {

using LogPlaces = std::map<std::string, LogPlace, std::less<>>;  // by repository

/// Reads DIR/forges. Empty if there is none. `damaged`: it is not what write_places() writes.
Result<LogPlaces> read_places(const std::string& dir);

/// Replaces DIR/forges, durably and at once.
Result<void> write_places(const std::string& dir, const LogPlaces& places);

/// Renames DIR/forges, so that nothing is read from it again, and returns its new name.
Result<std::string> put_places_aside(const std::string& dir);

/// The journal's last record.
Result<LogPlace> last_place(Journal& journal);

/// Whether the journal has that record, with that chain.
Result<bool> is_in(Journal& journal, const LogPlace& place);

}  // namespace pawl
