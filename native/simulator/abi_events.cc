// Event sets. Clients make one at the start and wait on it only if they follow events, which are not
// modelled: registering and waiting answer NVML_ERROR_NOT_SUPPORTED.
#include <atomic>

#include "calls.h"

using namespace nvml_mig::simulator;

namespace {

// A process has a handful; more at once than this is a leak.
constexpr unsigned kMaxEventSets = 1024;
// Number of the init period that made the set, 0: free. Sets of an ended period are gone with it.
std::atomic<unsigned> owner[kMaxEventSets];

// What stands in a handle beside the place, so that neither a device's handle nor a number passes.
constexpr std::uint64_t kEventSetKind = 0xe;

nvmlEventSet_t HandleOf(const ImageHeader& header, unsigned place, unsigned period) {
  return reinterpret_cast<nvmlEventSet_t>(HandleTag(header) << 48 | kEventSetKind << 44 |
                                          std::uint64_t{place} << 32 | period);
}

}  // namespace

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t* set) {
  NVML_MIG_ENTER(nvmlEventSetCreate);
  if (set == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const unsigned period = InitPeriod();
  for (unsigned place = 0; place < kMaxEventSets; place++) {
    unsigned former = owner[place].load(std::memory_order_relaxed);
    if (former == period || !owner[place].compare_exchange_strong(former, period)) continue;
    *set = HandleOf(image->header(), place, period);
    return NVML_SUCCESS;
  }
  return NVML_ERROR_MEMORY;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
  NVML_MIG_ENTER(nvmlEventSetFree);
  const auto bits = reinterpret_cast<std::uint64_t>(set);
  const unsigned place = static_cast<unsigned>(bits >> 32) & (kMaxEventSets - 1);
  unsigned period = InitPeriod();
  if (set != HandleOf(image->header(), place, period)) return NVML_ERROR_INVALID_ARGUMENT;
  return owner[place].compare_exchange_strong(period, 0) ? NVML_SUCCESS
                                                         : NVML_ERROR_INVALID_ARGUMENT;
}
