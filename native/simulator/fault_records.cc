#include "fault_records.h"

#include "abi/simulator_control.h"
#include "library.h"
#include "words.h"

namespace nvml_mig::simulator {
namespace {

std::atomic_ref<std::uint64_t> Word(const std::uint64_t& word) {
  return Shared<std::uint64_t>(&word);
}

// Whether the record, which was read before, still is that fault's.
bool IsOf(const Fault& place, std::uint64_t id) {
  std::atomic_thread_fence(std::memory_order_acquire);
  return Word(place.id).load(std::memory_order_relaxed) == id;
}

unsigned CountStanding(const Commons& commons) {
  unsigned standing = 0;
  for (const Fault& it : commons.faults) {
    standing += Word(it.id).load(std::memory_order_relaxed) != 0;
  }
  return standing;
}

Fault* Find(Commons& commons, std::uint64_t id) {
  for (Fault& it : commons.faults) {
    if (id != 0 && Word(it.id).load(std::memory_order_relaxed) == id) return &it;
  }
  return nullptr;
}

// `armed` counts it, and its words stand, before its `id` makes a fault of them: a process that is
// killed here leaves none, or a whole one.
void Write(Commons& commons, Fault* place, Fault fault) {
  Word(place->id).store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  fault.matched = fault.fired = fault.released = 0;
  constexpr std::uint64_t Fault::*words[] = {
      &Fault::function, &Fault::pid,   &Fault::first,  &Fault::times,
      &Fault::chance,   &Fault::seed,  &Fault::action, &Fault::after,
      &Fault::value,    &Fault::matched, &Fault::fired, &Fault::released};
  static_assert(sizeof(words) / sizeof(words[0]) == sizeof(Fault) / sizeof(std::uint64_t) - 1);
  for (const auto word : words) Word(place->*word).store(fault.*word, std::memory_order_relaxed);
  Word(commons.armed).store(CountStanding(commons) + 1, std::memory_order_relaxed);
  Word(place->id).store(fault.id, std::memory_order_release);
}

void SayFigures(const Fault& place, Reason* reason) {
  reason->Say("%llu %llu",
              static_cast<unsigned long long>(Word(place.matched).load(std::memory_order_relaxed)),
              static_cast<unsigned long long>(Word(place.fired).load(std::memory_order_relaxed)));
}

nvmlReturn_t NoSuch(std::uint64_t id, Reason* reason) {
  reason->Say("There is no fault %llu, or no more.", static_cast<unsigned long long>(id));
  return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t Add(Image& image, const Fault& wanted, Reason* reason) {
  std::uint64_t id = 0;
  const ChangeStatus status = image.ChangeCommons([&](Commons& commons) {
    const std::uint64_t newest = Word(commons.lastFault).load(std::memory_order_relaxed);
    // The place that was free for longest: a call that was struck by what stood there is over.
    for (unsigned i = 0; i < kMaxFaults && id == 0; i++) {
      Fault* const place = &commons.faults[(newest + i) % kMaxFaults];
      if (Word(place->id).load(std::memory_order_relaxed) != 0) continue;
      id = newest + 1;
      Word(commons.lastFault).store(id, std::memory_order_relaxed);
      Fault fault = wanted;
      fault.id = id;
      Write(commons, place, fault);
    }
  });
  if (status != ChangeStatus::kDone) return CodeOf(status, reason);
  if (id == 0) {
    reason->Say("%u faults stand in this node, which is all there is room for: remove one first.",
                kMaxFaults);
    return NVML_ERROR_INSUFFICIENT_RESOURCES;
  }
  reason->Say("%llu", static_cast<unsigned long long>(id));
  return NVML_SUCCESS;
}

// change(Commons&, Fault*) on the fault with the id; its code is the outcome.
template <class Change>
nvmlReturn_t OnFault(Image& image, std::uint64_t id, Reason* reason, Change change) {
  nvmlReturn_t outcome = NVML_SUCCESS;
  const ChangeStatus status = image.ChangeCommons([&](Commons& commons) {
    Fault* const place = Find(commons, id);
    outcome = place == nullptr ? NoSuch(id, reason) : change(commons, place);
  });
  return status == ChangeStatus::kDone ? outcome : CodeOf(status, reason);
}

// By place, the calls that this process gave a number to: the low half of the fault's id, then how
// many they were.
std::atomic<std::uint64_t> ownCalls[kMaxFaults];

std::uint64_t NumberOwnCall(unsigned place, std::uint64_t id) {
  std::uint64_t counted = ownCalls[place].load(std::memory_order_relaxed);
  std::uint64_t next;
  do {
    next = (counted >> 32 == (id & 0xffffffff) ? counted : id << 32) + 1;
  } while (!ownCalls[place].compare_exchange_weak(counted, next, std::memory_order_relaxed));
  return next & 0xffffffff;
}

}  // namespace

nvmlReturn_t InjectFault(Image& image, const unsigned* asked, const char* name, Reason* reason) {
  Exported function = Exported::kCount;
  if (asked[0] == 0 && !FindExported(name, &function)) {
    reason->Say("The simulator has no function '%s'.", name == nullptr ? "" : name);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const unsigned action = asked[6];
  if (asked[0] > 1 || asked[2] == 0 || asked[3] == 0 || action < kSimulatorReturn ||
      action > kSimulatorBusy || asked[8] > 1) {
    reason->Say("A fault begins with call 1 at the earliest, strikes at least once, and returns, "
                "delays, keeps busy, hangs or kills, before or after the effect.");
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (function == Exported::nvmlErrorString && action == kSimulatorReturn) {
    reason->Say("nvmlErrorString answers with words, so no code can be returned in its place.");
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  Fault wanted = {};
  wanted.function = asked[0] == 1 ? kAnyFunction : static_cast<std::uint64_t>(function);
  wanted.pid = asked[1];
  wanted.first = asked[2];
  wanted.times = asked[3] == kSimulatorNone ? kForEver : asked[3];
  wanted.chance = asked[4] == kSimulatorNone ? kCertain : asked[4];
  wanted.seed = asked[5];
  wanted.action = action;
  wanted.value = asked[7];
  wanted.after = asked[8];
  return Add(image, wanted, reason);
}

nvmlReturn_t RemoveFault(Image& image, std::uint64_t id, Reason* reason) {
  return OnFault(image, id, reason, [&](Commons& commons, Fault* place) {
    Word(place->id).store(0, std::memory_order_release);
    Word(commons.armed).store(CountStanding(commons), std::memory_order_relaxed);
    SayFigures(*place, reason);
    return NVML_SUCCESS;
  });
}

nvmlReturn_t ReleaseFault(Image& image, std::uint64_t id, Reason* reason) {
  return OnFault(image, id, reason, [&](Commons&, Fault* place) {
    if (Word(place->action).load(std::memory_order_relaxed) != kSimulatorHang) {
      reason->Say("Nothing hangs in fault %llu, so nothing can be released.",
                  static_cast<unsigned long long>(id));
      return NVML_ERROR_INVALID_ARGUMENT;
    }
    Word(place->released).store(1, std::memory_order_release);
    return NVML_SUCCESS;
  });
}

nvmlReturn_t ReportFault(const Image& image, std::uint64_t id, Reason* reason) {
  const Fault* const place = Find(image.commons(), id);
  if (place == nullptr) return NoSuch(id, reason);
  SayFigures(*place, reason);
  return IsOf(*place, id) ? NVML_SUCCESS : NoSuch(id, reason);
}

bool ReadFault(const Image& image, unsigned place, Fault* out) {
  const Fault& it = image.commons().faults[place];
  out->id = Word(it.id).load(std::memory_order_acquire);
  if (out->id == 0) return false;
  LoadWords(&out->function, reinterpret_cast<const std::uint8_t*>(&it.function),
            sizeof(Fault) - offsetof(Fault, function));
  return IsOf(it, out->id);
}

bool Stands(const Image& image, unsigned place, std::uint64_t id) {
  return IsOf(image.commons().faults[place], id);
}

std::uint64_t NumberCall(const Image& image, unsigned place, std::uint64_t id) {
  if (!image.writable()) return NumberOwnCall(place, id);
  Fault& it = image.commons().faults[place];
  return Word(it.matched).fetch_add(1, std::memory_order_relaxed) + 1;
}

void CountFired(const Image& image, unsigned place) {
  if (!image.writable()) return;
  Word(image.commons().faults[place].fired).fetch_add(1, std::memory_order_relaxed);
}

bool StrikesCall(const Fault& fault, std::uint64_t number) {
  if (number < fault.first || number - fault.first >= fault.times) return false;
  return Draw(fault.seed, number) < fault.chance;
}

std::uint32_t Draw(std::uint64_t seed, std::uint64_t number) {
  std::uint64_t bits = (seed << 32) + number + 0x9e3779b97f4a7c15u;
  bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
  return static_cast<std::uint32_t>((bits ^ bits >> 31) >> 32);
}

}  // namespace nvml_mig::simulator
