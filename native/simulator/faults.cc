#include "faults.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "abi/simulator_control.h"
#include "fault_records.h"
#include "words.h"

namespace nvml_mig::simulator {
namespace {

void Sleep(std::uint64_t milliseconds) {
  timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  const long nanoseconds = until.tv_nsec + static_cast<long>(milliseconds % 1'000) * 1'000'000;
  until.tv_sec += static_cast<time_t>(milliseconds / 1'000) + nanoseconds / 1'000'000'000;
  until.tv_nsec = nanoseconds % 1'000'000'000;
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

std::int64_t Nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// As a call into the kernel does, which costs the caller time and no sleep.
void KeepBusy(std::uint64_t microseconds) {
  const std::int64_t until = Nanoseconds() + static_cast<std::int64_t>(microseconds) * 1'000;
  while (Nanoseconds() < until) {
  }
}

[[noreturn]] void KillThisProcess() {
  kill(getpid(), SIGKILL);
  // The first process of a container cannot be killed from inside: it ends as the shell calls it.
  _exit(128 + SIGKILL);
}

bool AnyStands(const Image& image) {
  return Shared<std::uint64_t>(&image.commons().armed).load(std::memory_order_relaxed) != 0;
}

// Whether a fault is for such a call at all. A text is no code, so what returns one is not.
bool Matches(const Fault& fault, Exported function) {
  if (function == Exported::nvmlErrorString && fault.action == kSimulatorReturn) return false;
  return (fault.function == kAnyFunction ||
          fault.function == static_cast<std::uint64_t>(function)) &&
         (fault.pid == 0 || fault.pid == static_cast<std::uint64_t>(getpid()));
}

// The faults that strike one call.
class Strikes {
 public:
  explicit Strikes(Exported function);
  Strikes(const Strikes&) = delete;
  Strikes& operator=(const Strikes&) = delete;

  // True when the call is to return `code`.
  bool Before(nvmlReturn_t* code) const { return Act(false, code); }
  bool After(nvmlReturn_t* code) const { return Act(true, code); }

 private:
  struct Strike {
    unsigned place;
    Fault fault;
  };

  bool Act(bool after, nvmlReturn_t* code) const;
  bool Fires(const Strike& strike) const;
  void Hang(const Strike& strike) const;

  // Looked into only while the library is kept from letting go of it.
  const Image* image_;
  unsigned count_ = 0;
  Strike strikes_[kMaxFaults];  // the oldest first
};

Strikes::Strikes(Exported function) {
  const PreInitImage opened;
  image_ = opened.get();
  if (image_ == nullptr || !AnyStands(*image_)) return;
  for (unsigned place = 0; place < kMaxFaults; place++) {
    Fault fault;
    if (!ReadFault(*image_, place, &fault) || !Matches(fault, function)) continue;
    const std::uint64_t number = NumberCall(*image_, place, fault.id);
    if (fault.released == 0 && StrikesCall(fault, number)) strikes_[count_++] = {place, fault};
  }
  std::sort(strikes_, strikes_ + count_,
            [](const Strike& a, const Strike& b) { return a.fault.id < b.fault.id; });
}

bool Strikes::Act(bool after, nvmlReturn_t* code) const {
  const auto each = [&](auto act) {
    for (const Strike* it = strikes_; it != strikes_ + count_; it++) {
      if ((it->fault.after != 0) == after && act(*it)) return true;
    }
    return false;
  };
  each([&](const Strike& it) {
    if (it.fault.action == kSimulatorDelay && Fires(it)) Sleep(it.fault.value);
    if (it.fault.action == kSimulatorBusy && Fires(it)) KeepBusy(it.fault.value);
    return false;
  });
  each([&](const Strike& it) {
    if (it.fault.action == kSimulatorHang && Fires(it)) Hang(it);
    return false;
  });
  return each([&](const Strike& it) {
    if (it.fault.action != kSimulatorReturn && it.fault.action != kSimulatorKill) return false;
    if (!Fires(it)) return false;
    if (it.fault.action == kSimulatorKill) KillThisProcess();
    *code = static_cast<nvmlReturn_t>(it.fault.value);
    return true;
  });
}

// Not what was removed since it struck.
bool Strikes::Fires(const Strike& strike) const {
  const PreInitImage opened;
  if (opened.get() != image_ || !Stands(*image_, strike.place, strike.fault.id)) return false;
  CountFired(*image_, strike.place);
  return true;
}

// Looks time and again instead of waiting for a word to change: the node can end in ways that
// change none, and nobody who ends it is to wait for those who hang in it.
void Strikes::Hang(const Strike& strike) const {
  constexpr std::uint64_t longest = 10;
  for (std::uint64_t pause = 1;; Sleep(pause), pause = std::min(2 * pause, longest)) {
    const PreInitImage opened;
    Fault fault;
    if (opened.get() != image_ || image_->retired() != 0 ||
        !ReadFault(*image_, strike.place, &fault) || fault.id != strike.fault.id ||
        fault.released != 0) {
      return;
    }
  }
}

}  // namespace

bool FaultsMayStand(const Image* image) {
  // Before init the image may not even be open, which takes longer to find out.
  return image == nullptr || AnyStands(*image);
}

nvmlReturn_t CallUnderFaults(Exported function, nvmlReturn_t (*effect)(void*), void* context) {
  const Strikes strikes(function);
  nvmlReturn_t code = NVML_SUCCESS;
  if (strikes.Before(&code)) return code;
  const nvmlReturn_t answer = effect(context);
  return strikes.After(&code) ? code : answer;
}

}  // namespace nvml_mig::simulator
