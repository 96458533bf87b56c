// The words that processes share in a mapped image. Every access is an atomic one: relaxed for the
// contents of a slot, ordered for the number that says which slot counts.
#ifndef NVML_MIG_SIMULATOR_WORDS_H
#define NVML_MIG_SIMULATOR_WORDS_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace nvml_mig::simulator {

static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free &&
                  std::atomic_ref<std::uint32_t>::is_always_lock_free,
              "a lock inside the process would not reach the others");

template <class Word>
std::atomic_ref<Word> Shared(const void* at) {
  return std::atomic_ref<Word>(*static_cast<Word*>(const_cast<void*>(at)));
}

// `bytes` is a multiple of eight and both ends are aligned, as everything in a slot is.
inline void LoadWords(void* out, const std::uint8_t* from, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 8) {
    const std::uint64_t word = Shared<std::uint64_t>(from + at).load(std::memory_order_relaxed);
    std::memcpy(static_cast<char*>(out) + at, &word, 8);
  }
}

inline bool WordsEqual(const void* mine, const std::uint8_t* shared, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, static_cast<const char*>(mine) + at, 8);
    if (word != Shared<std::uint64_t>(shared + at).load(std::memory_order_relaxed)) return false;
  }
  return true;
}

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_WORDS_H
