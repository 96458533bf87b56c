#include "readings.h"

namespace nvml {
namespace {

struct Reader {
  const Library& nvml;
  nvmlDevice_t device;
  Readings readings{};

  void tell(Reading reading, Status status, unsigned long long value) {
    readings[static_cast<unsigned>(reading)] = {status, value};
  }

  // A call that gives one number; `which` is what it wants to be told before.
  template <typename Value = unsigned, typename Call, typename... Which>
  void one(Reading reading, const Call& call, Which... which) {
    Value value = 0;
    const Status status = call(device, which..., &value);
    tell(reading, status, value);
  }

  // How busy an engine is. The time that this is a mean of says nothing more.
  template <typename Call>
  void load(Reading reading, const Call& call) {
    unsigned percent = 0, period_us = 0;
    const Status status = call(device, &percent, &period_us);
    tell(reading, status, percent);
  }

  void temperature() {
    nvmlTemperature_v1_t newer{};
    newer.version = nvmlTemperature_v1;
    newer.sensorType = NVML_TEMPERATURE_GPU;
    const Status status = nvml.nvmlDeviceGetTemperatureV(device, &newer);
    if (status.wants_older_form()) {
      one(Reading::kTemperature, nvml.nvmlDeviceGetTemperature, NVML_TEMPERATURE_GPU);
    } else {
      tell(Reading::kTemperature, status, static_cast<unsigned>(newer.temperature));
    }
  }

  void utilization() {
    nvmlUtilization_t rates{};
    const Status status = nvml.nvmlDeviceGetUtilizationRates(device, &rates);
    tell(Reading::kGpuUtilization, status, rates.gpu);
    tell(Reading::kMemoryUtilization, status, rates.memory);
    load(Reading::kEncoderUtilization, nvml.nvmlDeviceGetEncoderUtilization);
    load(Reading::kDecoderUtilization, nvml.nvmlDeviceGetDecoderUtilization);
    load(Reading::kJpegUtilization, nvml.nvmlDeviceGetJpgUtilization);
    load(Reading::kOfaUtilization, nvml.nvmlDeviceGetOfaUtilization);
  }

  void clocks() {
    one(Reading::kGraphicsClock, nvml.nvmlDeviceGetClockInfo, NVML_CLOCK_GRAPHICS);
    one(Reading::kSmClock, nvml.nvmlDeviceGetClockInfo, NVML_CLOCK_SM);
    one(Reading::kMemoryClock, nvml.nvmlDeviceGetClockInfo, NVML_CLOCK_MEM);
    one(Reading::kVideoClock, nvml.nvmlDeviceGetClockInfo, NVML_CLOCK_VIDEO);
    one(Reading::kMaxGraphicsClock, nvml.nvmlDeviceGetMaxClockInfo, NVML_CLOCK_GRAPHICS);
    one(Reading::kMaxSmClock, nvml.nvmlDeviceGetMaxClockInfo, NVML_CLOCK_SM);
    one(Reading::kMaxMemoryClock, nvml.nvmlDeviceGetMaxClockInfo, NVML_CLOCK_MEM);
    one(Reading::kMaxVideoClock, nvml.nvmlDeviceGetMaxClockInfo, NVML_CLOCK_VIDEO);
  }

  void errors(Reading reading, nvmlMemoryErrorType_t type, nvmlEccCounterType_t since) {
    one<unsigned long long>(reading, nvml.nvmlDeviceGetTotalEccErrors, type, since);
  }

  void ecc() {
    nvmlEnableState_t current = 0, pending = 0;
    const Status status = nvml.nvmlDeviceGetEccMode(device, &current, &pending);
    tell(Reading::kEccMode, status, current);
    tell(Reading::kEccPendingMode, status, pending);
    constexpr auto corrected = NVML_MEMORY_ERROR_TYPE_CORRECTED;
    constexpr auto uncorrected = NVML_MEMORY_ERROR_TYPE_UNCORRECTED;
    errors(Reading::kEccVolatileCorrected, corrected, NVML_VOLATILE_ECC);
    errors(Reading::kEccVolatileUncorrected, uncorrected, NVML_VOLATILE_ECC);
    errors(Reading::kEccAggregateCorrected, corrected, NVML_AGGREGATE_ECC);
    errors(Reading::kEccAggregateUncorrected, uncorrected, NVML_AGGREGATE_ECC);
  }
};

}  // namespace

Readings read_readings(const Library& nvml, nvmlDevice_t device) {
  Reader reader{nvml, device};
  reader.one(Reading::kPowerUsage, nvml.nvmlDeviceGetPowerUsage);
  reader.one(Reading::kPowerLimit, nvml.nvmlDeviceGetPowerManagementLimit);
  reader.one(Reading::kPowerEnforcedLimit, nvml.nvmlDeviceGetEnforcedPowerLimit);
  reader.one(Reading::kPowerDefaultLimit, nvml.nvmlDeviceGetPowerManagementDefaultLimit);
  reader.temperature();
  reader.clocks();
  reader.utilization();
  reader.one(Reading::kPerformanceState, nvml.nvmlDeviceGetPerformanceState);
  reader.ecc();
  reader.one(Reading::kPcieGeneration, nvml.nvmlDeviceGetCurrPcieLinkGeneration);
  reader.one(Reading::kPcieMaxGeneration, nvml.nvmlDeviceGetMaxPcieLinkGeneration);
  reader.one(Reading::kPcieWidth, nvml.nvmlDeviceGetCurrPcieLinkWidth);
  reader.one(Reading::kPcieMaxWidth, nvml.nvmlDeviceGetMaxPcieLinkWidth);
  reader.one(Reading::kPcieReplays, nvml.nvmlDeviceGetPcieReplayCounter);
  reader.one(Reading::kPersistenceMode, nvml.nvmlDeviceGetPersistenceMode);
  reader.one(Reading::kComputeMode, nvml.nvmlDeviceGetComputeMode);
  return reader.readings;
}

}  // namespace nvml
