// MIG mode, GPU instance profiles and GPU instances.
#include "presence.h"
#include "profile_structs.h"

using namespace nvml_mig::simulator;

namespace {

void Fill(const GpuInstanceProfile& profile, nvmlGpuInstanceProfileInfo_v2_t* info) {
  *info = {nvmlGpuInstanceProfileInfo_v2,
           profile.id,
           profile.isP2pSupported,
           profile.sliceCount,
           profile.reportedInstanceCount,
           profile.multiprocessorCount,
           profile.copyEngineCount,
           profile.decoderCount,
           profile.encoderCount,
           profile.jpegCount,
           profile.ofaCount,
           profile.memorySizeMiB,
           {}};
  std::memcpy(info->name, profile.name, sizeof(info->name));
}

void Fill(const GpuInstanceProfile& profile, nvmlGpuInstanceProfileInfo_v3_t* info) {
  *info = {nvmlGpuInstanceProfileInfo_v3,
           profile.id,
           profile.sliceCount,
           profile.reportedInstanceCount,
           profile.multiprocessorCount,
           profile.copyEngineCount,
           profile.decoderCount,
           profile.encoderCount,
           profile.jpegCount,
           profile.ofaCount,
           profile.memorySizeMiB,
           {},
           profile.capabilities};
  std::memcpy(info->name, profile.name, sizeof(info->name));
}

using FindProfile = nvmlReturn_t (*)(const GpuView&, unsigned, const GpuInstanceProfile**);

// `key` is a slot or an id, as `find` takes it.
nvmlReturn_t GiveVersioned(const Image& image, nvmlDevice_t device, FindProfile find, unsigned key,
                           nvmlGpuInstanceProfileInfo_v2_t* info) {
  if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const unsigned version = VersionOf(info);
  if (!TakesProfileVersion(image.node(), version, nvmlGpuInstanceProfileInfo_v2,
                           nvmlGpuInstanceProfileInfo_v3)) {
    return VersionMismatch(image.node());
  }
  Subject subject;
  const GpuInstanceProfile* profile;
  nvmlReturn_t code = ResolveGpu(image, device, &subject);
  if (code == NVML_SUCCESS) code = find(subject.view(), key, &profile);
  if (code != NVML_SUCCESS) return code;
  if (version == nvmlGpuInstanceProfileInfo_v2) {
    Fill(*profile, info);
  } else {
    Fill(*profile, reinterpret_cast<nvmlGpuInstanceProfileInfo_v3_t*>(info));
  }
  return NVML_SUCCESS;
}

// `count` is only written: callers size the array by what a call without one told them.
nvmlReturn_t GivePlacements(const Image& image, nvmlDevice_t device, unsigned profileId,
                            nvmlGpuInstancePlacement_t* placements, unsigned* count) {
  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const GpuInstanceProfile* profile;
  nvmlReturn_t code = ResolveGpu(image, device, &subject);
  if (code == NVML_SUCCESS) code = GpuPlacements(subject.view(), profileId, &profile);
  if (code != NVML_SUCCESS) return code;
  *count = profile->startCount;
  for (unsigned i = 0; placements != nullptr && i < profile->startCount; i++) {
    placements[i] = {profile->starts[i], profile->placementSize};
  }
  return NVML_SUCCESS;
}

nvmlReturn_t Create(Image& image, nvmlDevice_t device, unsigned profileId, const Placement* wanted,
                    nvmlGpuInstance_t* gpuInstance) {
  Handle handle;
  if (gpuInstance == nullptr || !DecodeHandle(image.header(), device, &handle) ||
      handle.kind != HandleKind::kGpu) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  nvmlGpuInstance_t made = nullptr;
  const nvmlReturn_t code = ChangeGpu(image, handle, [&](const GpuEdit& at, const Target&) {
    const GpuInstance* created;
    const nvmlReturn_t outcome = CreateGpuInstance(at, profileId, wanted, &created);
    if (outcome == NVML_SUCCESS) made = InstanceHandle(image, handle.gpu, *created);
    return outcome;
  });
  if (code == NVML_SUCCESS) *gpuInstance = made;
  return code;
}

}  // namespace

nvmlReturn_t played::nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int* currentMode,
                                          unsigned int* pendingMode) {
  NVML_MIG_ENTER();
  if (currentMode == nullptr || pendingMode == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpu(*image, device, &subject);
  return code != NVML_SUCCESS ? code : GetMigMode(subject.view(), currentMode, pendingMode);
}

nvmlReturn_t played::nvmlDeviceSetMigMode(nvmlDevice_t device, unsigned int mode,
                                          nvmlReturn_t* activationStatus) {
  NVML_MIG_ENTER();
  Handle handle;
  if (activationStatus == nullptr || !DecodeHandle(image->header(), device, &handle) ||
      handle.kind != HandleKind::kGpu) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  nvmlReturn_t activation = NVML_SUCCESS;
  const nvmlReturn_t code = ChangeGpu(*image, handle, [&](const GpuEdit& at, const Target&) {
    const bool watched = at.board.modeNeedsReset != 0 && OthersArePresent(*image);
    return SetMigMode(at, mode, watched, &activation);
  });
  if (code == NVML_SUCCESS) *activationStatus = activation;
  return code;
}

nvmlReturn_t played::nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned int profile,
                                                         nvmlGpuInstanceProfileInfo_t* info) {
  NVML_MIG_ENTER();
  if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const GpuInstanceProfile* found;
  nvmlReturn_t code = ResolveGpu(*image, device, &subject);
  if (code == NVML_SUCCESS) code = GpuProfileBySlot(subject.view(), profile, &found);
  if (code != NVML_SUCCESS) return code;
  *info = {found->id,
           found->isP2pSupported,
           found->sliceCount,
           found->reportedInstanceCount,
           found->multiprocessorCount,
           found->copyEngineCount,
           found->decoderCount,
           found->encoderCount,
           found->jpegCount,
           found->ofaCount,
           found->memorySizeMiB};
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int profile,
                                                          nvmlGpuInstanceProfileInfo_v2_t* info) {
  NVML_MIG_ENTER();
  return GiveVersioned(*image, device, GpuProfileBySlot, profile, info);
}

