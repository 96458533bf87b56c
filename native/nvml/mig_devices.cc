#include "mig_devices.h"

namespace nvml {
namespace {

constexpr Status kNotFound = {
    NVML_ERROR_NOT_FOUND, static_cast<std::uint32_t>(Symbol::nvmlDeviceGetMigDeviceHandleByIndex)};

// Describes the instances with these ids. Whoever may not look at them keeps the ids alone.
Status look_behind(const Library& nvml, nvmlDevice_t gpu, unsigned gpu_instance_id,
                   unsigned compute_instance_id, MigDevice* device) {
  device->gpu_instance.id = gpu_instance_id;
  device->compute_instance.id = compute_instance_id;
  nvmlGpuInstance_t gpu_instance = nullptr;
  Status status = find_gpu_instance(nvml, gpu, {.id = gpu_instance_id}, &gpu_instance,
                                    &device->gpu_instance);
  if (status.ok()) {
    nvmlComputeInstance_t compute_instance = nullptr;
    status = find_compute_instance(nvml, gpu_instance, {.id = compute_instance_id},
                                   &compute_instance, &device->compute_instance);
  }
  return status.code == NVML_ERROR_NO_PERMISSION ? Status{} : status;
}

// What the MIG handle itself tells.
Status describe_handle(const Library& nvml, nvmlDevice_t handle, MigDevice* device) {
  Status status = of_handle(nvml.nvmlDeviceGetIndex(handle, &device->index));
  if (!status.ok()) return status;
  status = of_handle(read_uuid(nvml, handle, &device->uuid));
  if (!status.ok()) return status;
  device->handle = handle;
  device->name.status = read_name(nvml, handle, &device->name.value);
  device->attributes_status = nvml.nvmlDeviceGetAttributes_v2(handle, &device->attributes);
  if (!device->attributes_status.ok()) {
    device->attributes = {kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, 0};
  }
  device->memory.status = read_memory(nvml, handle, &device->memory.value);
  return {};
}

bool is_mig_device(const Library& nvml, nvmlDevice_t handle) {
  unsigned answer = 0;
  return nvml.nvmlDeviceIsMigDeviceHandle(handle, &answer).ok() && answer != 0;
}

bool is_mig_device_of(const Library& nvml, nvmlDevice_t handle, unsigned gpu_instance_id,
                      unsigned compute_instance_id) {
  unsigned gpu_instance = kNone, compute_instance = kNone;
  return is_mig_device(nvml, handle) &&
         nvml.nvmlDeviceGetGpuInstanceId(handle, &gpu_instance).ok() &&
         nvml.nvmlDeviceGetComputeInstanceId(handle, &compute_instance).ok() &&
         gpu_instance == gpu_instance_id && compute_instance == compute_instance_id;
}

// Three ways lead from the ids to the handle, and none works everywhere: the instance's own info
// names the MIG device on some drivers and the GPU on others, the UUID made of the ids is looked up
// by most, and walking the indices always ends but costs the most. Each result is checked.
Status handle_of(const Library& nvml, nvmlDevice_t gpu, const std::string& gpu_uuid,
                 const MigDevice& device, nvmlDevice_t* handle) {
  const unsigned gpu_instance = device.gpu_instance.id;
  const unsigned compute_instance = device.compute_instance.id;
  *handle = device.compute_instance.device;
  if (*handle != nullptr && is_mig_device_of(nvml, *handle, gpu_instance, compute_instance)) {
    return {};
  }
  const std::string uuid = "MIG-" + gpu_uuid + "/" + std::to_string(gpu_instance) + "/" +
                           std::to_string(compute_instance);
  if (nvml.nvmlDeviceGetHandleByUUID(uuid.c_str(), handle).ok() &&
      is_mig_device_of(nvml, *handle, gpu_instance, compute_instance)) {
    return {};
  }
  unsigned count = 0;
  const Status status = nvml.nvmlDeviceGetMaxMigDeviceCount(gpu, &count);
  if (!status.ok()) return status;
  for (unsigned index = 0; index < count; index++) {
    if (nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index, handle).ok() &&
        is_mig_device_of(nvml, *handle, gpu_instance, compute_instance)) {
      return {};
    }
  }
  return kNotFound;
}

// The slice count of a profile id; 0 for an id the board does not list, which creating then refuses.
Status slices_of(const Library& nvml, nvmlDevice_t gpu, unsigned profile_id, unsigned* slices) {
  std::vector<GpuInstanceProfile> profiles;
  const Status status = list_gpu_instance_profiles(nvml, gpu, &profiles);
  *slices = 0;
  for (const GpuInstanceProfile& profile : profiles) {
    if (profile.info.id == profile_id) *slices = profile.info.sliceCount;
  }
  return status;
}

}  // namespace

