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

nvmlReturn_t played::nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int* power) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::powerMilliwatts, power);
}

nvmlReturn_t played::nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int* limit) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::powerLimitMilliwatts, limit);
}

nvmlReturn_t played::nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device,
                                                              unsigned int* defaultLimit) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::powerDefaultLimitMilliwatts, defaultLimit);
}

nvmlReturn_t played::nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int* limit) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::powerLimitMilliwatts, limit);
}

nvmlReturn_t played::nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device,
                                                                  unsigned int* minLimit,
                                                                  unsigned int* maxLimit) {
  NVML_MIG_ENTER();
  if (minLimit == nullptr || maxLimit == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  unsigned least;
  nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code == NVML_SUCCESS) code = Give(subject, &Readings::powerMinLimitMilliwatts, &least);
  if (code == NVML_SUCCESS) code = Give(subject, &Readings::powerMaxLimitMilliwatts, maxLimit);
  if (code == NVML_SUCCESS) *minLimit = least;
  return code;
}

nvmlReturn_t played::nvmlDeviceGetPowerManagementMode(
    nvmlDevice_t device, nvmlEnableState_t* mode) {
  NVML_MIG_ENTER();
  const nvmlReturn_t code =
      GiveReading(*image, device, &Readings::powerLimitMilliwatts, mode);
  if (code == NVML_SUCCESS) *mode = NVML_FEATURE_ENABLED;
  return code;
}

nvmlReturn_t played::nvmlDeviceGetTemperature(
    nvmlDevice_t device, nvmlTemperatureSensors_t sensorType, unsigned int* temp) {
  NVML_MIG_ENTER();
  return GiveChosen(*image, device, {&Readings::temperatureCelsius}, sensorType, temp);
}

nvmlReturn_t played::nvmlDeviceGetTemperatureV(
    nvmlDevice_t device, nvmlTemperature_v1_t* temperature) {
  NVML_MIG_ENTER();
  if (temperature == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (temperature->version != nvmlTemperature_v1) return VersionMismatch(image->node());
  return GiveChosen(*image, device, {&Readings::temperatureCelsius}, temperature->sensorType,
                    &temperature->temperature);
}

nvmlReturn_t played::nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device,
                                                       nvmlTemperatureThresholds_t thresholdType,
                                                       unsigned int* temp) {
  NVML_MIG_ENTER();
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

nvmlReturn_t played::nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned int* speed) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::fanSpeedPercent, speed);
}

nvmlReturn_t played::nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type,
                                            unsigned int* clock) {
  NVML_MIG_ENTER();
  constexpr Reading clocks[NVML_CLOCK_COUNT] = {&Readings::graphicsClockMHz, &Readings::smClockMHz,
                                                &Readings::memoryClockMHz,
                                                &Readings::videoClockMHz};
  return GiveChosen(*image, device, clocks, type, clock);
}

nvmlReturn_t played::nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type,
                                               unsigned int* clock) {
  NVML_MIG_ENTER();
  constexpr Reading clocks[NVML_CLOCK_COUNT] = {
      &Readings::maxGraphicsClockMHz, &Readings::maxSmClockMHz, &Readings::maxMemoryClockMHz,
      &Readings::maxVideoClockMHz};
  return GiveChosen(*image, device, clocks, type, clock);
}

nvmlReturn_t played::nvmlDeviceGetPerformanceState(nvmlDevice_t device, nvmlPstates_t* pState) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::performanceState, pState);
}

nvmlReturn_t played::nvmlDeviceGetPowerState(nvmlDevice_t device, nvmlPstates_t* pState) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::performanceState, pState);
}

nvmlReturn_t played::nvmlDeviceGetUtilizationRates(
    nvmlDevice_t device, nvmlUtilization_t* utilization) {
  NVML_MIG_ENTER();
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

nvmlReturn_t played::nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int* utilization,
                                                     unsigned int* samplingPeriodUs) {
  NVML_MIG_ENTER();
  return GiveEngineLoad(*image, device, &Readings::encoderUtilizationPercent, utilization,
                        samplingPeriodUs);
}

