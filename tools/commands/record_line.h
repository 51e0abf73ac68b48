// A record on one line, for people.
#pragma once

#include <boost/json/fwd.hpp>

#include <string>

namespace pawl {

/// "    13 10:00:00 reaper      JobReaped        REFUSED lease_held job=1 …", with its line end. `time` is the record's
/// time as shown.
std::string record_in_words(const boost::json::value& record, const std::string& time);

}  // namespace pawl
