// What event sets are told of, from the change that causes it to the process that waits.
#ifndef NVML_MIG_SIMULATOR_EVENTS_H
#define NVML_MIG_SIMULATOR_EVENTS_H

#include "image.h"

namespace nvml_mig::simulator {

// An event for each GPU whose MIG mode or instances a change made different.
void TellMigChanges(const Image& image, const State& before, const State& after, Outbox* outbox);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_EVENTS_H
