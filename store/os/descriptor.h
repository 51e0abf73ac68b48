// An open file descriptor with one owner. All descriptors that this program opens are close-on-exec.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <utility>

namespace pawl {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Descriptor() { close(); }

  /// -1 if there is none.
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

/// Occupies those of the descriptors 0, 1 and 2 that are closed, so that no file opened later gets one of them and
/// receives output meant for a terminal. Reading and writing them fails as before; commands find them closed. Call
/// before anything is opened.
void occupy_standard_descriptors();

/// Raises this process's soft limit on open descriptors to `wanted`, or as far as allowed; returns the new limit.
/// Commands inherit it.
std::size_t raise_descriptor_limit(std::size_t wanted);

}  // namespace pawl
