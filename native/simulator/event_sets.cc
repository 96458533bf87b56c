#include "event_sets.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "own_objects.h"

namespace nvml_mig::simulator {
namespace {

// Those that can be registered for, in the order of EventSet::since.
constexpr unsigned kTypes[] = {nvmlEventTypeSingleBitEccError, nvmlEventTypeDoubleBitEccError,
                               nvmlEventTypeXidCriticalError, nvmlEventMigConfigChange};
constexpr unsigned kTypeCount = sizeof(kTypes) / sizeof(kTypes[0]);

struct EventSet {
  std::uint64_t seen;                         // the newest event that was looked at
  std::uint64_t since[kMaxGpus][kTypeCount];  // the first one that counts; 0: not registered
};

using EventSets = OwnObjects<nvmlEventSet_t, EventSet, 0xe>;
constinit EventSets sets;

bool IsRegistered(const EventSet& set, unsigned gpu) {
  const std::uint64_t* const since = set.since[gpu];
  return std::any_of(since, since + kTypeCount, [](std::uint64_t first) { return first != 0; });
}

bool IsMeantFor(const EventSet& set, const Event& event) {
  if (event.gpu >= kMaxGpus) return false;
  const unsigned type = static_cast<unsigned>(std::find(kTypes, kTypes + kTypeCount, event.type) -
                                              kTypes);
  if (type == kTypeCount) return false;
  const std::uint64_t first = set.since[event.gpu][type];
  return first != 0 && event.seq >= first;
}

// Whether this process hears of it. Who may not see the instances hears of whole GPUs only.
bool MayHear(const Image& image, const NodeState& node, const Event& event) {
  if (event.type == nvmlEventMigConfigChange && image.node().migEvents == kMigEventsOwn &&
      event.pid != static_cast<std::uint32_t>(getpid())) {
    return false;
  }
  return event.gpuInstance == kNone8 || MayList(CallerRights(node));
}

// The next event of the set in a state that was read before; NVML_ERROR_TIMEOUT when there is none.
nvmlReturn_t TakeEvent(const Image& image, const State& state, nvmlEventSet_t handle,
                       Event* event) {
  const EventSets::Locked locked(sets);
  EventSet* const set = sets.Find(image.header(), handle);
  if (set == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const std::uint64_t newest = state.node.events;
  if (newest > kEventRing) set->seen = std::max(set->seen, newest - kEventRing);
  while (set->seen < newest) {
    set->seen++;
    if (image.ReadEvent(set->seen, event) && IsMeantFor(*set, *event) &&
        MayHear(image, state.node, *event)) {
      return NVML_SUCCESS;
    }
  }
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    if (IsRegistered(*set, gpu) && state.gpus[gpu].health == NVML_ERROR_GPU_IS_LOST) {
      return NVML_ERROR_GPU_IS_LOST;
    }
  }
  return NVML_ERROR_TIMEOUT;
}

std::int64_t NowMicroseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
}

std::uint64_t NewestEvent(const Image& image) {
  State state;
  image.Read(&state);
  return state.node.events;
}

}  // namespace

void GuardEventSetsForForks() { GuardForForks<sets>(); }

nvmlReturn_t MakeEventSet(const Image& image, nvmlEventSet_t* handle) {
  const std::uint64_t newest = NewestEvent(image);
  const EventSets::Locked locked(sets);
  EventSet* const set = sets.Make(image.header(), handle);
  if (set == nullptr) return NVML_ERROR_MEMORY;
  set->seen = newest;
  return NVML_SUCCESS;
}

nvmlReturn_t FreeEventSet(const Image& image, nvmlEventSet_t set) {
  {
    const EventSets::Locked locked(sets);
    if (!sets.Free(image.header(), set)) return NVML_ERROR_INVALID_ARGUMENT;
  }
  image.WakeWaiters();
  return NVML_SUCCESS;
}

nvmlReturn_t RegisterEvents(const Image& image, unsigned gpu, unsigned long long types,
                            nvmlEventSet_t handle) {
  const std::uint64_t newest = NewestEvent(image);
  const EventSets::Locked locked(sets);
  EventSet* const set = sets.Find(image.header(), handle);
  if (set == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  for (unsigned type = 0; type < kTypeCount; type++) {
    std::uint64_t& since = set->since[gpu][type];
    if ((types & kTypes[type]) != 0 && since == 0) since = newest + 1;
  }
  return NVML_SUCCESS;
}

nvmlReturn_t WaitForEvent(const Image& image, nvmlEventSet_t set, unsigned milliseconds,
                          Event* event) {
  constexpr std::int64_t kSliceMilliseconds = 50;
  const unsigned period = InitPeriod();
  const std::int64_t deadline = NowMicroseconds() + std::int64_t{milliseconds} * 1'000;
  for (;;) {
    const std::uint32_t retired = image.retired();  // asked first: after it nothing more can come
    State state;
    const std::uint64_t change = image.Read(&state);
    const nvmlReturn_t code = TakeEvent(image, state, set, event);
    if (code != NVML_ERROR_TIMEOUT) return code;
    if (retired == kRetiredReplaced) return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
    if (retired != 0) return NVML_ERROR_DRIVER_NOT_LOADED;  // the node was closed
    const std::int64_t left = deadline - NowMicroseconds();
    if (left <= 0) return NVML_ERROR_TIMEOUT;
    const std::int64_t slice = std::min((left + 999) / 1'000, kSliceMilliseconds);
    if (!image.WaitForChange(change, static_cast<unsigned>(slice))) return NVML_ERROR_TIMEOUT;
    if (InitialisedImage() != &image || InitPeriod() != period) return NVML_ERROR_UNINITIALIZED;
  }
}

}  // namespace nvml_mig::simulator
