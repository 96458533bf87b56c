// Runs of slices: memory slices of a GPU, or compute slots of a GPU instance.
#ifndef NVML_MIG_NVML_PLACEMENTS_H
#define NVML_MIG_NVML_PLACEMENTS_H

#include <algorithm>
#include <vector>

#include "status.h"

namespace nvml {

struct Placement {
  unsigned start = kNone;
  unsigned size = kNone;

  bool overlaps(const Placement& other) const {
    return start < other.start + other.size && other.start < start + size;
  }
};

struct PlacementList {
  std::vector<Placement> possible;  // everywhere the profile may ever go
  std::vector<Placement> free;      // where it could be created now
};

inline std::vector<Placement> free_of(const std::vector<Placement>& possible,
                                      const std::vector<Placement>& taken) {
  std::vector<Placement> free;
  for (const Placement& place : possible) {
    const bool blocked = std::any_of(taken.begin(), taken.end(),
                                     [&](const Placement& other) { return other.overlaps(place); });
    if (!blocked) free.push_back(place);
  }
  return free;
}

// Reads every profile slot. Slots number the profiles a library knows from 0: one that the board
// lacks answers NOT_SUPPORTED, the first past the library's own list INVALID_ARGUMENT. Every
// library knows slot 0, so INVALID_ARGUMENT there is about the handle. The bound is for a library that
// never says stop.
inline constexpr unsigned kMaxProfileSlots = 1024;

template <typename Profile, typename Read>
Status read_profile_slots(std::vector<Profile>* profiles, Read read) {
  for (unsigned slot = 0; slot < kMaxProfileSlots; slot++) {
    Profile profile{};
    const Status status = read(slot, &profile);
    if (status.ok()) {
      profiles->push_back(profile);
    } else if (status.code == NVML_ERROR_INVALID_ARGUMENT && slot > 0) {
      break;
    } else if (status.code != NVML_ERROR_NOT_SUPPORTED) {
      return status;
    }
  }
  return {};
}

// The instance lists have no length argument: a library writes as many handles as it has, at most
// the profile's instanceCount by its documentation. The slack is for a library that does not.
inline constexpr unsigned kHandleSlack = 16;

}  // namespace nvml

#endif  // NVML_MIG_NVML_PLACEMENTS_H
