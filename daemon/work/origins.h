// The URL that each repository is cloned from, for everything that uses git. One table, which follows the log: a
// repository declared while the daemon runs is cloned, and after a change of URL it is fetched from the new one.
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
  /// `given`: the URLs, by repository, that the daemon got at its start. The log has them without credentials; the
  /// credentials apply while the log's URL is otherwise the same.
  explicit Origins(const std::map<std::string, std::string>& given = {});

  /// Sets the URL as the log has it. Empty: the repository has no origin.
  void declare(const std::string& repo, const std::string& url);
  void remove(const std::string& repo);

  /// Null if it has no origin. Returns the same object while the URL stays the same.
  std::shared_ptr<const OriginUrl> of(const std::string& repo) const;
  bool has(const std::string& repo) const { return of(repo) != nullptr; }
  std::map<std::string, std::shared_ptr<const OriginUrl>> all() const;
  /// Texts that must not appear in any message, longest first; includes those of URLs no longer in use.
  const std::vector<std::string>& secrets() const { return secrets_; }

 private:
  std::map<std::string, std::shared_ptr<const OriginUrl>> given_;
  std::vector<std::string> secrets_;
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<const OriginUrl>> declared_ PAWL_GUARDED_BY(mutex_);
};

}  // namespace pawl
