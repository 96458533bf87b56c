// Power, temperature, clocks, load, link and modes of a GPU.
#include <iterator>

#include "readings.h"

using namespace nvml_mig::simulator;

namespace {

// NVML's documentation: a sample is taken over 1/6 s to 1 s, depending on the product.
constexpr unsigned kSamplingPeriodUs = 1'000'000 / 6;

// The readings of a call that says by a number which one it wants.
template <std::size_t count, class Out>
nvmlReturn_t GiveChosen(const Image& image, nvmlDevice_t device, const Reading (&readings)[count],
                        unsigned which, Out* out) {
  if (which >= count) return NVML_ERROR_INVALID_ARGUMENT;
  return GiveReading(image, device, readings[which], out);
}

// What a GPU in MIG mode does not tell of itself.
nvmlReturn_t GiveLoad(const Image& image, nvmlDevice_t device, Reading reading, unsigned* out) {
  if (out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  return IsPartitioned(subject) ? NVML_ERROR_NOT_SUPPORTED : Give(subject, reading, out);
}

nvmlReturn_t GiveEngineLoad(const Image& image, nvmlDevice_t device, Reading reading,
                            unsigned* utilization, unsigned* samplingPeriodUs) {
  if (samplingPeriodUs == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const nvmlReturn_t code = GiveLoad(image, device, reading, utilization);
  if (code == NVML_SUCCESS) *samplingPeriodUs = kSamplingPeriodUs;
  return code;
}

}  // namespace

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int* power) {
  NVML_MIG_ENTER(nvmlDeviceGetPowerUsage);
  return GiveReading(*image, device, &Readings::powerMilliwatts, power);
}

nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int* limit) {
  NVML_MIG_ENTER(nvmlDeviceGetPowerManagementLimit);
  return GiveReading(*image, device, &Readings::powerLimitMilliwatts, limit);
}

nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device,
                                                      unsigned int* defaultLimit) {
  NVML_MIG_ENTER(nvmlDeviceGetPowerManagementDefaultLimit);
  return GiveReading(*image, device, &Readings::powerDefaultLimitMilliwatts, defaultLimit);
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int* limit) {
  NVML_MIG_ENTER(nvmlDeviceGetEnforcedPowerLimit);
  return GiveReading(*image, device, &Readings::powerLimitMilliwatts, limit);
}

nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device,
                                                          unsigned int* minLimit,
                                                          unsigned int* maxLimit) {
  NVML_MIG_ENTER(nvmlDeviceGetPowerManagementLimitConstraints);
  if (minLimit == nullptr || maxLimit == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  unsigned least;
  nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code == NVML_SUCCESS) code = Give(subject, &Readings::powerMinLimitMilliwatts, &least);
  if (code == NVML_SUCCESS) code = Give(subject, &Readings::powerMaxLimitMilliwatts, maxLimit);
  if (code == NVML_SUCCESS) *minLimit = least;
  return code;
}

nvmlReturn_t nvmlDeviceGetPowerManagementMode(nvmlDevice_t device, nvmlEnableState_t* mode) {
  NVML_MIG_ENTER(nvmlDeviceGetPowerManagementMode);
  const nvmlReturn_t code =
      GiveReading(*image, device, &Readings::powerLimitMilliwatts, mode);
  if (code == NVML_SUCCESS) *mode = NVML_FEATURE_ENABLED;
  return code;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensorType,
                                      unsigned int* temp) {
  NVML_MIG_ENTER(nvmlDeviceGetTemperature);
  return GiveChosen(*image, device, {&Readings::temperatureCelsius}, sensorType, temp);
}

nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t* temperature) {
  NVML_MIG_ENTER(nvmlDeviceGetTemperatureV);
  if (temperature == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (temperature->version != nvmlTemperature_v1) return VersionMismatch(image->node());
  return GiveChosen(*image, device, {&Readings::temperatureCelsius}, temperature->sensorType,
                    &temperature->temperature);
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device,
                                               nvmlTemperatureThresholds_t thresholdType,
                                               unsigned int* temp) {
  NVML_MIG_ENTER(nvmlDeviceGetTemperatureThreshold);
  constexpr Reading thresholds[] = {
      &Readings::shutdownTemperatureCelsius, &Readings::slowdownTemperatureCelsius,
      &Readings::memoryMaxTemperatureCelsius, &Readings::gpuMaxTemperatureCelsius};
  // The acoustic thresholds after them belong to boards with fans for a desktop.
  if (thresholdType >= std::size(thresholds) &&
      thresholdType < NVML_TEMPERATURE_THRESHOLD_COUNT) {
    unsigned unused;
    const nvmlReturn_t code =
        temp == nullptr ? NVML_ERROR_INVALID_ARGUMENT
                        : GiveReading(*image, device, thresholds[0], &unused);
    return code == NVML_SUCCESS ? NVML_ERROR_NOT_SUPPORTED : code;
  }
  return GiveChosen(*image, device, thresholds, thresholdType, temp);
}

nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned int* speed) {
  NVML_MIG_ENTER(nvmlDeviceGetFanSpeed);
  return GiveReading(*image, device, &Readings::fanSpeedPercent, speed);
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type,
                                    unsigned int* clock) {
  NVML_MIG_ENTER(nvmlDeviceGetClockInfo);
  constexpr Reading clocks[NVML_CLOCK_COUNT] = {&Readings::graphicsClockMHz, &Readings::smClockMHz,
                                                &Readings::memoryClockMHz,
                                                &Readings::videoClockMHz};
  return GiveChosen(*image, device, clocks, type, clock);
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type,
                                       unsigned int* clock) {
  NVML_MIG_ENTER(nvmlDeviceGetMaxClockInfo);
  constexpr Reading clocks[NVML_CLOCK_COUNT] = {
      &Readings::maxGraphicsClockMHz, &Readings::maxSmClockMHz, &Readings::maxMemoryClockMHz,
      &Readings::maxVideoClockMHz};
  return GiveChosen(*image, device, clocks, type, clock);
}

nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, nvmlPstates_t* pState) {
  NVML_MIG_ENTER(nvmlDeviceGetPerformanceState);
  return GiveReading(*image, device, &Readings::performanceState, pState);
}

nvmlReturn_t nvmlDeviceGetPowerState(nvmlDevice_t device, nvmlPstates_t* pState) {
  NVML_MIG_ENTER(nvmlDeviceGetPowerState);
  return GiveReading(*image, device, &Readings::performanceState, pState);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t* utilization) {
  NVML_MIG_ENTER(nvmlDeviceGetUtilizationRates);
  if (utilization == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  nvmlUtilization_t rates;
  nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code == NVML_SUCCESS && IsPartitioned(subject)) code = NVML_ERROR_NOT_SUPPORTED;
  if (code == NVML_SUCCESS) code = Give(subject, &Readings::gpuUtilizationPercent, &rates.gpu);
  if (code == NVML_SUCCESS) {
    code = Give(subject, &Readings::memoryUtilizationPercent, &rates.memory);
  }
  if (code == NVML_SUCCESS) *utilization = rates;
  return code;
}

nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int* utilization,
                                             unsigned int* samplingPeriodUs) {
  NVML_MIG_ENTER(nvmlDeviceGetEncoderUtilization);
  return GiveEngineLoad(*image, device, &Readings::encoderUtilizationPercent, utilization,
                        samplingPeriodUs);
}

nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int* utilization,
                                             unsigned int* samplingPeriodUs) {
  NVML_MIG_ENTER(nvmlDeviceGetDecoderUtilization);
  return GiveEngineLoad(*image, device, &Readings::decoderUtilizationPercent, utilization,
                        samplingPeriodUs);
}

nvmlReturn_t nvmlDeviceGetJpgUtilization(nvmlDevice_t device, unsigned int* utilization,
                                         unsigned int* samplingPeriodUs) {
  NVML_MIG_ENTER(nvmlDeviceGetJpgUtilization);
  return GiveEngineLoad(*image, device, &Readings::jpegUtilizationPercent, utilization,
                        samplingPeriodUs);
}

nvmlReturn_t nvmlDeviceGetOfaUtilization(nvmlDevice_t device, unsigned int* utilization,
                                         unsigned int* samplingPeriodUs) {
  NVML_MIG_ENTER(nvmlDeviceGetOfaUtilization);
  return GiveEngineLoad(*image, device, &Readings::ofaUtilizationPercent, utilization,
                        samplingPeriodUs);
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t device, unsigned int* currLinkGen) {
  NVML_MIG_ENTER(nvmlDeviceGetCurrPcieLinkGeneration);
  return GiveReading(*image, device, &Readings::pcieGeneration, currLinkGen);
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int* maxLinkGen) {
  NVML_MIG_ENTER(nvmlDeviceGetMaxPcieLinkGeneration);
  return GiveReading(*image, device, &Readings::pcieMaxGeneration, maxLinkGen);
}

nvmlReturn_t nvmlDeviceGetGpuMaxPcieLinkGeneration(nvmlDevice_t device,
                                                   unsigned int* maxLinkGenDevice) {
  NVML_MIG_ENTER(nvmlDeviceGetGpuMaxPcieLinkGeneration);
  return GiveReading(*image, device, &Readings::pcieDeviceMaxGeneration, maxLinkGenDevice);
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t device, unsigned int* currLinkWidth) {
  NVML_MIG_ENTER(nvmlDeviceGetCurrPcieLinkWidth);
  return GiveReading(*image, device, &Readings::pcieWidth, currLinkWidth);
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t device, unsigned int* maxLinkWidth) {
  NVML_MIG_ENTER(nvmlDeviceGetMaxPcieLinkWidth);
  return GiveReading(*image, device, &Readings::pcieMaxWidth, maxLinkWidth);
}

nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, nvmlPcieUtilCounter_t counter,
                                         unsigned int* value) {
  NVML_MIG_ENTER(nvmlDeviceGetPcieThroughput);
  return GiveChosen(*image, device, {&Readings::pcieTransmitKBps, &Readings::pcieReceiveKBps},
                    counter, value);
}

nvmlReturn_t nvmlDeviceGetPcieReplayCounter(nvmlDevice_t device, unsigned int* value) {
  NVML_MIG_ENTER(nvmlDeviceGetPcieReplayCounter);
  return GiveReading(*image, device, &Readings::pcieReplays, value);
}

nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t* mode) {
  NVML_MIG_ENTER(nvmlDeviceGetPersistenceMode);
  return GiveReading(*image, device, &Readings::persistenceMode, mode);
}

nvmlReturn_t nvmlDeviceGetDisplayMode(nvmlDevice_t device, nvmlEnableState_t* display) {
  NVML_MIG_ENTER(nvmlDeviceGetDisplayMode);
  return GiveReading(*image, device, &Readings::displayMode, display);
}

nvmlReturn_t nvmlDeviceGetDisplayActive(nvmlDevice_t device, nvmlEnableState_t* isActive) {
  NVML_MIG_ENTER(nvmlDeviceGetDisplayActive);
  return GiveReading(*image, device, &Readings::displayActive, isActive);
}

nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, nvmlComputeMode_t* mode) {
  NVML_MIG_ENTER(nvmlDeviceGetComputeMode);
  if (mode == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  if (!IsPartitioned(subject)) return Give(subject, &Readings::computeMode, mode);
  *mode = NVML_COMPUTEMODE_DEFAULT;
  return NVML_SUCCESS;
}
