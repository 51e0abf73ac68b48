// A webhook's other side: a web server on the loopback that keeps what it was sent, and answers as it is told.
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

  /// The whole answers to the next requests, one each; empty: the connection is closed without one. Afterwards 200.
  void answer_with(std::vector<std::string> answers);
  /// Requests that come from now on wait for their answer until release().
  void hold();
  void release();

  /// Waits until so many requests have come, and returns all; fewer if a minute does not bring them.
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