nvmlReturn_t played::nvmlDeviceGetGpuInstanceProfileInfoByIdV(
    nvmlDevice_t device, unsigned int profileId, nvmlGpuInstanceProfileInfo_v2_t* info) {
  NVML_MIG_ENTER();
  return GiveVersioned(*image, device, GpuProfileById, profileId, info);
}

nvmlReturn_t played::nvmlDeviceGetGpuInstancePossiblePlacements(
    nvmlDevice_t device, unsigned int profileId, nvmlGpuInstancePlacement_t* placements,
    unsigned int* count) {
  NVML_MIG_ENTER();
  if (placements == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  return GivePlacements(*image, device, profileId, placements, count);
}

nvmlReturn_t played::nvmlDeviceGetGpuInstancePossiblePlacements_v2(
    nvmlDevice_t device, unsigned int profileId, nvmlGpuInstancePlacement_t* placements,
    unsigned int* count) {
  NVML_MIG_ENTER();
  return GivePlacements(*image, device, profileId, placements, count);
}

nvmlReturn_t played::nvmlDeviceGetGpuInstanceRemainingCapacity(
    nvmlDevice_t device, unsigned int profileId, unsigned int* count) {
  NVML_MIG_ENTER();
  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpu(*image, device, &subject);
  return code != NVML_SUCCESS ? code : GpuInstanceCapacity(subject.view(), profileId, count);
}

nvmlReturn_t played::nvmlDeviceCreateGpuInstance(nvmlDevice_t device, unsigned int profileId,
                                                 nvmlGpuInstance_t* gpuInstance) {
  NVML_MIG_ENTER();
  return Create(*image, device, profileId, nullptr, gpuInstance);
}

nvmlReturn_t played::nvmlDeviceCreateGpuInstanceWithPlacement(
    nvmlDevice_t device, unsigned int profileId, const nvmlGpuInstancePlacement_t* placement,
    nvmlGpuInstance_t* gpuInstance) {
  NVML_MIG_ENTER();
  if (placement == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const Placement wanted = {placement->start, placement->size};
  return Create(*image, device, profileId, &wanted, gpuInstance);
}

nvmlReturn_t played::nvmlGpuInstanceDestroy(nvmlGpuInstance_t gpuInstance) {
  NVML_MIG_ENTER();
  Handle handle;
  if (!DecodeHandle(image->header(), gpuInstance, &handle) ||
      handle.kind != HandleKind::kGpuInstance) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return ChangeGpu(*image, handle, [](const GpuEdit& at, const Target& target) {
    return DestroyGpuInstance(at, *target.instance);
  });
}

nvmlReturn_t played::nvmlDeviceGetGpuInstances(
    nvmlDevice_t device, unsigned int profileId, nvmlGpuInstance_t* gpuInstances,
    unsigned int* count) {
  NVML_MIG_ENTER();
  if (gpuInstances == nullptr || count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const GpuInstance* live[kMaxGpuInstances];
  unsigned found;
  nvmlReturn_t code = ResolveGpu(*image, device, &subject);
  if (code == NVML_SUCCESS) code = ListGpuInstances(subject.view(), profileId, live, &found);
  if (code != NVML_SUCCESS) return code;
  for (unsigned i = 0; i < found; i++) {
    gpuInstances[i] = InstanceHandle(*image, subject.handle.gpu, *live[i]);
  }
  *count = found;
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned int id,
                                                  nvmlGpuInstance_t* gpuInstance) {
  NVML_MIG_ENTER();
  if (gpuInstance == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const GpuInstance* found;
  nvmlReturn_t code = ResolveGpu(*image, device, &subject);
  if (code == NVML_SUCCESS) code = GpuInstanceById(subject.view(), id, &found);
  if (code == NVML_SUCCESS) *gpuInstance = InstanceHandle(*image, subject.handle.gpu, *found);
  return code;
}

nvmlReturn_t played::nvmlGpuInstanceGetInfo(
    nvmlGpuInstance_t gpuInstance, nvmlGpuInstanceInfo_t* info) {
  NVML_MIG_ENTER();
  if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = Resolve(*image, gpuInstance, &subject);
  if (code != NVML_SUCCESS) return code;
  const GpuInstance& instance = *subject.instance;
  *info = {GpuHandle(*image, subject.handle.gpu), instance.id,
           ProfileOf(*subject.board, instance).id, {instance.start, instance.size}};
  return NVML_SUCCESS;
}
