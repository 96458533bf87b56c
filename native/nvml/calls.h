// What one thread calls in NVML: the call it is in, for others to see; and what it called, while
// somebody listens.
#ifndef NVML_MIG_NVML_CALLS_H
#define NVML_MIG_NVML_CALLS_H

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace nvml {

class Calls {
 public:
  struct Made {
    std::uint32_t symbol;
    std::uint32_t code;
    std::uint64_t nanoseconds;
  };

  // The call that the thread is in: its number, counted from 1, and its Symbol. 0 if it is in none.
  struct Running {
    std::uint64_t number = 0;
    std::uint32_t symbol = 0;
  };
  Running running() const {
    const std::uint64_t word = running_.load(std::memory_order_relaxed);
    return {word >> kSymbolBits, static_cast<std::uint32_t>(word & ((1u << kSymbolBits) - 1))};
  }

  // The rest is for the thread that calls.
  void listen(bool on) { listening_ = on; }
  std::vector<Made> take() { return std::exchange(made_, {}); }

  template <typename Call>
  std::uint32_t carry_out(std::uint32_t symbol, const Call& call) {
    running_.store(++number_ << kSymbolBits | symbol, std::memory_order_relaxed);
    const std::uint32_t code = listening_ ? timed(symbol, call) : call();
    running_.store(0, std::memory_order_relaxed);
    return code;
  }

 private:
  static constexpr unsigned kSymbolBits = 12;

  template <typename Call>
  std::uint32_t timed(std::uint32_t symbol, const Call& call) {
    const auto began = std::chrono::steady_clock::now();
    const std::uint32_t code = call();
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - began;
    made_.push_back({symbol, code, static_cast<std::uint64_t>(took.count())});
    return code;
  }

  std::atomic<std::uint64_t> running_{0};
  std::uint64_t number_ = 0;
  bool listening_ = false;
  std::vector<Made> made_;
};

}  // namespace nvml

#endif  // NVML_MIG_NVML_CALLS_H
