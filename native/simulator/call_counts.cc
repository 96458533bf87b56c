#include "call_counts.h"

#include <atomic>

#include "library.h"
#include "words.h"

namespace nvml_mig::simulator {
namespace {

constexpr unsigned kCount = static_cast<unsigned>(Exported::kCount);
static_assert(kCount <= kMaxFunctions, "the image has no word for some function");

// What this process has counted aside, and whether there is any. Who sees that there is sees the count.
std::atomic<std::uint64_t> aside[kCount];
std::atomic<bool> anyAside{false};

std::atomic_ref<std::uint64_t> WordOf(const Image& image, unsigned function) {
  return Shared<std::uint64_t>(&image.commons().calls[function]);
}

// False when the word was moved to the image's successor before; what was added then counts nowhere.
bool Add(const Image& image, unsigned function, std::uint64_t calls) {
  return (WordOf(image, function).fetch_add(calls, std::memory_order_relaxed) & kCallsMoved) == 0;
}

void CountAside(unsigned function, std::uint64_t calls) {
  aside[function].fetch_add(calls, std::memory_order_relaxed);
  anyAside.store(true, std::memory_order_release);
}

}  // namespace

void CountCall(const Image* image, Exported function) {
  const auto number = static_cast<unsigned>(function);
  if (image == nullptr || !image->writable() || !Add(*image, number, 1)) CountAside(number, 1);
}

void HandOverCalls(const Image& image) {
  if (!image.writable() || !anyAside.exchange(false, std::memory_order_acquire)) return;
  for (unsigned i = 0; i < kCount; i++) {
    const std::uint64_t calls = aside[i].exchange(0, std::memory_order_relaxed);
    if (calls != 0 && !Add(image, i, calls)) CountAside(i, calls);
  }
}

void ForgetCallsInChild() {
  for (auto& calls : aside) calls.store(0, std::memory_order_relaxed);
}

unsigned long long CallsOf(const char* name) {
  Exported function;
  if (!FindExported(name, &function)) return ~0ull;
  const auto number = static_cast<unsigned>(function);
  const PreInitImage opened;  // keeps them from being handed over between the two
  const std::uint64_t own = aside[number].load(std::memory_order_relaxed);
  if (opened.get() == nullptr) return own;
  return own + (WordOf(*opened.get(), number).load(std::memory_order_relaxed) & ~kCallsMoved);
}

}  // namespace nvml_mig::simulator
