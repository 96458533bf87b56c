// root/ of a node: what the driver shows of instances outside NVML, under /proc and /dev. A
// capability of each, which is a directory with a file that says its minor number, and a device node
// of that number. lib/simulator writes what is there from the start.
//
// A process may die between a change and here, or lack the right to write there. Commons.rootShown
// says how far root/ has come; the next change that finds it behind brings all of it in line.
#ifndef NVML_MIG_SIMULATOR_ROOT_H
#define NVML_MIG_SIMULATOR_ROOT_H

#include "image.h"

namespace nvml_mig::simulator {

// Brings root/ from the instances before a change to those after it; all of it where an earlier
// change was not shown. For the one who made the change, while every other is kept out. Device nodes
// of instances that are gone stay.
void ShowInstances(const Image& image, const State& before, const State& after,
                   std::uint64_t change);

// /dev as it is after a boot: without the device nodes of instances that are gone.
[[nodiscard]] ChangeStatus RemoveStaleNodes(Image& image);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_ROOT_H
