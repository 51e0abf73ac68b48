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
  // Nobody may be let in unseen: what is listened on is what was named, and the socket if nothing was.
  PAWL_ASSERT(options->listen || options->socket);
}

}  // namespace pawl::fuzz
