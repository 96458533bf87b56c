// MIG devices: a compute instance as an application sees it.
#ifndef NVML_MIG_NVML_MIG_DEVICES_H
#define NVML_MIG_NVML_MIG_DEVICES_H

#include <string>
#include <vector>

#include "compute_instances.h"
#include "devices.h"

namespace nvml {

struct MigDevice {
  unsigned index = kNone;
  // The ids are always there. The rest is kNone for a caller who may use the device but not look at
  // the instances behind it.
  GpuInstance gpu_instance;
  ComputeInstance compute_instance;
  nvmlDeviceAttributes_t attributes{};  // kNone and 0 bytes where they cannot be read
  Status attributes_status;
  Told<Memory> memory;                  // of the GPU instance
  std::string uuid;
  Told<std::string> name;
  nvmlDevice_t handle = nullptr;  // good until the instance is destroyed, by anyone
};

// Every MIG device of the GPU that the caller may see; none while MIG mode is off.
Status list_mig_devices(const Library& nvml, nvmlDevice_t gpu, std::vector<MigDevice>* devices);

// The MIG device of a compute instance. NVML has no call for it; see handle_of.
Status find_mig_device(const Library& nvml, nvmlDevice_t gpu, const std::string& gpu_uuid,
                       unsigned gpu_instance_id, unsigned compute_instance_id, MigDevice* device);

// The handle behind either spelling of a MIG device's UUID, and the UUID of its GPU.
Status find_mig_handle(const Library& nvml, const std::string& uuid, nvmlDevice_t* handle,
                       std::string* gpu_uuid);
Status describe_mig_device(const Library& nvml, nvmlDevice_t gpu, nvmlDevice_t handle,
                           MigDevice* device);

// Creates a GPU instance and the compute instance that takes all of it: both or neither.
Status create_mig_device(const Library& nvml, nvmlDevice_t gpu, const std::string& gpu_uuid,
                         unsigned profile_id, Placement placement, MigDevice* device);

// Destroys the compute instance, then its GPU instance if that was its last.
Status destroy_mig_device(const Library& nvml, nvmlDevice_t gpu, const Expected& gpu_instance,
                          const Expected& compute_instance);

}  // namespace nvml

#endif  // NVML_MIG_NVML_MIG_DEVICES_H
