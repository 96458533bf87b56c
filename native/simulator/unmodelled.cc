// Functions of NVML that this simulator has and does not play. They are there because clients treat
// a missing symbol and a refused call differently, and a driver release has all of its symbols. The
// caller's arguments are left alone, whatever they are.
#include "exported.h"
#include "library.h"

#define UNMODELLED(name)                                                              \
  NVML_MIG_EXPORT nvmlReturn_t name() {                                               \
    using namespace nvml_mig::simulator;                                              \
    CountCall(Exported::name);                                                        \
    return InitialisedImage() == nullptr ? NVML_ERROR_UNINITIALIZED : NVML_ERROR_NOT_SUPPORTED; \
  }
#include "unmodelled.inc"
