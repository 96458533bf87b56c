// Ways in which drivers were seen or said to differ, each a switch of a node (Node.dialects). The
// sources stand where lib/simulator/dialects.ts offers them.
#ifndef NVML_MIG_SIMULATOR_DIALECT_H
#define NVML_MIG_SIMULATOR_DIALECT_H

#include "image_layout.h"

namespace nvml_mig::simulator {

enum Dialect : std::uint32_t {
  kMigIndexHoles = 1,
  kPlainMigNames = 2,
  kOpenProfileEnd = 4,
  kComputeInstanceOfParent = 8,
  kStaleMigHandles = 16,
};

inline bool Speaks(const Node& driver, Dialect dialect) { return (driver.dialects & dialect) != 0; }

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_DIALECT_H
