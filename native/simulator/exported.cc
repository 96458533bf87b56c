#include "exported.h"

#include <atomic>
#include <cstring>

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

std::atomic<unsigned long long> calls[kCount];

}  // namespace

void CountCall(Exported function) {
  calls[static_cast<unsigned>(function)].fetch_add(1, std::memory_order_relaxed);
}

unsigned long long CallsOf(const char* function) {
  if (function == nullptr) return ~0ull;
  for (unsigned i = 0; i < kCount; i++) {
    if (std::strcmp(kNames[i], function) == 0) return calls[i].load(std::memory_order_relaxed);
  }
  return ~0ull;
}

}  // namespace nvml_mig::simulator
