// Ways in which drivers were seen or said to differ, each a switch of a node (Node.dialects). The
// sources stand where lib/simulator/dialects.ts offers them; a dialect that is data alone, such as
// the names of profiles, is in the image and has no bit here.
#ifndef NVML_MIG_SIMULATOR_DIALECT_H
#define NVML_MIG_SIMULATOR_DIALECT_H

#include "image_layout.h"

namespace nvml_mig::simulator {

enum Dialect : std::uint32_t {
  kMigIndexHoles = 1,
  kOpenProfileEnd = 2,
  kComputeInstanceOfParent = 4,
  kStaleMigHandles = 8,
};

inline bool Speaks(const Node& driver, Dialect dialect) { return (driver.dialects & dialect) != 0; }

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_DIALECT_H
