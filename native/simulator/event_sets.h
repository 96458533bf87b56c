// Event sets: what of a node's events each is to be told, and waiting for one.
//
// A set remembers the newest event that it looked at and, for each type of each GPU, the first that counts
// for it. Events themselves are in the image's ring, for every process; a set that falls further behind
// than the ring is long loses the oldest.
#ifndef NVML_MIG_SIMULATOR_EVENT_SETS_H
#define NVML_MIG_SIMULATOR_EVENT_SETS_H

#include "library.h"

namespace nvml_mig::simulator {

void GuardEventSetsForForks();

nvmlReturn_t MakeEventSet(const Image& image, nvmlEventSet_t* set);
nvmlReturn_t FreeEventSet(const Image& image, nvmlEventSet_t set);
// From now on, and in addition to what the set was registered for. The types are supported ones.
nvmlReturn_t RegisterEvents(const Image& image, unsigned gpu, unsigned long long types,
                            nvmlEventSet_t set);

// The next event of a set. NVML_ERROR_TIMEOUT when none came in time or a signal did,
// NVML_ERROR_GPU_IS_LOST when none waits and a GPU of the set is lost. What cannot go on ends the wait
// too: the set was freed (NVML_ERROR_INVALID_ARGUMENT), the library was shut down
// (NVML_ERROR_UNINITIALIZED), the node was closed (NVML_ERROR_UNKNOWN).
nvmlReturn_t WaitForEvent(const Image& image, nvmlEventSet_t set, unsigned milliseconds,
                          Event* event);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_EVENT_SETS_H
