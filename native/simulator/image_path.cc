#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "image.h"

namespace nvml_mig::simulator {

bool PathBesideLibrary(const void* symbol, const char* name, char* out, std::size_t length) {
  Dl_info library;
  char resolved[PATH_MAX];
  if (dladdr(symbol, &library) == 0 || realpath(library.dli_fname, resolved) == nullptr) {
    return false;
  }
  const char* slash = std::strrchr(resolved, '/');
  const std::size_t directory = static_cast<std::size_t>(slash - resolved) + 1;
  if (directory + std::strlen(name) >= length) return false;
  std::memcpy(out, resolved, directory);
  std::strcpy(out + directory, name);
  return true;
}

}  // namespace nvml_mig::simulator
