// Everything that can be read of the GPUs, as one stream of sections (records.json). No answer of NVML
// ends it: each goes into the section or the figure that it is about.
#ifndef NVML_MIG_ADDON_SNAPSHOT_H
#define NVML_MIG_ADDON_SNAPSHOT_H

#include "nvml/devices.h"
#include "result.h"

namespace nvml_mig {

// `parts`: bits by SnapshotPart.
void add_snapshot(const nvml::Library& nvml, nvml::Devices& devices, std::uint32_t parts,
                  Result* result);

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_SNAPSHOT_H
