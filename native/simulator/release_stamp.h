// The driver release that this copy of the library is of. lib/simulator writes it into the copy that
// a node gets; the node's image says of which release the loaded kernel module is, and the two differ
// after an upgrade.
#ifndef NVML_MIG_SIMULATOR_RELEASE_STAMP_H
#define NVML_MIG_SIMULATOR_RELEASE_STAMP_H

#include "image_layout.h"

namespace nvml_mig::simulator {

// Texts, empty in a library that nobody stamped: that one goes with every image.
struct ReleaseStamp {
  char marker[32];
  char driverVersion[sizeof(Node::driverVersion)];
  char nvmlVersion[sizeof(Node::nvmlVersion)];
};

const ReleaseStamp& OwnRelease();
// 550 for 550.163.01; 0 without a stamp.
unsigned OwnBranch();
// Whether the library serves a module of that release.
bool ServesModule(const Node& module);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_RELEASE_STAMP_H
