// The versioned profile structs. v2 and v3 of a GPU instance profile are equally large and differ in
// their fields, so the version word alone says what the caller expects.
#ifndef NVML_MIG_SIMULATOR_PROFILE_STRUCTS_H
#define NVML_MIG_SIMULATOR_PROFILE_STRUCTS_H

#include <cstring>

#include "calls.h"

namespace nvml_mig::simulator {

// The first branch whose library takes the v3 structs: header 12.3, which has them first, came with
// it.
inline constexpr unsigned kFirstBranchWithProfileV3 = 545;

// The version word at the start of a caller's struct.
inline unsigned VersionOf(const void* info) {
  unsigned version;
  std::memcpy(&version, info, sizeof(version));
  return version;
}

inline bool TakesProfileVersion(const Node& driver, unsigned version, unsigned v2, unsigned v3) {
  return version == v2 ||
         (version == v3 && driver.driverBranch >= kFirstBranchWithProfileV3);
}

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_PROFILE_STRUCTS_H
