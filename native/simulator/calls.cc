#include "calls.h"

#include <cstring>
#include <utility>

#include "dialect.h"
#include "seen_devices.h"

namespace nvml_mig::simulator {
namespace {

// The first branch whose header has NVML_ERROR_ARGUMENT_VERSION_MISMATCH.
constexpr unsigned kFirstBranchWithVersionMismatch = 520;

// `instance` and `compute` for what the handle names. A MIG device is a compute instance seen from
// outside.
template <class Gpu, class Instance, class Compute>
bool FindLive(Gpu& gpu, const Handle& handle, Instance** instance, Compute** compute) {
  if (handle.kind == HandleKind::kGpu) return true;
  *instance = FindGpuInstance(gpu, handle.gpuInstance);
  if (*instance == nullptr) return false;
  if (handle.kind == HandleKind::kGpuInstance) return (*instance)->stamp == handle.stamp;
  *compute = FindComputeInstance(**instance, handle.computeInstance);
  return *compute != nullptr && (*compute)->stamp == handle.stamp;
}

// A MIG device that is gone, as this process saw it last.
bool RecallPast(Subject* subject) {
  unsigned index;
  if (subject->handle.kind != HandleKind::kMigDevice ||
      !Speaks(*subject->driver, kStaleMigHandles) ||
      !FindSeenMigDevice(subject->handle, &subject->past, &index)) {
    return false;
  }
  subject->instance = &subject->past;
  subject->compute = &subject->past.computeInstances[0];
  return true;
}

bool IsDevice(HandleKind kind) {
  return kind == HandleKind::kGpu || kind == HandleKind::kMigDevice;
}

// A GPU that is lost or wants a reset says so whatever it is asked, also of instances it no longer has.
nvmlReturn_t LookAt(const Image& image, const void* opaque, bool (*suits)(HandleKind),
                    Subject* subject) {
  if (!DecodeHandle(image.header(), opaque, &subject->handle) || !suits(subject->handle.kind) ||
      IsHidden(SightOf(CallersView(), subject->handle.gpu))) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  subject->driver = &image.node();
  subject->board = &image.boards()[subject->handle.gpu];
  const std::uint64_t change = image.ReadGpu(subject->handle.gpu, &subject->node, &subject->gpu);
  if (subject->gpu.health != 0) return HealthOf(subject->gpu);
  ForgetEndedClients(subject->node);
  if (Speaks(*subject->driver, kStaleMigHandles)) SeeMigDevices(subject->view(), change);
  const bool lives = FindLive(std::as_const(subject->gpu), subject->handle, &subject->instance,
                              &subject->compute);
  if (!lives && !RecallPast(subject)) return NVML_ERROR_INVALID_ARGUMENT;
  const bool hidden = subject->handle.kind == HandleKind::kMigDevice &&
                      !IsVisible(subject->view(), subject->mig());
  return hidden ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
}

}  // namespace

nvmlReturn_t ResolveDevice(const Image& image, nvmlDevice_t device, Subject* subject) {
  return LookAt(image, device, IsDevice, subject);
}

nvmlReturn_t ResolveGpu(const Image& image, nvmlDevice_t device, Subject* subject) {
  return LookAt(image, device, [](HandleKind kind) { return kind == HandleKind::kGpu; }, subject);
}

nvmlReturn_t Resolve(const Image& image, nvmlGpuInstance_t instance, Subject* subject) {
  return LookAt(image, instance,
                [](HandleKind kind) { return kind == HandleKind::kGpuInstance; }, subject);
}

nvmlReturn_t Resolve(const Image& image, nvmlComputeInstance_t compute, Subject* subject) {
  return LookAt(image, compute,
                [](HandleKind kind) { return kind == HandleKind::kComputeInstance; }, subject);
}

nvmlReturn_t ResolveMigDevice(const Image& image, nvmlDevice_t device, Subject* subject) {
  const nvmlReturn_t code = ResolveDevice(image, device, subject);
  if (code != NVML_SUCCESS) return code;
  return subject->handle.kind == HandleKind::kMigDevice ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t ResolveGpuOnly(const Image& image, nvmlDevice_t device, Subject* subject) {
  const nvmlReturn_t code = ResolveDevice(image, device, subject);
  if (code != NVML_SUCCESS) return code;
  return subject->handle.kind == HandleKind::kGpu ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t FindMigDevice(Subject* gpu, unsigned index, MigDevice* device) {
  if (!Speaks(*gpu->driver, kStaleMigHandles)) return MigDeviceAt(gpu->view(), index, device);
  if (gpu->board->profileCount == 0) return NVML_ERROR_NOT_SUPPORTED;
  if (!SeenMigDeviceAt(gpu->handle.gpu, index, &gpu->past)) return NVML_ERROR_NOT_FOUND;
  *device = {&gpu->past, &gpu->past.computeInstances[0]};
  return NVML_SUCCESS;
}

unsigned IndexOf(const Subject& device) {
  GpuInstance seen;
  unsigned index;
  const bool fixed = Speaks(*device.driver, kStaleMigHandles) &&
                     FindSeenMigDevice(device.handle, &seen, &index);
  return fixed ? index : MigDeviceIndex(device.view(), device.mig());
}

bool FindTarget(GpuState& gpu, const Handle& handle, Target* target) {
  return FindLive(gpu, handle, &target->instance, &target->compute);
}

nvmlDevice_t GpuHandle(const Image& image, unsigned gpu) {
  return EncodeHandle<nvmlDevice_t>(image.header(),
                                    {HandleKind::kGpu, gpu, 0, 0, GpuStamp(image.header())});
}

nvmlDevice_t MigHandle(const Image& image, unsigned gpu, const MigDevice& device) {
  return EncodeHandle<nvmlDevice_t>(image.header(),
                                    {HandleKind::kMigDevice, gpu, device.instance->id,
                                     device.compute->id, device.compute->stamp});
}

nvmlGpuInstance_t InstanceHandle(const Image& image, unsigned gpu, const GpuInstance& instance) {
  return EncodeHandle<nvmlGpuInstance_t>(
      image.header(), {HandleKind::kGpuInstance, gpu, instance.id, 0, instance.stamp});
}

nvmlComputeInstance_t ComputeHandle(const Image& image, unsigned gpu, const GpuInstance& instance,
                                    const ComputeInstance& compute) {
  return EncodeHandle<nvmlComputeInstance_t>(
      image.header(),
      {HandleKind::kComputeInstance, gpu, instance.id, compute.id, compute.stamp});
}

nvmlReturn_t GiveText(char* out, unsigned length, const char* text) {
  if (out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const std::size_t bytes = std::strlen(text) + 1;
  if (bytes > length) return NVML_ERROR_INSUFFICIENT_SIZE;
  std::memcpy(out, text, bytes);
  return NVML_SUCCESS;
}

nvmlReturn_t VersionMismatch(const Node& driver) {
  return driver.driverBranch >= kFirstBranchWithVersionMismatch
             ? NVML_ERROR_ARGUMENT_VERSION_MISMATCH
             : NVML_ERROR_INVALID_ARGUMENT;
}

}  // namespace nvml_mig::simulator
