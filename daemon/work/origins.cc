#include "daemon/work/origins.h"

#include <algorithm>

namespace pawl {

Origins::Origins(const std::map<std::string, std::string>& given) {
  for (const auto& [repo, url] : given) {
    const auto origin = std::make_shared<const OriginUrl>(parse_origin(url));
    secrets_.insert(secrets_.end(), origin->secrets.begin(), origin->secrets.end());
    given_.emplace(repo, origin);
  }
  std::sort(secrets_.begin(), secrets_.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

void Origins::declare(const std::string& repo, const std::string& url) {
  if (url.empty()) return remove(repo);
  const auto given = given_.find(repo);
  const bool is_given = given != given_.end() && given->second->plain == url;
  const auto origin = is_given ? given->second : std::make_shared<const OriginUrl>(parse_origin(url));
  const MutexLock lock(mutex_);
  std::shared_ptr<const OriginUrl>& known = declared_[repo];
  if (!known || known->plain != origin->plain) known = origin;
}

void Origins::remove(const std::string& repo) {
  const MutexLock lock(mutex_);
  declared_.erase(repo);
}

std::shared_ptr<const OriginUrl> Origins::of(const std::string& repo) const {
  const MutexLock lock(mutex_);
  const auto found = declared_.find(repo);
  return found == declared_.end() ? nullptr : found->second;
}

std::map<std::string, std::shared_ptr<const OriginUrl>> Origins::all() const {
  const MutexLock lock(mutex_);
  return declared_;
}

}  // namespace pawl
