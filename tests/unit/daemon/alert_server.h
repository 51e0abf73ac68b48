// The receiving side of a webhook: a web server on the loopback that keeps requests and answers as scripted.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "store/os/descriptor.h"

namespace pawl {

class AlertServer {
 public:
  struct Request {
    std::string head;  // request line and headers
    std::string body;
  };

  AlertServer();
  ~AlertServer();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/hook"; }

  /// The complete answers to the next requests, one each; an empty one closes the connection unanswered. After them:
  /// 200.
  void answer_with(std::vector<std::string> answers);
  /// From now on, requests get no answer until release().
  void hold();
  void release();

  /// Waits until that many requests have arrived, and returns all of them; fewer after a minute.
  std::vector<Request> requests(std::size_t count);

 private:
  void serve();
  void serve(int connection);

  Descriptor listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> answers_;
  std::vector<Request> requests_;
  bool held_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace pawl
