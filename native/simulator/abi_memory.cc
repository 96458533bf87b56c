// Memory and BAR1 of GPUs and MIG devices, in bytes.
#include "calls.h"

using namespace nvml_mig::simulator;

namespace {

using GpuAmount = MemoryMiB (*)(const GpuView&);
using InstanceAmount = MemoryMiB (*)(const GpuView&, const GpuInstance&);

nvmlReturn_t Amount(const Image& image, nvmlDevice_t device, GpuAmount ofGpu,
                    InstanceAmount ofInstance, MemoryMiB* amount) {
  Subject subject;
  const nvmlReturn_t code = ResolveDevice(image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  if (subject.instance != nullptr) {
    *amount = ofInstance(subject.view(), *subject.instance);
  } else if (MayReadWhole(subject.view())) {
    *amount = ofGpu(subject.view());
  } else {
    return NVML_ERROR_NO_PERMISSION;
  }
  return NVML_SUCCESS;
}

}  // namespace

nvmlReturn_t played::nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t* memory) {
  NVML_MIG_ENTER();
  if (memory == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  MemoryMiB amount;
  const nvmlReturn_t code = Amount(*image, device, GpuMemory, InstanceMemory, &amount);
  if (code != NVML_SUCCESS) return code;
  *memory = {amount.total * kMiB, (amount.total - amount.used) * kMiB, amount.used * kMiB};
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t* memory) {
  NVML_MIG_ENTER();
  if (memory == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (memory->version != nvmlMemory_v2) return VersionMismatch(image->node());
  MemoryMiB amount;
  const nvmlReturn_t code = Amount(*image, device, GpuMemory, InstanceMemory, &amount);
  if (code != NVML_SUCCESS) return code;
  *memory = {nvmlMemory_v2, amount.total * kMiB, amount.reserved * kMiB,
             (amount.total - amount.used) * kMiB, (amount.used - amount.reserved) * kMiB};
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlDeviceGetBAR1MemoryInfo(
    nvmlDevice_t device, nvmlBAR1Memory_t* bar1Memory) {
  NVML_MIG_ENTER();
  if (bar1Memory == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  MemoryMiB amount;
  const nvmlReturn_t code = Amount(*image, device, GpuBar1, InstanceBar1, &amount);
  if (code != NVML_SUCCESS) return code;
  *bar1Memory = {amount.total * kMiB, (amount.total - amount.used) * kMiB, amount.used * kMiB};
  return NVML_SUCCESS;
}
