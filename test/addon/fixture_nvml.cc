// A libnvidia-ml.so.1 for the tests of the binding alone: one imaginary GPU, whose every call can be
// made to wait or to fail. Its figures belong to no board, and its rules are only as good as the
// tests need; the simulator is where MIG is modelled.
//
// fixture_controls.h says how calls are made to wait or fail. Besides, a file device-is-gpu beside
// the library makes compute-instance info name the GPU, as some drivers do, and NEWEST_FORM is the
// newest struct version that the profile calls take.
#define NVML_SYMBOL(name, ret, args) \
  extern "C" __attribute__((visibility("default"))) ret name args;
#include "abi/symbols.h"
#include "fixture_controls.h"
#include "fixture_gpu.h"

#ifndef NEWEST_FORM
#define NEWEST_FORM 3
#endif

nvmlReturn_t nvmlInit_v2() {
  ENTER;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlShutdown() {
  ENTER;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlSystemGetDriverVersion(char* to, unsigned length) {
  ENTER;
  return text("fixture", to, length);
}
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned* count) {
  ENTER;
  *count = 1;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned, nvmlDevice_t* device) {
  ENTER;
  *device = reinterpret_cast<nvmlDevice_t>(&gpu);
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetHandleByUUID(const char* uuid, nvmlDevice_t* device) {
  ENTER;
  if (std::strcmp(uuid, kGpuUuid) == 0) {
    *device = reinterpret_cast<nvmlDevice_t>(&gpu);
    return NVML_SUCCESS;
  }
  unsigned instance = 0, compute = 0;
  const size_t prefix = sizeof "MIG-" - 1 + sizeof kGpuUuid - 1;
  if (std::strlen(uuid) < prefix || std::strncmp(uuid + 4, kGpuUuid, sizeof kGpuUuid - 1) != 0 ||
      std::sscanf(uuid + prefix, "/%u/%u", &instance, &compute) != 2) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  for (auto& owner : gpu.instances) {
    if (!owner.live || owner.id != instance || compute > 6 || !owner.compute[compute].live) continue;
    *device = reinterpret_cast<nvmlDevice_t>(&owner.compute[compute]);
    return NVML_SUCCESS;
  }
  return NVML_ERROR_NOT_FOUND;
}
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char* to, unsigned length) {
  ENTER;
  if (!is_mig(device)) return text(kGpuUuid, to, length);
  const ComputeInstance* compute = compute_of(device);
  const int written = std::snprintf(to, length, "MIG-%s/%u/%u", kGpuUuid, owner_of(compute)->id,
                                    compute->id);
  return written < static_cast<int>(length) ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
}
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char* to, unsigned length) {
  ENTER;
  return text(is_mig(device) ? "Imaginary GPU MIG" : "Imaginary GPU", to, length);
}
nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned* index) {
  ENTER;
  *index = is_mig(device) ? index_of(compute_of(device)) : 0;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t* memory) {
  ENTER;
  memory->total = (is_mig(device) ? 1ull : 8ull) << 30;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t, unsigned* current, unsigned* pending) {
  ENTER;
  *current = gpu.current;
  *pending = gpu.pending;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t, unsigned mode, nvmlReturn_t* activation) {
  ENTER;
  gpu.current = gpu.pending = mode;
  *activation = NVML_SUCCESS;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t, unsigned slot,
                                                  nvmlGpuInstanceProfileInfo_v2_t* info) {
  ENTER;
  const bool newest = info->version == nvmlGpuInstanceProfileInfo_v3;
  if (newest ? NEWEST_FORM < 3 : info->version != nvmlGpuInstanceProfileInfo_v2) {
    return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  }
  if (slot >= PROFILE_SLOTS) return NVML_ERROR_INVALID_ARGUMENT;
  const Profile* profile = by_slot(kGpuInstanceProfiles, slot);
  if (profile == nullptr) return NVML_ERROR_NOT_SUPPORTED;
  if (newest) {
    auto* v3 = reinterpret_cast<nvmlGpuInstanceProfileInfo_v3_t*>(info);
    fill_common(*profile, v3);
    v3->capabilities = NVML_GPU_INSTANCE_PROFILE_CAPS_P2P;
    return text("MIG newest", v3->name, sizeof v3->name);
  }
  fill_common(*profile, info);
  return text("MIG second", info->name, sizeof info->name);
}
nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t, unsigned slot,
                                                 nvmlGpuInstanceProfileInfo_t* info) {
  ENTER;
  if (slot >= PROFILE_SLOTS) return NVML_ERROR_INVALID_ARGUMENT;
  const Profile* profile = by_slot(kGpuInstanceProfiles, slot);
  if (profile == nullptr) return NVML_ERROR_NOT_SUPPORTED;
  fill_common(*profile, info);
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t, unsigned id,
                                                           nvmlGpuInstancePlacement_t* rows,
                                                           unsigned* count) {
  ENTER;
  return possible(id, rows, count);
}
nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements(nvmlDevice_t, unsigned id,
                                                        nvmlGpuInstancePlacement_t* rows,
                                                        unsigned* count) {
  ENTER;
  return rows == nullptr ? NVML_ERROR_INVALID_ARGUMENT : possible(id, rows, count);
}
nvmlReturn_t nvmlDeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t, unsigned id, unsigned* count) {
  ENTER;
  const Profile* profile = by_id(kGpuInstanceProfiles, id);
  if (profile == nullptr) return NVML_ERROR_NOT_SUPPORTED;
  *count = remaining(*profile);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceCreateGpuInstance(nvmlDevice_t, unsigned id, nvmlGpuInstance_t* handle) {
  ENTER;
  return create(id, ~0u, handle);
}
nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(nvmlDevice_t, unsigned id,
                                                      const nvmlGpuInstancePlacement_t* place,
                                                      nvmlGpuInstance_t* handle) {
  ENTER;
  return create(id, place->start, handle);
}
nvmlReturn_t nvmlGpuInstanceDestroy(nvmlGpuInstance_t handle) {
  ENTER;
  for (const auto& compute : of(handle)->compute) {
    if (compute.live) return NVML_ERROR_IN_USE;
  }
  of(handle)->live = false;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t, unsigned id, nvmlGpuInstance_t* handles,
                                       unsigned* count) {
  ENTER;
  if (gpu.current == 0) return NVML_ERROR_NOT_SUPPORTED;
  *count = 0;
  for (auto& instance : gpu.instances) {
    if (!instance.live || instance.profile->id != id) continue;
    handles[(*count)++] = reinterpret_cast<nvmlGpuInstance_t>(&instance);
  }
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t, unsigned id, nvmlGpuInstance_t* handle) {
  ENTER;
  for (auto& instance : gpu.instances) {
    if (!instance.live || instance.id != id) continue;
    *handle = reinterpret_cast<nvmlGpuInstance_t>(&instance);
    return NVML_SUCCESS;
  }
  return NVML_ERROR_NOT_FOUND;
}
nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t handle, nvmlGpuInstanceInfo_t* info) {
  ENTER;
  const GpuInstance& instance = *of(handle);
  *info = {reinterpret_cast<nvmlDevice_t>(&gpu), instance.id, instance.profile->id,
           {instance.start, instance.profile->size}};
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(nvmlGpuInstance_t handle, unsigned slot,
                                                          unsigned,
                                                          nvmlComputeInstanceProfileInfo_t* info) {
  ENTER;
  if (slot >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
  const Profile* profile = by_slot(kComputeProfiles, slot);
  if (profile == nullptr || profile->slices > of(handle)->profile->slices) {
    return NVML_ERROR_NOT_SUPPORTED;
  }
  fill_common(*profile, info);
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t handle, unsigned id,
                                                  nvmlComputeInstance_t* made) {
  ENTER;
  const Profile* profile = by_id(kComputeProfiles, id);
  if (profile == nullptr || profile->slot == 4) return NVML_ERROR_NOT_SUPPORTED;
  GpuInstance& owner = *of(handle);
  for (unsigned i = 0; i < owner.profile->slices / profile->slices; i++) {
    if (owner.compute[i].live) continue;
    owner.compute[i] = {true, i, i, profile};
    *made = reinterpret_cast<nvmlComputeInstance_t>(&owner.compute[i]);
    return NVML_SUCCESS;
  }
  return NVML_ERROR_INSUFFICIENT_RESOURCES;
}
nvmlReturn_t nvmlComputeInstanceDestroy(nvmlComputeInstance_t handle) {
  ENTER;
  of(handle)->live = false;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t handle, unsigned id,
                                                nvmlComputeInstance_t* handles, unsigned* count) {
  ENTER;
  *count = 0;
  for (auto& compute : of(handle)->compute) {
    if (!compute.live || compute.profile->id != id) continue;
    handles[(*count)++] = reinterpret_cast<nvmlComputeInstance_t>(&compute);
  }
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(nvmlGpuInstance_t handle, unsigned id,
                                                   nvmlComputeInstance_t* found) {
  ENTER;
  if (id > 6 || !of(handle)->compute[id].live) return NVML_ERROR_NOT_FOUND;
  *found = reinterpret_cast<nvmlComputeInstance_t>(&of(handle)->compute[id]);
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t handle,
                                           nvmlComputeInstanceInfo_t* info) {
  ENTER;
  const ComputeInstance* compute = of(handle);
  char path[4096];
  const bool names_gpu = beside("device-is-gpu", "", path) && access(path, F_OK) == 0;
  *info = {names_gpu ? reinterpret_cast<nvmlDevice_t>(&gpu) : reinterpret_cast<nvmlDevice_t>(handle),
           reinterpret_cast<nvmlGpuInstance_t>(owner_of(compute)), compute->id,
           compute->profile->id, {compute->start, compute->profile->size}};
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned* answer) {
  ENTER;
  *answer = is_mig(device) ? 1 : 0;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned* id) {
  ENTER;
  if (!is_mig(device)) return NVML_ERROR_NOT_SUPPORTED;
  *id = owner_of(compute_of(device))->id;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned* id) {
  ENTER;
  if (!is_mig(device)) return NVML_ERROR_NOT_SUPPORTED;
  *id = compute_of(device)->id;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t, unsigned* count) {
  ENTER;
  *count = gpu.current != 0 ? 49 : 0;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t, unsigned index,
                                                 nvmlDevice_t* device) {
  ENTER;
  ComputeInstance& compute = gpu.instances[index / 7 % 7].compute[index % 7];
  if (!compute.live) return NVML_ERROR_NOT_FOUND;
  *device = reinterpret_cast<nvmlDevice_t>(&compute);
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t, nvmlDevice_t* device) {
  ENTER;
  *device = reinterpret_cast<nvmlDevice_t>(&gpu);
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t* attributes) {
  ENTER;
  const ComputeInstance* compute = compute_of(device);
  *attributes = {};
  attributes->gpuInstanceSliceCount = owner_of(compute)->profile->slices;
  attributes->computeInstanceSliceCount = compute->profile->slices;
  attributes->memorySizeMB = 1000;
  return NVML_SUCCESS;
}
