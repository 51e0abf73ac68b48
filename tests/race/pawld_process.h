// A test's own pawld: the real program, on a data folder that is removed with the object.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace pawl {

class PawldProcess {
 public:
  /// Starts the program at `program` on a fresh folder with these further options, and waits until its socket answers
  /// GET /readyz with 200.
  PawldProcess(const std::string& program, const std::vector<std::string>& options);
  /// Kills it if it still runs, and removes the folder.
  ~PawldProcess();
  PawldProcess(const PawldProcess&) = delete;
  PawldProcess& operator=(const PawldProcess&) = delete;

  bool ready() const { return ready_; }
  const std::string& data() const { return data_; }
  const std::string& socket() const { return socket_; }
  /// Its standard output and error so far.
  std::string words() const;
  /// Asks it to end (SIGTERM); returns its wait status.
  int stop();

 private:
  std::string folder_;
  std::string data_;
  std::string socket_;
  pid_t pid_ = -1;
  bool ready_ = false;
};

}  // namespace pawl
