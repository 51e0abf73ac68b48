#include "tests/race/pawld_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/race/unix_http.h"

namespace pawl {
namespace {

/// In the child: executes the program with its output going to `log`. Does not return.
[[noreturn]] void become(const std::vector<std::string>& words, const std::string& log) {
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

}  // namespace

PawldProcess::PawldProcess(const std::string& program, const std::vector<std::string>& options) {
  // Short, whatever the build folder's name: a socket's path may have at most 107 bytes.
  std::string name = (std::filesystem::temp_directory_path() / "pawl-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return;
  folder_ = name;
  data_ = folder_ + "/data";
  socket_ = folder_ + "/pawl.sock";

  std::vector<std::string> words{program, "--data", data_, "--socket", socket_};
  words.insert(words.end(), options.begin(), options.end());
  pid_ = ::fork();
  if (pid_ == 0) become(words, folder_ + "/words");

  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!ready_ && std::chrono::steady_clock::now() < end) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return;
    }
    UnixHttp http(socket_, "test");
    ready_ = http.connected() && http.request("GET", "/readyz").status == 200;
    if (!ready_) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

PawldProcess::~PawldProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;  // orphans of a temporary folder must not fail a test
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

std::string PawldProcess::words() const {
  std::ostringstream text;
  text << std::ifstream(folder_ + "/words").rdbuf();
  return text.str();
}

int PawldProcess::stop() {
  int status = -1;
  if (pid_ <= 0) return status;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

}  // namespace pawl