nvmlReturn_t played::nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int* utilization,
                                                     unsigned int* samplingPeriodUs) {
  NVML_MIG_ENTER();
  return GiveEngineLoad(*image, device, &Readings::decoderUtilizationPercent, utilization,
                        samplingPeriodUs);
}

nvmlReturn_t played::nvmlDeviceGetJpgUtilization(nvmlDevice_t device, unsigned int* utilization,
                                                 unsigned int* samplingPeriodUs) {
  NVML_MIG_ENTER();
  return GiveEngineLoad(*image, device, &Readings::jpegUtilizationPercent, utilization,
                        samplingPeriodUs);
}

nvmlReturn_t played::nvmlDeviceGetOfaUtilization(nvmlDevice_t device, unsigned int* utilization,
                                                 unsigned int* samplingPeriodUs) {
  NVML_MIG_ENTER();
  return GiveEngineLoad(*image, device, &Readings::ofaUtilizationPercent, utilization,
                        samplingPeriodUs);
}

nvmlReturn_t played::nvmlDeviceGetCurrPcieLinkGeneration(
    nvmlDevice_t device, unsigned int* currLinkGen) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::pcieGeneration, currLinkGen);
}

nvmlReturn_t played::nvmlDeviceGetMaxPcieLinkGeneration(
    nvmlDevice_t device, unsigned int* maxLinkGen) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::pcieMaxGeneration, maxLinkGen);
}

nvmlReturn_t played::nvmlDeviceGetGpuMaxPcieLinkGeneration(nvmlDevice_t device,
                                                           unsigned int* maxLinkGenDevice) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::pcieDeviceMaxGeneration, maxLinkGenDevice);
}

nvmlReturn_t played::nvmlDeviceGetCurrPcieLinkWidth(
    nvmlDevice_t device, unsigned int* currLinkWidth) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::pcieWidth, currLinkWidth);
}

nvmlReturn_t played::nvmlDeviceGetMaxPcieLinkWidth(
    nvmlDevice_t device, unsigned int* maxLinkWidth) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::pcieMaxWidth, maxLinkWidth);
}

nvmlReturn_t played::nvmlDeviceGetPcieThroughput(nvmlDevice_t device, nvmlPcieUtilCounter_t counter,
                                                 unsigned int* value) {
  NVML_MIG_ENTER();
  return GiveChosen(*image, device, {&Readings::pcieTransmitKBps, &Readings::pcieReceiveKBps},
                    counter, value);
}

nvmlReturn_t played::nvmlDeviceGetPcieReplayCounter(nvmlDevice_t device, unsigned int* value) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::pcieReplays, value);
}

nvmlReturn_t played::nvmlDeviceGetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t* mode) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::persistenceMode, mode);
}

nvmlReturn_t played::nvmlDeviceSetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t mode) {
  NVML_MIG_ENTER();
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  return ChangeGpu(*image, subject.handle, [&](const GpuEdit& at, const Target&) {
    return SetPersistenceMode(at, mode);
  });
}

nvmlReturn_t played::nvmlDeviceGetDisplayMode(nvmlDevice_t device, nvmlEnableState_t* display) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::displayMode, display);
}

nvmlReturn_t played::nvmlDeviceGetDisplayActive(nvmlDevice_t device, nvmlEnableState_t* isActive) {
  NVML_MIG_ENTER();
  return GiveReading(*image, device, &Readings::displayActive, isActive);
}

nvmlReturn_t played::nvmlDeviceGetComputeMode(nvmlDevice_t device, nvmlComputeMode_t* mode) {
  NVML_MIG_ENTER();
  if (mode == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  if (!IsPartitioned(subject)) return Give(subject, &Readings::computeMode, mode);
  *mode = NVML_COMPUTEMODE_DEFAULT;
  return NVML_SUCCESS;
}
