// Failures: what the world refuses (a disk, some bytes, a malformed request). A refusal by the machine is an Outcome
// and a bug is a PAWL_ASSERT; neither is ever an Error. The names are those of std::expected, which will replace the
// implementation one day. Ours exists because it is [[nodiscard]] for `void` too.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace pawl {

enum class ErrorCode {
  missing,      // it does not exist
  damaged,      // it exists, but its bytes cannot be what was written
  unsupported,  // its version is unknown to this program
  malformed,    // what was typed or sent does not have the required form
  busy,         // it is in use by another
  superseded,   // another writer was first: this one has lost the right to write
  replaced,     // its name now leads to something else
  io,           // the operating system reported an error
};

struct Error {
  ErrorCode code{};
  std::string message;  // for people: names the seq, key or path
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return content_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return std::get<0>(content_); }
  const T& value() const& { return std::get<0>(content_); }
  T&& value() && { return std::get<0>(std::move(content_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & { return std::get<1>(content_); }
  const Error& error() const& { return std::get<1>(content_); }
  Error&& error() && { return std::get<1>(std::move(content_)); }

 private:
  std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  void value() const {}
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

/// The value of `expression`; if it is an error, returns the error from the enclosing function. One per line, never
/// nested.
#define PAWL_TRY(expression)                                                \
  ({                                                                        \
    auto pawl_result = (expression);                                        \
    if (!pawl_result) return ::pawl::Error(std::move(pawl_result).error()); \
    std::move(pawl_result).value();                                         \
  })

/// For conditions that must hold whatever the input. Always on; prints the expression and aborts.
#define PAWL_ASSERT(expression) \
  (static_cast<bool>(expression) ? void() : ::pawl::assertion_failed(#expression, __FILE__, __LINE__))

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace pawl
