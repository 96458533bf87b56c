// A node's library as a client of NVML has it: loaded by its path, its functions found by name.
#ifndef NVML_MIG_TESTS_IMAGE_NVML_H
#define NVML_MIG_TESTS_IMAGE_NVML_H

#include <dlfcn.h>

#include "abi/nvml_abi.h"
#include "support.h"

namespace nvml_mig::image_tests {

// The library's functions; null where it has none of that name.
struct Nvml {
#define NVML_SYMBOL(name, ret, args) ret(*name) args;
#define NVML_CLIENT_SYMBOL(name, ret, args) ret(*name) args;
#include "abi/symbols.h"
};

inline void* Load(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  EXPECT(library != nullptr, "%s", dlerror());
  return library;
}

inline Nvml Functions(void* library) {
  Nvml nvml;
#define NVML_SYMBOL(name, ret, args) \
  nvml.name = reinterpret_cast<decltype(nvml.name)>(dlsym(library, #name));
#define NVML_CLIENT_SYMBOL(name, ret, args) NVML_SYMBOL(name, ret, args)
#include "abi/symbols.h"
  return nvml;
}

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_NVML_H