Status describe_mig_device(const Library& nvml, nvmlDevice_t gpu, nvmlDevice_t handle,
                           MigDevice* device) {
  unsigned gpu_instance = kNone, compute_instance = kNone;
  Status status = of_handle(nvml.nvmlDeviceGetGpuInstanceId(handle, &gpu_instance));
  if (!status.ok()) return status;
  status = of_handle(nvml.nvmlDeviceGetComputeInstanceId(handle, &compute_instance));
  if (!status.ok()) return status;
  status = look_behind(nvml, gpu, gpu_instance, compute_instance, device);
  if (!status.ok()) return status;
  return describe_handle(nvml, handle, device);
}

Status list_mig_devices(const Library& nvml, nvmlDevice_t gpu, std::vector<MigDevice>* devices) {
  unsigned count = 0;
  Status status = nvml.nvmlDeviceGetMaxMigDeviceCount(gpu, &count);
  if (!status.ok()) return status;
  for (unsigned index = 0; index < count; index++) {
    nvmlDevice_t handle = nullptr;
    status = nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index, &handle);
    // Indices have holes, and another user's instance is one to whoever may not use it.
    if (status.gone() || status.code == NVML_ERROR_NO_PERMISSION) continue;
    if (!status.ok()) return status;
    MigDevice device;
    // Drivers have gone on listing devices that another process had destroyed: those have no
    // instances behind them.
    status = describe_mig_device(nvml, gpu, handle, &device);
    if (status.gone()) continue;
    if (!status.ok()) return status;
    devices->push_back(std::move(device));
  }
  return {};
}

Status find_mig_device(const Library& nvml, nvmlDevice_t gpu, const std::string& gpu_uuid,
                       unsigned gpu_instance_id, unsigned compute_instance_id, MigDevice* device) {
  Status status = look_behind(nvml, gpu, gpu_instance_id, compute_instance_id, device);
  if (!status.ok()) return status;
  nvmlDevice_t handle = nullptr;
  status = handle_of(nvml, gpu, gpu_uuid, *device, &handle);
  if (!status.ok()) return status;
  return describe_handle(nvml, handle, device);
}

Status find_mig_handle(const Library& nvml, const std::string& uuid, nvmlDevice_t* handle,
                       std::string* gpu_uuid) {
  Status status = nvml.nvmlDeviceGetHandleByUUID(uuid.c_str(), handle);
  if (!status.ok()) return status;
  if (!is_mig_device(nvml, *handle)) return {NVML_ERROR_NOT_FOUND, status.call};
  nvmlDevice_t gpu = nullptr;
  status = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(*handle, &gpu);
  if (!status.ok()) return status;
  return read_uuid(nvml, gpu, gpu_uuid);
}

Status create_mig_device(const Library& nvml, nvmlDevice_t gpu, const std::string& gpu_uuid,
                         unsigned profile_id, Placement placement, MigDevice* device) {
  unsigned slices = 0;
  Status status = slices_of(nvml, gpu, profile_id, &slices);
  if (!status.ok()) return status;
  nvmlGpuInstance_t gpu_instance = nullptr;
  status = create_gpu_instance(nvml, gpu, profile_id, placement, &gpu_instance,
                               &device->gpu_instance);
  if (!status.ok()) return status;

  nvmlComputeInstance_t compute_instance = nullptr;
  status = create_full_compute_instance(nvml, gpu_instance, slices, &compute_instance,
                                        &device->compute_instance);
  // A compute instance that is still there keeps its GPU instance: nothing more can be undone.
  if (status.code == kUndoFailed) return status;
  if (!status.ok()) return after_undo(status, nvml.nvmlGpuInstanceDestroy(gpu_instance));

  nvmlDevice_t handle = nullptr;
  status = handle_of(nvml, gpu, gpu_uuid, *device, &handle);
  if (status.ok()) status = describe_handle(nvml, handle, device);
  if (status.ok()) return status;
  const Status undo = nvml.nvmlComputeInstanceDestroy(compute_instance);
  if (!undo.ok() && !undo.gone()) return after_undo(status, undo);
  return after_undo(status, nvml.nvmlGpuInstanceDestroy(gpu_instance));
}

Status destroy_mig_device(const Library& nvml, nvmlDevice_t gpu, const Expected& gpu_instance,
                          const Expected& compute_instance) {
  nvmlGpuInstance_t owner = nullptr;
  GpuInstance found_owner;
  Status status = find_gpu_instance(nvml, gpu, gpu_instance, &owner, &found_owner);
  if (!status.ok()) return status;
  status = destroy_compute_instance(nvml, owner, compute_instance);
  if (!status.ok()) return status;
  std::vector<ComputeInstance> left;
  status = list_compute_instances(nvml, owner, &left);
  if (status.ok() && left.empty()) status = nvml.nvmlGpuInstanceDestroy(owner);
  // Somebody else may have been quicker with the GPU instance: it is gone, as it should be.
  return status.gone() ? Status{} : status;
}

}  // namespace nvml
