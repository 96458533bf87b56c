#include "exported.h"

#include <cstring>

#include "faults.h"
#include "library.h"

namespace nvml_mig::simulator {
namespace {

constexpr unsigned kCount = static_cast<unsigned>(Exported::kCount);

constexpr const char* kNames[kCount] = {
#define NVML_SYMBOL(name, ret, args) #name,
#define NVML_CLIENT_SYMBOL(name, ret, args) #name,
#include "abi/symbols.h"
#define UNMODELLED(name) #name,
#include "unmodelled.inc"
};

}  // namespace

bool FindExported(const char* name, Exported* function) {
  for (unsigned i = 0; name != nullptr && i < kCount; i++) {
    if (std::strcmp(kNames[i], name) != 0) continue;
    *function = static_cast<Exported>(i);
    return true;
  }
  return false;
}

}  // namespace nvml_mig::simulator

using namespace nvml_mig::simulator;

#include "exported_calls.inc"

// Functions of NVML that this simulator has and does not play. They are there because clients treat
// a missing symbol and a refused call differently, and a driver release has all of its symbols. The
// caller's arguments are left alone, whatever they are.
#define UNMODELLED(name)                                              \
  NVML_MIG_EXPORT nvmlReturn_t name() {                               \
    return Call(Exported::name, []() -> nvmlReturn_t {                \
      const nvmlReturn_t code = Enter(InitialisedImage());            \
      return code == NVML_SUCCESS ? NVML_ERROR_NOT_SUPPORTED : code;  \
    });                                                               \
  }
#include "unmodelled.inc"
