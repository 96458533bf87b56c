// Every function that the library exports, by name: the prototypes of those that answer, and a
// number for each. What each does is the function of its name in `played`.
#ifndef NVML_MIG_SIMULATOR_EXPORTED_H
#define NVML_MIG_SIMULATOR_EXPORTED_H

#include "abi/figures.h"  // asserts what the compiler made of nvml_abi.h
#include "abi/nvml_abi.h"

#define NVML_MIG_EXPORT extern "C" __attribute__((visibility("default")))

#define NVML_SYMBOL(name, ret, args) NVML_MIG_EXPORT ret name args;
#define NVML_CLIENT_SYMBOL(name, ret, args) NVML_MIG_EXPORT ret name args;
#include "abi/symbols.h"

namespace nvml_mig::simulator {

namespace played {
#define NVML_SYMBOL(name, ret, args) ret name args;
#define NVML_CLIENT_SYMBOL(name, ret, args) ret name args;
#include "abi/symbols.h"
}  // namespace played

enum class Exported : unsigned {
#define NVML_SYMBOL(name, ret, args) name,
#define NVML_CLIENT_SYMBOL(name, ret, args) name,
#include "abi/symbols.h"
#define UNMODELLED(name) name,
#include "unmodelled.inc"
  kCount
};

// The function of a name; false when no such one is exported.
[[nodiscard]] bool FindExported(const char* name, Exported* function);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_EXPORTED_H
