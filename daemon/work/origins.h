// Where each repository is cloned from: as the log says, and for all that ask git. One table, which follows the log: a
// repository that is declared while the daemon runs is cloned, and one that gets another URL is fetched from there from
// then on.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/work/origin_url.h"
#include "store/os/mutex.h"

namespace pawl {

/// Threads: any.
class Origins {
 public:
  /// `given`: by repository, URLs as the daemon was told them at its start. The log has them without credentials; those
  /// are used with a URL that is the log's but for them.
  explicit Origins(const std::map<std::string, std::string>& given = {});

  /// As the log has it. An empty URL: the repository has no origin.
  void declare(const std::string& repo, const std::string& url);
  void remove(const std::string& repo);

  /// Null if it has none. As long as its URL is the same it is the same object.
  std::shared_ptr<const OriginUrl> of(const std::string& repo) const;
  bool has(const std::string& repo) const { return of(repo) != nullptr; }
  std::map<std::string, std::shared_ptr<const OriginUrl>> all() const;
  /// What must not be in any message, the longest first: of URLs that are not in use any more too.
  const std::vector<std::string>& secrets() const { return secrets_; }

 private:
  std::map<std::string, std::shared_ptr<const OriginUrl>> given_;
  std::vector<std::string> secrets_;
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<const OriginUrl>> declared_ PAWL_GUARDED_BY(mutex_);
};

}  // namespace pawl
