#include "gpu_instances.h"

#include "compute_instances.h"

namespace nvml {
namespace {

Status describe(const Library& nvml, nvmlGpuInstance_t handle, GpuInstance* instance) {
  nvmlGpuInstanceInfo_t info{};
  const Status status = of_handle(nvml.nvmlGpuInstanceGetInfo(handle, &info));
  if (status.ok()) {
    *instance = {info.id, info.profileId, {info.placement.start, info.placement.size}, handle};
  }
  return status;
}

Status create(const Library& nvml, nvmlDevice_t device, unsigned profile_id, Placement placement,
              nvmlGpuInstance_t* handle) {
  if (placement.start == kNone) {
    return nvml.nvmlDeviceCreateGpuInstance(device, profile_id, handle);
  }
  const nvmlGpuInstancePlacement_t place{placement.start, placement.size};
  Status status =
      nvml.nvmlDeviceCreateGpuInstanceWithPlacement(device, profile_id, &place, handle);
  if (status.code == NVML_ERROR_FUNCTION_NOT_FOUND) status.code = kPlacementUnavailable;
  return status;
}

}  // namespace

bool Expected::matches(unsigned profile, Placement place) const {
  const auto same = [](unsigned seen, unsigned found) {
    return seen == kNone || found == kNone || seen == found;
  };
  return same(profile_id, profile) && same(placement.start, place.start) &&
         same(placement.size, place.size);
}

Status find_gpu_instance(const Library& nvml, nvmlDevice_t device, const Expected& expected,
                         nvmlGpuInstance_t* handle, GpuInstance* instance) {
  Status status = nvml.nvmlDeviceGetGpuInstanceById(device, expected.id, handle);
  if (!status.ok()) return status;
  status = describe(nvml, *handle, instance);
  if (!status.ok()) return status;
  if (!expected.matches(instance->profile_id, instance->placement)) {
    return {kInstanceReplaced, status.call};
  }
  return {};
}

Status unless_gone(const Library& nvml, nvmlGpuInstance_t handle, Status answer) {
  GpuInstance instance;
  const Status found = describe(nvml, handle, &instance);
  return found.code == NVML_ERROR_NOT_FOUND ? found : answer;
}

Status list_gpu_instances(const Library& nvml, nvmlDevice_t device,
                          std::vector<GpuInstance>* instances) {
  std::vector<GpuInstanceProfile> profiles;
  Status status = list_gpu_instance_profiles(nvml, device, &profiles);
  if (!status.ok()) return status;
  status = list_gpu_instances(nvml, device, profiles, instances);
  // What NVML says while MIG mode is off.
  return status.unsupported(Symbol::nvmlDeviceGetGpuInstances) ? Status{} : status;
}

Status list_gpu_instances(const Library& nvml, nvmlDevice_t device,
                          const std::vector<GpuInstanceProfile>& profiles,
                          std::vector<GpuInstance>* instances) {
  Status unsupported;
  bool answered = false;
  for (const GpuInstanceProfile& profile : profiles) {
    std::vector<nvmlGpuInstance_t> handles(profile.info.instanceCount + kHandleSlack);
    unsigned count = 0;
    Status status =
        nvml.nvmlDeviceGetGpuInstances(device, profile.info.id, handles.data(), &count);
    if (status.code == NVML_ERROR_NOT_SUPPORTED) {
      unsupported = status;
      continue;
    }
    if (!status.ok()) return status;
    answered = true;
    for (unsigned i = 0; i < count && i < handles.size(); i++) {
      GpuInstance instance;
      status = describe(nvml, handles[i], &instance);
      if (status.ok()) {
        instances->push_back(instance);
      } else if (!status.gone()) {
        return status;
      }
    }
  }
  return answered ? Status{} : unsupported;
}

Status gpu_instance_placements(const Library& nvml, nvmlDevice_t device, unsigned profile_id,
                               PlacementList* placements) {
  Status status =
      possible_gpu_instance_placements(nvml, device, profile_id, &placements->possible);
  if (!status.ok()) return status;
  std::vector<GpuInstance> instances;
  status = list_gpu_instances(nvml, device, &instances);
  if (!status.ok()) return status;

  // Where nothing is live nothing is used up, whatever the driver says: it reports no capacity with
  // MIG mode off, and old ones report none on an empty GPU.
  unsigned remaining = 0;
  if (!instances.empty() &&
      remaining_gpu_instances(nvml, device, profile_id, &remaining).ok() && remaining == 0) {
    return {};
  }
  std::vector<Placement> taken;
  for (const GpuInstance& instance : instances) taken.push_back(instance.placement);
  placements->free = free_of(placements->possible, taken);
  return {};
}

Status create_gpu_instance(const Library& nvml, nvmlDevice_t device, unsigned profile_id,
                           Placement placement, nvmlGpuInstance_t* handle, GpuInstance* instance) {
  Status status = create(nvml, device, profile_id, placement, handle);
  if (!status.ok()) return status;
  status = describe(nvml, *handle, instance);
  if (!status.ok()) return after_undo(status, nvml.nvmlGpuInstanceDestroy(*handle));
  return {};
}

Status destroy_gpu_instance(const Library& nvml, nvmlDevice_t device, const Expected& expected,
                            bool force) {
  nvmlGpuInstance_t handle = nullptr;
  GpuInstance instance;
  Status status = find_gpu_instance(nvml, device, expected, &handle, &instance);
  if (!status.ok()) return status;
  if (force) {
    status = destroy_compute_instances(nvml, handle);
    if (!status.ok()) return status;
  }
  return of_handle(nvml.nvmlGpuInstanceDestroy(handle));
}

}  // namespace nvml
