// Giving a caller what a GPU shows of itself. A MIG device shows none of it: power, clocks and the link
// are the board's.
#ifndef NVML_MIG_SIMULATOR_READINGS_H
#define NVML_MIG_SIMULATOR_READINGS_H

#include "calls.h"

namespace nvml_mig::simulator {

using Reading = std::uint64_t Readings::*;

inline bool IsPartitioned(const Subject& subject) {
  return subject.gpu.migCurrent == NVML_DEVICE_MIG_ENABLE;
}

// NVML_ERROR_NOT_SUPPORTED where the GPU has no such reading.
template <class Out>
nvmlReturn_t Give(const Subject& subject, Reading reading, Out* out) {
  const std::uint64_t value = subject.gpu.readings.*reading;
  if (value == kNoReading) return NVML_ERROR_NOT_SUPPORTED;
  *out = static_cast<Out>(value);
  return NVML_SUCCESS;
}

template <class Out>
nvmlReturn_t GiveReading(const Image& image, nvmlDevice_t device, Reading reading, Out* out) {
  if (out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(image, device, &subject);
  return code != NVML_SUCCESS ? code : Give(subject, reading, out);
}

// Errors of one type since the driver was loaded or since the board was made, DRAM's or SRAM's.
struct EccCounter {
  nvmlMemoryErrorType_t type;
  nvmlEccCounterType_t since;
};
inline Reading DramErrors(EccCounter counter) {
  constexpr Reading errors[2][2] = {
      {&Readings::eccVolatileCorrectedDram, &Readings::eccAggregateCorrectedDram},
      {&Readings::eccVolatileUncorrectedDram, &Readings::eccAggregateUncorrectedDram}};
  return errors[counter.type][counter.since];
}
inline Reading SramErrors(EccCounter counter) {
  constexpr Reading errors[2][2] = {
      {&Readings::eccVolatileCorrectedSram, &Readings::eccAggregateCorrectedSram},
      {&Readings::eccVolatileUncorrectedSram, &Readings::eccAggregateUncorrectedSram}};
  return errors[counter.type][counter.since];
}

// All of a GPU's errors; a partitioned GPU counts none since the driver was loaded.
nvmlReturn_t TotalErrors(const Subject& subject, EccCounter counter, unsigned long long* total);

// Rows remapped for corrected and for uncorrected errors, whether more wait for a reset, whether one
// failed. A GPU with instances does not say.
struct RemappedRows {
  unsigned counts[4];
};
nvmlReturn_t RemappedRowsOf(const Subject& subject, RemappedRows* rows);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_READINGS_H
