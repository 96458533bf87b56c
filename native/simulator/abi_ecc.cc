// Memory errors of a GPU and what was done about them.
#include <iterator>

#include "readings.h"

namespace nvml_mig::simulator {

nvmlReturn_t TotalErrors(const Subject& subject, EccCounter counter, unsigned long long* total) {
  const Readings& readings = subject.gpu.readings;
  if (readings.eccEnabled != 1) return NVML_ERROR_NOT_SUPPORTED;
  if (IsPartitioned(subject) && counter.since == NVML_VOLATILE_ECC) return NVML_ERROR_NOT_SUPPORTED;
  unsigned long long dram, sram;
  nvmlReturn_t code = Give(subject, DramErrors(counter), &dram);
  if (code == NVML_SUCCESS) code = Give(subject, SramErrors(counter), &sram);
  if (code == NVML_SUCCESS) *total = dram + sram;
  return code;
}

nvmlReturn_t RemappedRowsOf(const Subject& subject, RemappedRows* rows) {
  for (const GpuInstance& instance : subject.gpu.gpuInstances) {
    if (instance.stamp != 0) return NVML_ERROR_NOT_SUPPORTED;
  }
  constexpr Reading readings[] = {&Readings::remappedRowsCorrectable,
                                  &Readings::remappedRowsUncorrectable,
                                  &Readings::remappedRowsPending, &Readings::remappedRowsFailed};
  for (unsigned i = 0; i < std::size(readings); i++) {
    const nvmlReturn_t code = Give(subject, readings[i], &rows->counts[i]);
    if (code != NVML_SUCCESS) return code;
  }
  return NVML_SUCCESS;
}

namespace {

bool IsEccCounter(EccCounter counter) {
  return counter.type < NVML_MEMORY_ERROR_TYPE_COUNT && counter.since < NVML_ECC_COUNTER_TYPE_COUNT;
}

// A MIG device knows the uncorrected errors outside DRAM since the driver was loaded. Which instance an
// error struck is not modelled: each shows the GPU's.
bool MigDeviceCounts(EccCounter counter, nvmlMemoryLocation_t location) {
  return counter.type == NVML_MEMORY_ERROR_TYPE_UNCORRECTED &&
         counter.since == NVML_VOLATILE_ECC && location == NVML_MEMORY_LOCATION_SRAM;
}

nvmlReturn_t ErrorsAt(const Subject& subject, EccCounter counter, nvmlMemoryLocation_t location,
                      unsigned long long* count) {
  if (subject.gpu.readings.eccEnabled != 1) return NVML_ERROR_NOT_SUPPORTED;
  const bool counted = subject.compute != nullptr
                           ? MigDeviceCounts(counter, location)
                           : !IsPartitioned(subject) || counter.since != NVML_VOLATILE_ECC;
  if (!counted) return NVML_ERROR_NOT_SUPPORTED;
  switch (location) {
    case NVML_MEMORY_LOCATION_DRAM:
      return Give(subject, DramErrors(counter), count);
    case NVML_MEMORY_LOCATION_SRAM:
      return Give(subject, SramErrors(counter), count);
    default:
      // Boards with MIG count caches and registers together, as SRAM.
      return NVML_ERROR_NOT_SUPPORTED;
  }
}

}  // namespace
}  // namespace nvml_mig::simulator

using namespace nvml_mig::simulator;

nvmlReturn_t played::nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t* current,
                                          nvmlEnableState_t* pending) {
  NVML_MIG_ENTER();
  if (current == nullptr || pending == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  nvmlEnableState_t now;
  nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code == NVML_SUCCESS) code = Give(subject, &Readings::eccEnabled, &now);
  if (code == NVML_SUCCESS) code = Give(subject, &Readings::eccPendingEnabled, pending);
  if (code == NVML_SUCCESS) *current = now;
  return code;
}

nvmlReturn_t played::nvmlDeviceGetTotalEccErrors(
    nvmlDevice_t device, nvmlMemoryErrorType_t errorType, nvmlEccCounterType_t counterType,
    unsigned long long* eccCounts) {
  NVML_MIG_ENTER();
  const EccCounter counter = {errorType, counterType};
  if (eccCounts == nullptr || !IsEccCounter(counter)) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  return code != NVML_SUCCESS ? code : TotalErrors(subject, counter, eccCounts);
}

nvmlReturn_t played::nvmlDeviceGetMemoryErrorCounter(
    nvmlDevice_t device, nvmlMemoryErrorType_t errorType, nvmlEccCounterType_t counterType,
    nvmlMemoryLocation_t locationType, unsigned long long* count) {
  NVML_MIG_ENTER();
  const EccCounter counter = {errorType, counterType};
  if (count == nullptr || !IsEccCounter(counter) || locationType >= NVML_MEMORY_LOCATION_COUNT) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  Subject subject;
  const nvmlReturn_t code = ResolveDevice(*image, device, &subject);
  return code != NVML_SUCCESS ? code : ErrorsAt(subject, counter, locationType, count);
}

nvmlReturn_t played::nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int* corrRows,
                                               unsigned int* uncRows, unsigned int* isPending,
                                               unsigned int* failureOccurred) {
  NVML_MIG_ENTER();
  if (corrRows == nullptr || uncRows == nullptr || isPending == nullptr ||
      failureOccurred == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  Subject subject;
  nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  RemappedRows rows;
  code = RemappedRowsOf(subject, &rows);
  if (code != NVML_SUCCESS) return code;
  *corrRows = rows.counts[0];
  *uncRows = rows.counts[1];
  *isPending = rows.counts[2];
  *failureOccurred = rows.counts[3];
  return NVML_SUCCESS;
}
