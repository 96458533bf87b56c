// GPU instances: found, listed, created and destroyed by id.
#ifndef NVML_MIG_NVML_GPU_INSTANCES_H
#define NVML_MIG_NVML_GPU_INSTANCES_H

#include <vector>

#include "library.h"
#include "placements.h"
#include "profiles.h"

namespace nvml {

// An instance as it was last seen: ids are used again after a destroy, so what carries the id now
// may be another. Fields that are kNone are not compared.
struct Expected {
  unsigned id = kNone;
  unsigned profile_id = kNone;
  Placement placement{};

  bool matches(unsigned profile, Placement place) const;
};

struct GpuInstance {
  unsigned id = kNone;
  unsigned profile_id = kNone;
  Placement placement;                 // memory slices of the GPU
  nvmlGpuInstance_t handle = nullptr;  // good until the instance is destroyed, by anyone
};

// Finds a live instance and compares it with what was last seen: kInstanceReplaced if it is
// another. The handle is good until the instance is destroyed, by anyone.
Status find_gpu_instance(const Library& nvml, nvmlDevice_t device, const Expected& expected,
                         nvmlGpuInstance_t* handle, GpuInstance* instance);

// What a call on an instance answered; NOT_FOUND if the instance went away meanwhile, because the
// answer is then about its dead handle, whatever else was asked.
Status unless_gone(const Library& nvml, nvmlGpuInstance_t handle, Status answer);

// Every instance on the GPU, in NVML's profile order; none while MIG mode is off.
Status list_gpu_instances(const Library& nvml, nvmlDevice_t device,
                          std::vector<GpuInstance>* instances);

// The same by the profiles of the GPU, where these are known. NOT_SUPPORTED if NVML says so of each.
Status list_gpu_instances(const Library& nvml, nvmlDevice_t device,
                          const std::vector<GpuInstanceProfile>& profiles,
                          std::vector<GpuInstance>* instances);

// Where instances of a profile may be placed, and where one could be created now. What is free
// follows from what is live, and is nothing when the driver has no capacity left for the profile:
// some limits are not a matter of slices.
Status gpu_instance_placements(const Library& nvml, nvmlDevice_t device, unsigned profile_id,
                               PlacementList* placements);

// Creates an instance, where the driver chooses if placement.start is kNone. Both or neither: an
// instance that cannot be described is destroyed again (kUndoFailed if that fails too).
Status create_gpu_instance(const Library& nvml, nvmlDevice_t device, unsigned profile_id,
                           Placement placement, nvmlGpuInstance_t* handle, GpuInstance* instance);

// Destroys an instance; with `force` its compute instances first.
Status destroy_gpu_instance(const Library& nvml, nvmlDevice_t device, const Expected& expected,
                            bool force);

}  // namespace nvml

#endif  // NVML_MIG_NVML_GPU_INSTANCES_H
