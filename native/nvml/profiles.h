// Profiles of GPU instances and of compute instances: each versioned call with its older forms.
//
// A slot numbers a profile in NVML's own list and is what the profile-info calls take; a profile id
// is a member of what they return and is what every other call takes. The two are never the same
// thing, and ids differ between boards.
#ifndef NVML_MIG_NVML_PROFILES_H
#define NVML_MIG_NVML_PROFILES_H

#include <vector>

#include "library.h"
#include "placements.h"

namespace nvml {

// The newest form holds every field; what an older form does not say is kNone, the name empty.
struct GpuInstanceProfile {
  unsigned slot = 0;
  unsigned is_p2p_supported = kNone;
  nvmlGpuInstanceProfileInfo_v3_t info{};
};

struct ComputeInstanceProfile {
  unsigned slot = 0;
  nvmlComputeInstanceProfileInfo_v3_t info{};
};

Status read_gpu_instance_profile(const Library& nvml, nvmlDevice_t device, unsigned slot,
                                 GpuInstanceProfile* profile);
Status list_gpu_instance_profiles(const Library& nvml, nvmlDevice_t device,
                                  std::vector<GpuInstanceProfile>* profiles);

Status read_compute_instance_profile(const Library& nvml, nvmlGpuInstance_t instance, unsigned slot,
                                     ComputeInstanceProfile* profile);
Status list_compute_instance_profiles(const Library& nvml, nvmlGpuInstance_t instance,
                                      std::vector<ComputeInstanceProfile>* profiles);

// Everywhere instances of a profile may be placed, in memory slices of the GPU.
Status possible_gpu_instance_placements(const Library& nvml, nvmlDevice_t device,
                                        unsigned profile_id, std::vector<Placement>* placements);
// The same in compute slots of the GPU instance. Drivers before R525 have no such call.
Status possible_compute_instance_placements(const Library& nvml, nvmlGpuInstance_t instance,
                                            unsigned profile_id,
                                            std::vector<Placement>* placements);

// How many more instances of a profile fit beside the live ones; 0 while MIG mode is off.
Status remaining_gpu_instances(const Library& nvml, nvmlDevice_t device, unsigned profile_id,
                               unsigned* remaining);
Status remaining_compute_instances(const Library& nvml, nvmlGpuInstance_t instance,
                                   unsigned profile_id, unsigned* remaining);

}  // namespace nvml

#endif  // NVML_MIG_NVML_PROFILES_H
