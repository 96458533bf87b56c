// Compute instances of one GPU instance. Handles are good until the instance is destroyed.
#ifndef NVML_MIG_NVML_COMPUTE_INSTANCES_H
#define NVML_MIG_NVML_COMPUTE_INSTANCES_H

#include <vector>

#include "gpu_instances.h"

namespace nvml {

struct ComputeInstance {
  unsigned id = kNone;
  unsigned profile_id = kNone;
  Placement placement;            // compute slots of the GPU instance
  nvmlDevice_t device = nullptr;  // the MIG device on some drivers, the GPU on others
};

// As find_gpu_instance.
Status find_compute_instance(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                             const Expected& expected, nvmlComputeInstance_t* handle,
                             ComputeInstance* instance);

Status list_compute_instances(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                              std::vector<ComputeInstance>* instances);

// The same by the profiles of the GPU instance, where these are known; as list_gpu_instances.
Status list_compute_instances(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                              const std::vector<ComputeInstanceProfile>& profiles,
                              std::vector<ComputeInstance>* instances);

// As gpu_instance_placements, in compute slots. Drivers before R525 have no such call.
Status compute_instance_placements(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                                   unsigned profile_id, PlacementList* placements);

// As create_gpu_instance.
Status create_compute_instance(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                               unsigned profile_id, Placement placement,
                               nvmlComputeInstance_t* handle, ComputeInstance* instance);

// Creates the compute instance that takes the whole GPU instance, which has `slices` slices. Two
// profiles can be full-size by their slice count; the lower slot goes first, and the other is tried
// when the board refuses that one.
Status create_full_compute_instance(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                                    unsigned slices, nvmlComputeInstance_t* handle,
                                    ComputeInstance* instance);

Status destroy_compute_instance(const Library& nvml, nvmlGpuInstance_t gpu_instance,
                                const Expected& expected);

// Destroys every compute instance of the GPU instance; stops at the first that cannot be.
Status destroy_compute_instances(const Library& nvml, nvmlGpuInstance_t gpu_instance);

}  // namespace nvml

#endif  // NVML_MIG_NVML_COMPUTE_INSTANCES_H
