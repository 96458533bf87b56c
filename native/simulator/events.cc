#include "events.h"

#include <unistd.h>

#include <cstring>

#include "abi/simulator_control.h"

namespace nvml_mig::simulator {
namespace {

constexpr unsigned kEccErrors = nvmlEventTypeSingleBitEccError | nvmlEventTypeDoubleBitEccError;

nvmlReturn_t CheckInstance(const GpuEdit& at, const RaisedEvent& event, Reason* reason) {
  if (event.gpuInstance == kSimulatorNone) {
    if (event.computeInstance == kSimulatorNone) return NVML_SUCCESS;
    reason->Say("A compute instance is named by its GPU instance's id and its own; the first is "
                "missing.");
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (event.type != nvmlEventTypeXidCriticalError) {
    reason->Say("Only an Xid names an instance; a memory error is the whole GPU's.");
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const GpuInstance* const instance = FindGpuInstance(at.gpu, event.gpuInstance);
  if (instance == nullptr) {
    reason->Say("GPU %u has no GPU instance %u.", at.index, event.gpuInstance);
    return NVML_ERROR_NOT_FOUND;
  }
  if (event.computeInstance == kSimulatorNone ||
      FindComputeInstance(*instance, event.computeInstance) != nullptr) {
    return NVML_SUCCESS;
  }
  reason->Say("GPU instance %u of GPU %u has no compute instance %u.", event.gpuInstance, at.index,
              event.computeInstance);
  return NVML_ERROR_NOT_FOUND;
}

// A board may lack a counter.
void CountUp(std::uint64_t* counter) {
  if (*counter < kNoReading - 1) ++*counter;
}

void CountEccError(Readings& readings, unsigned type) {
  const bool corrected = type == nvmlEventTypeSingleBitEccError;
  CountUp(corrected ? &readings.eccVolatileCorrectedDram : &readings.eccVolatileUncorrectedDram);
  CountUp(corrected ? &readings.eccAggregateCorrectedDram : &readings.eccAggregateUncorrectedDram);
}

std::uint8_t Recorded(unsigned id) {
  return id == kSimulatorNone ? kNone8 : static_cast<std::uint8_t>(id);
}

}  // namespace

unsigned long long SupportedEventTypes(const GpuView& at) {
  unsigned long long types = nvmlEventTypeXidCriticalError;
  if (at.gpu.readings.eccEnabled != kNoReading) types |= kEccErrors;
  if (at.board.profileCount != 0 && at.driver.migEvents != kMigEventsNone) {
    types |= nvmlEventMigConfigChange;
  }
  return types;
}

void TellMigChanges(const Image& image, const State& before, const State& after, Outbox* outbox) {
  if (image.node().migEvents == kMigEventsNone) return;
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    const GpuState& was = before.gpus[gpu];
    const GpuState& is = after.gpus[gpu];
    if (was.migCurrent == is.migCurrent &&
        std::memcmp(was.gpuInstances, is.gpuInstances, sizeof(is.gpuInstances)) == 0) {
      continue;
    }
    outbox->Add(nvmlEventMigConfigChange, gpu, 0, kNone8, kNone8,
                static_cast<std::uint32_t>(getpid()));
  }
}

nvmlReturn_t RaiseEvent(const GpuEdit& at, const RaisedEvent& event, Outbox* outbox,
                        Reason* reason) {
  const bool isEcc = event.type == nvmlEventTypeSingleBitEccError ||
                     event.type == nvmlEventTypeDoubleBitEccError;
  if (!isEcc && event.type != nvmlEventTypeXidCriticalError) {
    reason->Say("No event of type %u can be raised: an Xid or a memory error is.", event.type);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const nvmlReturn_t code = CheckInstance(at, event, reason);
  if (code != NVML_SUCCESS) return code;
  if (isEcc && at.gpu.readings.eccEnabled != 1) {
    reason->Say("GPU %u has no ECC that is on, so it notices no memory error.", at.index);
    return NVML_ERROR_NOT_SUPPORTED;
  }
  if (isEcc) CountEccError(at.gpu.readings, event.type);
  outbox->Add(event.type, at.index, isEcc ? 0 : event.data, Recorded(event.gpuInstance),
              Recorded(event.computeInstance));
  return NVML_SUCCESS;
}

}  // namespace nvml_mig::simulator
