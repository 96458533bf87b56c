// MIG devices: compute instances as devices of their own.
#include "calls.h"

#include <cstring>

using namespace nvml_mig::simulator;

namespace {

nvmlReturn_t GiveAttributes(const Image& image, nvmlDevice_t device,
                            nvmlDeviceAttributes_t* attributes) {
  Subject subject;
  const nvmlReturn_t code = ResolveMigDevice(image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  const GpuInstanceProfile& whole = ProfileOf(*subject.board, *subject.instance);
  const ComputeProfile& part = ProfileOf(*subject.board, *subject.instance, *subject.compute);
  *attributes = {part.multiprocessorCount, part.sharedCopyEngineCount, part.sharedDecoderCount,
                 part.sharedEncoderCount,  part.sharedJpegCount,       part.sharedOfaCount,
                 whole.sliceCount,         part.sliceCount,            whole.memorySizeMiB};
  return NVML_SUCCESS;
}

}  // namespace

nvmlReturn_t played::nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int* isMigDevice) {
  NVML_MIG_ENTER();
  if (isMigDevice == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveDevice(*image, device, &subject);
  if (code == NVML_SUCCESS) *isMigDevice = subject.handle.kind == HandleKind::kMigDevice;
  return code;
}

nvmlReturn_t played::nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int* id) {
  NVML_MIG_ENTER();
  if (id == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveMigDevice(*image, device, &subject);
  if (code == NVML_SUCCESS) *id = subject.instance->id;
  return code;
}

nvmlReturn_t played::nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int* id) {
  NVML_MIG_ENTER();
  if (id == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveMigDevice(*image, device, &subject);
  if (code == NVML_SUCCESS) *id = subject.compute->id;
  return code;
}

nvmlReturn_t played::nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int* count) {
  NVML_MIG_ENTER();
  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpu(*image, device, &subject);
  if (code == NVML_SUCCESS) *count = MaxMigDevices(subject.view());
  return code;
}

nvmlReturn_t played::nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index,
                                                         nvmlDevice_t* migDevice) {
  NVML_MIG_ENTER();
  if (migDevice == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  MigDevice found;
  nvmlReturn_t code = ResolveGpu(*image, device, &subject);
  if (code == NVML_SUCCESS) code = FindMigDevice(&subject, index, &found);
  if (code == NVML_SUCCESS) *migDevice = MigHandle(*image, subject.handle.gpu, found);
  return code;
}

nvmlReturn_t played::nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t migDevice,
                                                                  nvmlDevice_t* device) {
  NVML_MIG_ENTER();
  if (device == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveMigDevice(*image, migDevice, &subject);
  if (code == NVML_SUCCESS) *device = GpuHandle(*image, subject.handle.gpu);
  return code;
}

// The first form's struct ends before the slice counts, and so does what is written.
nvmlReturn_t played::nvmlDeviceGetAttributes(
    nvmlDevice_t device, nvmlDeviceAttributes_t* attributes) {
  NVML_MIG_ENTER();
  if (attributes == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  nvmlDeviceAttributes_t whole;
  const nvmlReturn_t code = GiveAttributes(*image, device, &whole);
  if (code == NVML_SUCCESS) {
    std::memcpy(static_cast<void*>(attributes), &whole,
                offsetof(nvmlDeviceAttributes_t, gpuInstanceSliceCount));
  }
  return code;
}

nvmlReturn_t played::nvmlDeviceGetAttributes_v2(
    nvmlDevice_t device, nvmlDeviceAttributes_t* attributes) {
  NVML_MIG_ENTER();
  if (attributes == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  return GiveAttributes(*image, device, attributes);
}
