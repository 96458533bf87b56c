// What a GPU shows of itself while it runs: power, temperature, clocks, load, errors, link and modes.
#ifndef NVML_MIG_NVML_READINGS_H
#define NVML_MIG_NVML_READINGS_H

#include <array>

#include "library.h"

namespace nvml {

// In the order of GpuReading in addon/records.json, which names the calls.
enum class Reading : unsigned {
  kPowerUsage,
  kPowerLimit,
  kPowerEnforcedLimit,
  kPowerDefaultLimit,
  kTemperature,
  kGraphicsClock,
  kSmClock,
  kMemoryClock,
  kVideoClock,
  kMaxGraphicsClock,
  kMaxSmClock,
  kMaxMemoryClock,
  kMaxVideoClock,
  kGpuUtilization,
  kMemoryUtilization,
  kEncoderUtilization,
  kDecoderUtilization,
  kJpegUtilization,
  kOfaUtilization,
  kPerformanceState,
  kEccMode,
  kEccPendingMode,
  kEccVolatileCorrected,
  kEccVolatileUncorrected,
  kEccAggregateCorrected,
  kEccAggregateUncorrected,
  kPcieGeneration,
  kPcieMaxGeneration,
  kPcieWidth,
  kPcieMaxWidth,
  kPcieReplays,
  kPersistenceMode,
  kComputeMode,
};
inline constexpr unsigned kReadingCount = static_cast<unsigned>(Reading::kComputeMode) + 1;

using Readings = std::array<Told<unsigned long long>, kReadingCount>;

// Each on its own: one that the board or its mode lacks keeps none of the others away.
Readings read_readings(const Library& nvml, nvmlDevice_t device);

}  // namespace nvml

#endif  // NVML_MIG_NVML_READINGS_H
