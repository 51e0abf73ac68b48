// Origins for tests without a log that declares them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "daemon/work/origins.h"

namespace pawl {

/// As after a start with these options.
inline std::shared_ptr<Origins> origins_of(const std::map<std::string, std::string>& given) {
  auto origins = std::make_shared<Origins>(given);
  for (const auto& [repo, url] : given) origins->declare(repo, parse_origin(url).plain);
  return origins;
}

}  // namespace pawl
