#include "compute_instances.h"

#include <functional>

namespace nvml {
namespace {

Status describe(const Library& nvml, nvmlComputeInstance_t handle, ComputeInstance* instance) {
  nvmlComputeInstanceInfo_t info{};
  const Status status = of_handle(nvml.nvmlComputeInstanceGetInfo_v2(handle, &info));
  if (status.ok()) {
    *instance = {
        info.id, info.profileId, {info.placement.start, info.placement.size}, info.device};
  }
  return status;
}

Status create(const Library& nvml, nvmlGpuInstance_t gpu_instance, unsigned profile_id,
              Placement placement, nvmlComputeInstance_t* handle) {
  if (placement.start == kNone) {
    return nvml.nvmlGpuInstanceCreateComputeInstance(gpu_instance, profile_id, handle);
  }
  const nvmlComputeInstancePlacement_t place{placement.start, placement.size};
  Status status = nvml.nvmlGpuInstanceCreateComputeInstanceWithPlacement(gpu_instance, profile_id,
                                                                         &place, handle);
  if (status.code == NVML_ERROR_FUNCTION_NOT_FOUND) status.code = kPlacementUnavailable;
  return status;
}

using Visit = std::function<Status(nvmlComputeInstance_t)>;

// Calls `visit` with every live handle, in profile order, until one visit fails. NOT_SUPPORTED if NVML
// says so of each profile.
Status each_handle(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                   const std::vector<ComputeInstanceProfile>& profiles, const Visit& visit) {
  Status unsupported;
  bool answered = false;
  for (const ComputeInstanceProfile& profile : profiles) {
    std::vector<nvmlComputeInstance_t> handles(profile.info.instanceCount + kHandleSlack);
    unsigned count = 0;
    Status status = of_handle(nvml.nvmlGpuInstanceGetComputeInstances(
        gpu_instance, profile.info.id, handles.data(), &count));
    if (status.code == NVML_ERROR_NOT_SUPPORTED) {
      unsupported = status;
      continue;
    }
    if (!status.ok()) return status;
    answered = true;
    for (unsigned i = 0; i < count && i < handles.size(); i++) {
      status = visit(handles[i]);
      if (!status.ok()) return status;
    }
  }
  return answered ? Status{} : unsupported;
}

Status each_handle(const Library& nvml, nvmlGpuInstance_t gpu_instance, const Visit& visit) {
  std::vector<ComputeInstanceProfile> profiles;
  Status status = list_compute_instance_profiles(nvml, gpu_instance, &profiles);
  if (!status.ok()) return status;
  status = each_handle(nvml, gpu_instance, profiles, visit);
  return status.unsupported(Symbol::nvmlGpuInstanceGetComputeInstances) ? Status{} : status;
}

Visit describing(const Library& nvml, std::vector<ComputeInstance>* instances) {
  return [&nvml, instances](nvmlComputeInstance_t handle) -> Status {
    ComputeInstance instance;
    const Status status = describe(nvml, handle, &instance);
    if (status.ok()) instances->push_back(instance);
    return status.gone() ? Status{} : status;
  };
}

}  // namespace

Status find_compute_instance(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                             const Expected& expected, nvmlComputeInstance_t* handle,
                             ComputeInstance* instance) {
  Status status =
      of_handle(nvml.nvmlGpuInstanceGetComputeInstanceById(gpu_instance, expected.id, handle));
  if (!status.ok()) return status;
  status = describe(nvml, *handle, instance);
  if (!status.ok()) return status;
  if (!expected.matches(instance->profile_id, instance->placement)) {
    return {kInstanceReplaced, status.call};
  }
  return {};
}

Status list_compute_instances(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                              std::vector<ComputeInstance>* instances) {
  return each_handle(nvml, gpu_instance, describing(nvml, instances));
}

Status list_compute_instances(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                              const std::vector<ComputeInstanceProfile>& profiles,
                              std::vector<ComputeInstance>* instances) {
  return each_handle(nvml, gpu_instance, profiles, describing(nvml, instances));
}

Status compute_instance_placements(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                                   unsigned profile_id, PlacementList* placements) {
  Status status = possible_compute_instance_placements(nvml, gpu_instance, profile_id,
                                                       &placements->possible);
  if (!status.ok()) return unless_gone(nvml, gpu_instance, status);
  std::vector<ComputeInstance> instances;
  status = list_compute_instances(nvml, gpu_instance, &instances);
  if (!status.ok()) return status;

  unsigned remaining = 0;
  if (remaining_compute_instances(nvml, gpu_instance, profile_id, &remaining).ok() &&
      remaining == 0) {
    return {};
  }
  std::vector<Placement> taken;
  for (const ComputeInstance& instance : instances) taken.push_back(instance.placement);
  placements->free = free_of(placements->possible, taken);
  return {};
}

Status create_compute_instance(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                               unsigned profile_id, Placement placement,
                               nvmlComputeInstance_t* handle, ComputeInstance* instance) {
  Status status = create(nvml, gpu_instance, profile_id, placement, handle);
  if (!status.ok()) return unless_gone(nvml, gpu_instance, status);
  status = describe(nvml, *handle, instance);
  if (!status.ok()) return after_undo(status, nvml.nvmlComputeInstanceDestroy(*handle));
  return {};
}

Status create_full_compute_instance(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                                    unsigned slices, nvmlComputeInstance_t* handle,
                                    ComputeInstance* instance) {
  std::vector<ComputeInstanceProfile> profiles;
  Status status = list_compute_instance_profiles(nvml, gpu_instance, &profiles);
  if (!status.ok()) return status;
  status = {NVML_ERROR_NOT_SUPPORTED,
            static_cast<std::uint32_t>(Symbol::nvmlGpuInstanceCreateComputeInstance)};
  for (const ComputeInstanceProfile& profile : profiles) {
    if (profile.info.sliceCount != slices) continue;
    status = create_compute_instance(nvml, gpu_instance, profile.info.id, {}, handle, instance);
    const bool refused =
        status.code == NVML_ERROR_NOT_SUPPORTED || status.code == NVML_ERROR_INVALID_ARGUMENT;
    if (!refused) break;
  }
  return status;
}

Status destroy_compute_instance(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                                const Expected& expected) {
  nvmlComputeInstance_t handle = nullptr;
  ComputeInstance found;
  const Status status = find_compute_instance(nvml, gpu_instance, expected, &handle, &found);
  return status.ok() ? of_handle(nvml.nvmlComputeInstanceDestroy(handle)) : status;
}

Status destroy_compute_instances(const Library& nvml, nvmlGpuInstance_t gpu_instance) {
  return each_handle(nvml, gpu_instance, [&](nvmlComputeInstance_t handle) -> Status {
    const Status status = nvml.nvmlComputeInstanceDestroy(handle);
    return status.gone() ? Status{} : status;
  });
}

}  // namespace nvml
