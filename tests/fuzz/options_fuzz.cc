// A configuration file.
#include "daemon/options.h"
#include "tests/fuzz/fuzz.h"

namespace pawl::fuzz {

void options(Bytes input) {
  const InputFile file(input);
  const char* const arguments[] = {"--data", "folder", "--config", file.path().c_str()};
  const auto options = read_options(arguments, [](const char*) -> const char* { return nullptr; });
  if (!options) return PAWL_ASSERT(!options.error().message.empty());
  PAWL_ASSERT(options->data.is_absolute() && !options->answer);
  // There is always a socket: the one in the data folder, unless another one is given.
  PAWL_ASSERT(!options->socket.empty());
}

}  // namespace pawl::fuzz
