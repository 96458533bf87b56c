// root/ of a node: what the driver shows of instances outside NVML, under /proc and /dev.
#ifndef NVML_MIG_SIMULATOR_ROOT_H
#define NVML_MIG_SIMULATOR_ROOT_H

#include "image.h"

namespace nvml_mig::simulator {

// Brings root/ from the instances before a change to those after it; all of it where an earlier change
// was not shown. For the one who made the change, while every other is kept out.
void ShowInstances(const Image& image, const State& before, const State& after,
                   std::uint64_t change);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_ROOT_H
