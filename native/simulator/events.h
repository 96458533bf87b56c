// What event sets are told of: MIG changes by anybody, and errors that a test raises. An event is part of
// the change that causes it; how it reaches who waits: event_sets.h.
#ifndef NVML_MIG_SIMULATOR_EVENTS_H
#define NVML_MIG_SIMULATOR_EVENTS_H

#include "image.h"
#include "machine.h"

namespace nvml_mig::simulator {

// The types that a GPU may be registered for: what this simulator can raise of what the GPU has. Every
// release's header has these types.
unsigned long long SupportedEventTypes(const GpuView& at);

// An event for each GPU whose MIG mode or instances a change made different.
void TellMigChanges(const Image& image, const State& before, const State& after, Outbox* outbox);

// An error of a GPU, or of an instance by its ids, else kSimulatorNone. Memory errors are counted.
struct RaisedEvent {
  unsigned type;
  std::uint64_t data;
  unsigned gpuInstance;
  unsigned computeInstance;
};
nvmlReturn_t RaiseEvent(const GpuEdit& at, const RaisedEvent& event, Outbox* outbox,
                        Reason* reason);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_EVENTS_H
