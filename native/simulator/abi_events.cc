// Event sets. Clients make one at the start and wait on it only if they follow events, which are not
// modelled: registering and waiting answer NVML_ERROR_NOT_SUPPORTED.
#include <atomic>

#include "calls.h"

using namespace nvml_mig::simulator;

namespace {

// A process has a handful; more at once than this is a leak.
constexpr unsigned kMaxEventSets = 1024;
// Who has a place: the init period that made the set and the set's own number, which no other ever had;
// 0: free. Sets of an ended period are gone with it.
std::atomic<std::uint64_t> sets[kMaxEventSets];
std::atomic<std::uint32_t> lastNumber{0};

std::uint64_t Entry(unsigned period, std::uint32_t number) {
  return std::uint64_t{period} << 32 | number;
}

// What stands in a handle beside the place, so that neither a device's handle nor a number passes.
constexpr std::uint64_t kEventSetKind = 0xe;

nvmlEventSet_t HandleOf(const ImageHeader& header, unsigned place, std::uint32_t number) {
  return reinterpret_cast<nvmlEventSet_t>(HandleTag(header) << 48 | kEventSetKind << 44 |
                                          std::uint64_t{place} << 32 | number);
}

}  // namespace

nvmlReturn_t played::nvmlEventSetCreate(nvmlEventSet_t* set) {
  NVML_MIG_ENTER();
  if (set == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const unsigned period = InitPeriod();
  const std::uint32_t number = lastNumber.fetch_add(1, std::memory_order_relaxed) + 1;
  for (unsigned place = 0; place < kMaxEventSets; place++) {
    std::uint64_t former = sets[place].load(std::memory_order_relaxed);
    if (former != 0 && former >> 32 == period) continue;
    if (!sets[place].compare_exchange_strong(former, Entry(period, number))) continue;
    *set = HandleOf(image->header(), place, number);
    return NVML_SUCCESS;
  }
  return NVML_ERROR_MEMORY;
}

nvmlReturn_t played::nvmlEventSetFree(nvmlEventSet_t set) {
  NVML_MIG_ENTER();
  const auto bits = reinterpret_cast<std::uint64_t>(set);
  const unsigned place = static_cast<unsigned>(bits >> 32) & (kMaxEventSets - 1);
  const auto number = static_cast<std::uint32_t>(bits);
  if (set != HandleOf(image->header(), place, number)) return NVML_ERROR_INVALID_ARGUMENT;
  std::uint64_t entry = Entry(InitPeriod(), number);
  return sets[place].compare_exchange_strong(entry, 0) ? NVML_SUCCESS
                                                       : NVML_ERROR_INVALID_ARGUMENT;
}
