// Fuzzing: bytes that no sane client would send, for everything that reads foreign bytes. libFuzzer finds them; a
// target states what must hold for each.
//
// All targets are one program, pawl_fuzz, because compiling pawl's own code under sanitizers again is expensive:
// `pawl_fuzz --target=NAME [libFuzzer's options] FOLDER…`. A target is one function in its own file. It keeps no state
// between inputs, so that each input reproduces its result alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "schema/result.h"

namespace pawl::fuzz {

using Bytes = std::span<const std::uint8_t>;

void block(Bytes input);        // a block as on disk, and its records
void checkpoint(Bytes input);   // a checkpoint, and an archived task
void write_ahead(Bytes input);  // a write-ahead file, and the end of a log
void exported(Bytes input);     // exported lines
void script(Bytes input);       // `pawl simulate`
void pipeline(Bytes input);     // YAML
void mask(Bytes input);         // a secret, and command output
void http(Bytes input);         // a connection
void webhook(Bytes input);      // the body of a delivery, signed
void options(Bytes input);      // a configuration file
void terminal(Bytes input);     // command output, for a terminal

inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The input as a file, for readers that need a path. Removed with this object.
class InputFile {
 public:
  explicit InputFile(Bytes content);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

}  // namespace pawl::fuzz
