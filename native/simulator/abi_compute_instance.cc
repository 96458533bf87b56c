// Compute instance profiles and compute instances.
#include "dialect.h"
#include "profile_structs.h"

using namespace nvml_mig::simulator;

namespace {

void Fill(const ComputeProfile& profile, nvmlComputeInstanceProfileInfo_v2_t* info) {
  *info = {nvmlComputeInstanceProfileInfo_v2,
           profile.id,
           profile.sliceCount,
           profile.instanceCount,
           profile.multiprocessorCount,
           profile.sharedCopyEngineCount,
           profile.sharedDecoderCount,
           profile.sharedEncoderCount,
           profile.sharedJpegCount,
           profile.sharedOfaCount,
           {}};
  std::memcpy(info->name, profile.name, sizeof(info->name));
}

// No compute instance is known to have a capability of its own.
void Fill(const ComputeProfile& profile, nvmlComputeInstanceProfileInfo_v3_t* info) {
  *info = {nvmlComputeInstanceProfileInfo_v3,
           profile.id,
           profile.sliceCount,
           profile.instanceCount,
           profile.multiprocessorCount,
           profile.sharedCopyEngineCount,
           profile.sharedDecoderCount,
           profile.sharedEncoderCount,
           profile.sharedJpegCount,
           profile.sharedOfaCount,
           {},
           0};
  std::memcpy(info->name, profile.name, sizeof(info->name));
}

nvmlReturn_t Create(Image& image, nvmlGpuInstance_t gpuInstance, unsigned profileId,
                    const Placement* wanted, nvmlComputeInstance_t* computeInstance) {
  Handle handle;
  if (computeInstance == nullptr || !DecodeHandle(image.header(), gpuInstance, &handle) ||
      handle.kind != HandleKind::kGpuInstance) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  nvmlComputeInstance_t made = nullptr;
  const nvmlReturn_t code = ChangeGpu(image, handle, [&](const GpuEdit& at, const Target& target) {
    const ComputeInstance* created;
    const nvmlReturn_t outcome =
        CreateComputeInstance(at, *target.instance, profileId, wanted, &created);
    if (outcome == NVML_SUCCESS) {
      made = ComputeHandle(image, handle.gpu, *target.instance, *created);
    }
    return outcome;
  });
  if (code == NVML_SUCCESS) *computeInstance = made;
  return code;
}

// `device` is the MIG device that the compute instance is, as the clients that rely on it found on
// hardware, or in one dialect its parent, as the header has it.
nvmlReturn_t GiveInfo(const Image& image, nvmlComputeInstance_t computeInstance,
                      nvmlComputeInstanceInfo_t* info) {
  Subject subject;
  const nvmlReturn_t code = Resolve(image, computeInstance, &subject);
  if (code != NVML_SUCCESS) return code;
  const unsigned gpu = subject.handle.gpu;
  *info = {Speaks(image.node(), kComputeInstanceOfParent) ? GpuHandle(image, gpu)
                                                          : MigHandle(image, gpu, subject.mig()),
           InstanceHandle(image, gpu, *subject.instance),
           subject.compute->id,
           ProfileOf(*subject.board, *subject.instance, *subject.compute).id,
           {subject.compute->start, subject.compute->size}};
  return NVML_SUCCESS;
}

}  // namespace

