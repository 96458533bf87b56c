// What a GPU says of itself as a board: figures that stay as they are while it sits in the machine.
#ifndef NVML_MIG_NVML_DESCRIPTION_H
#define NVML_MIG_NVML_DESCRIPTION_H

#include <string>

#include "library.h"

namespace nvml {

struct PciPlace {
  unsigned device_id = kNone;
  unsigned subsystem_id = kNone;
  std::string bus_id;
};

struct ComputeCapability {
  unsigned major = kNone;
  unsigned minor = kNone;
};

// Each on its own: one that a board or a caller's rights lack keeps none of the others away.
struct Description {
  Told<std::string> name;
  Told<std::string> serial;
  Told<std::string> board_part_number;
  Told<std::string> vbios_version;
  Told<PciPlace> pci;
  Told<ComputeCapability> compute_capability;
  Told<unsigned> minor_number;
  Told<unsigned> brand;         // nvmlBrandType_t
  Told<unsigned> architecture;  // nvmlDeviceArchitecture_t
  Told<unsigned> max_mig_devices;  // 0 while MIG mode is off
};

Description describe_gpu(const Library& nvml, nvmlDevice_t device);

}  // namespace nvml

#endif  // NVML_MIG_NVML_DESCRIPTION_H
