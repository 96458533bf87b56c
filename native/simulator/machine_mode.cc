// Modes of a GPU that callers change. MIG mode: up to Ampere a change needs a GPU reset, which the driver
// does itself when nobody holds the GPU and nothing forbids it; otherwise it stays pending and the
// activation says why. Later GPUs change at once. In a vGPU's guest the mode is the host's.
#include "machine.h"

namespace nvml_mig::simulator {
namespace {

bool HasInstances(const GpuState& gpu) {
  for (const GpuInstance& instance : gpu.gpuInstances) {
    if (instance.stamp != 0) return true;
  }
  return false;
}

}  // namespace

nvmlReturn_t GetMigMode(const GpuView& at, unsigned* current, unsigned* pending) {
  if (at.board.profileCount == 0) return NVML_ERROR_NOT_SUPPORTED;
  *current = at.gpu.migCurrent;
  *pending = at.gpu.migPending;
  return NVML_SUCCESS;
}

// Whoever has NVML initialised holds the GPU open, which keeps the driver from resetting it; instances
// and their makers do not mind.
nvmlReturn_t SetMigMode(const GpuEdit& at, unsigned mode, bool watched, nvmlReturn_t* activation) {
  if (mode > NVML_DEVICE_MIG_ENABLE) return NVML_ERROR_INVALID_ARGUMENT;
  if ((at.rights & kRootRight) == 0) return NVML_ERROR_NO_PERMISSION;
  if (at.board.profileCount == 0) return NVML_ERROR_NOT_SUPPORTED;
  if (at.driver.platform == kVgpuGuest) return NVML_ERROR_NO_PERMISSION;

  *activation = NVML_SUCCESS;
  if (mode == at.gpu.migCurrent) {
    at.gpu.migPending = mode;
    return NVML_SUCCESS;
  }
  const bool held = HasClients(at.node, at.index);
  if (mode == NVML_DEVICE_MIG_DISABLE && (held || HasInstances(at.gpu))) return NVML_ERROR_IN_USE;

  at.gpu.migPending = mode;
  if (at.board.modeNeedsReset != 0 && (held || watched)) {
    *activation = NVML_ERROR_IN_USE;
  } else if (at.board.modeNeedsReset != 0 && at.driver.platform == kPassthrough) {
    *activation = NVML_ERROR_RESET_REQUIRED;
  } else {
    at.gpu.migCurrent = mode;
  }
  return NVML_SUCCESS;
}

nvmlReturn_t SetPersistenceMode(const GpuEdit& at, unsigned mode) {
  if (mode > NVML_FEATURE_ENABLED) return NVML_ERROR_INVALID_ARGUMENT;
  if ((at.rights & kRootRight) == 0) return NVML_ERROR_NO_PERMISSION;
  if (at.gpu.readings.persistenceMode == kNoReading) return NVML_ERROR_NOT_SUPPORTED;
  at.gpu.readings.persistenceMode = mode;
  return NVML_SUCCESS;
}

}  // namespace nvml_mig::simulator