nvmlReturn_t played::nvmlGpuInstanceGetComputeInstanceProfileInfo(
    nvmlGpuInstance_t gpuInstance, unsigned int profile, unsigned int engProfile,
    nvmlComputeInstanceProfileInfo_t* info) {
  NVML_MIG_ENTER();
  if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const ComputeProfile* found;
  nvmlReturn_t code = Resolve(*image, gpuInstance, &subject);
  if (code == NVML_SUCCESS) {
    code = ComputeProfileBySlot(subject.view(), *subject.instance, profile, engProfile, &found);
  }
  if (code != NVML_SUCCESS) return code;
  *info = {found->id,
           found->sliceCount,
           found->instanceCount,
           found->multiprocessorCount,
           found->sharedCopyEngineCount,
           found->sharedDecoderCount,
           found->sharedEncoderCount,
           found->sharedJpegCount,
           found->sharedOfaCount};
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlGpuInstanceGetComputeInstanceProfileInfoV(
    nvmlGpuInstance_t gpuInstance, unsigned int profile, unsigned int engProfile,
    nvmlComputeInstanceProfileInfo_v2_t* info) {
  NVML_MIG_ENTER();
  if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const unsigned version = VersionOf(info);
  if (!TakesProfileVersion(image->node(), version, nvmlComputeInstanceProfileInfo_v2,
                           nvmlComputeInstanceProfileInfo_v3)) {
    return VersionMismatch(image->node());
  }
  Subject subject;
  const ComputeProfile* found;
  nvmlReturn_t code = Resolve(*image, gpuInstance, &subject);
  if (code == NVML_SUCCESS) {
    code = ComputeProfileBySlot(subject.view(), *subject.instance, profile, engProfile, &found);
  }
  if (code != NVML_SUCCESS) return code;
  if (version == nvmlComputeInstanceProfileInfo_v2) {
    Fill(*found, info);
  } else {
    Fill(*found, reinterpret_cast<nvmlComputeInstanceProfileInfo_v3_t*>(info));
  }
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlGpuInstanceGetComputeInstancePossiblePlacements(
    nvmlGpuInstance_t gpuInstance, unsigned int profileId,
    nvmlComputeInstancePlacement_t* placements, unsigned int* count) {
  NVML_MIG_ENTER();
  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const ComputeProfile* found;
  nvmlReturn_t code = Resolve(*image, gpuInstance, &subject);
  if (code == NVML_SUCCESS) {
    code = ComputePlacements(subject.view(), *subject.instance, profileId, &found);
  }
  if (code != NVML_SUCCESS) return code;
  *count = found->startCount;
  for (unsigned i = 0; placements != nullptr && i < found->startCount; i++) {
    placements[i] = {found->starts[i], found->placementSize};
  }
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlGpuInstanceGetComputeInstanceRemainingCapacity(
    nvmlGpuInstance_t gpuInstance, unsigned int profileId, unsigned int* count) {
  NVML_MIG_ENTER();
  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = Resolve(*image, gpuInstance, &subject);
  if (code != NVML_SUCCESS) return code;
  return ComputeInstanceCapacity(subject.view(), *subject.instance, profileId, count);
}

nvmlReturn_t played::nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t gpuInstance,
                                                          unsigned int profileId,
                                                          nvmlComputeInstance_t* computeInstance) {
  NVML_MIG_ENTER();
  return Create(*image, gpuInstance, profileId, nullptr, computeInstance);
}

nvmlReturn_t played::nvmlGpuInstanceCreateComputeInstanceWithPlacement(
    nvmlGpuInstance_t gpuInstance, unsigned int profileId,
    const nvmlComputeInstancePlacement_t* placement, nvmlComputeInstance_t* computeInstance) {
  NVML_MIG_ENTER();
  if (placement == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const Placement wanted = {placement->start, placement->size};
  return Create(*image, gpuInstance, profileId, &wanted, computeInstance);
}

nvmlReturn_t played::nvmlComputeInstanceDestroy(nvmlComputeInstance_t computeInstance) {
  NVML_MIG_ENTER();
  Handle handle;
  if (!DecodeHandle(image->header(), computeInstance, &handle) ||
      handle.kind != HandleKind::kComputeInstance) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return ChangeGpu(*image, handle, [](const GpuEdit& at, const Target& target) {
    return DestroyComputeInstance(at, *target.instance, *target.compute);
  });
}

nvmlReturn_t played::nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t gpuInstance,
                                                        unsigned int profileId,
                                                        nvmlComputeInstance_t* computeInstances,
                                                        unsigned int* count) {
  NVML_MIG_ENTER();
  if (computeInstances == nullptr || count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const ComputeInstance* live[kMaxComputeInstances];
  unsigned found;
  nvmlReturn_t code = Resolve(*image, gpuInstance, &subject);
  if (code == NVML_SUCCESS) {
    code = ListComputeInstances(subject.view(), *subject.instance, profileId, live, &found);
  }
  if (code != NVML_SUCCESS) return code;
  for (unsigned i = 0; i < found; i++) {
    computeInstances[i] = ComputeHandle(*image, subject.handle.gpu, *subject.instance, *live[i]);
  }
  *count = found;
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlGpuInstanceGetComputeInstanceById(
    nvmlGpuInstance_t gpuInstance, unsigned int id, nvmlComputeInstance_t* computeInstance) {
  NVML_MIG_ENTER();
  if (computeInstance == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const ComputeInstance* found;
  nvmlReturn_t code = Resolve(*image, gpuInstance, &subject);
  if (code == NVML_SUCCESS) {
    code = ComputeInstanceById(subject.view(), *subject.instance, id, &found);
  }
  if (code != NVML_SUCCESS) return code;
  *computeInstance = ComputeHandle(*image, subject.handle.gpu, *subject.instance, *found);
  return NVML_SUCCESS;
}

// The first form knew no placement: its struct ends before that member, and so does what is written.
nvmlReturn_t played::nvmlComputeInstanceGetInfo(nvmlComputeInstance_t computeInstance,
                                                nvmlComputeInstanceInfo_t* info) {
  NVML_MIG_ENTER();
  if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  nvmlComputeInstanceInfo_t whole;
  const nvmlReturn_t code = GiveInfo(*image, computeInstance, &whole);
  if (code == NVML_SUCCESS) {
    std::memcpy(static_cast<void*>(info), &whole, offsetof(nvmlComputeInstanceInfo_t, placement));
  }
  return code;
}

nvmlReturn_t played::nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t computeInstance,
                                                   nvmlComputeInstanceInfo_t* info) {
  NVML_MIG_ENTER();
  if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  return GiveInfo(*image, computeInstance, info);
}
