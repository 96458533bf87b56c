// What must be true of a node at every moment, written down without the simulator's own rules.
#ifndef NVML_MIG_TESTS_IMAGE_AUDIT_H
#define NVML_MIG_TESTS_IMAGE_AUDIT_H

#include <cstdint>

#include "support.h"

namespace nvml_mig::image_tests {

// Whether a snapshot obeys the invariants: no overlap, places and ids that the board knows, no more of
// a profile than may be and none beside one that excludes it, ids and stamps unique, instances created
// less those destroyed are those that live. Else a sentence.
[[nodiscard]] bool StateIsGood(const Image& image, const State& state, Reason* reason);

// How far one published change moves `current`; 2 in the build that changes the slot everybody reads.
#ifdef SIMULATOR_IN_PLACE
constexpr std::uint64_t kChangeAdvance = 2;
#else
constexpr std::uint64_t kChangeAdvance = 1;
#endif

// Where a count of changes starts.
struct ChangeCount {
  std::uint64_t current;
  std::uint64_t instances;  // created and destroyed
  std::uint64_t advance;    // how far a change moves `current`
};
ChangeCount CountFrom(const Image& image, std::uint64_t advance = kChangeAdvance);
// The same for what the image holds now, which must also be sealed; and since the count started
// `current` must have moved by one change for each instance created or destroyed.
[[nodiscard]] bool ImageIsGood(const Image& image, const ChangeCount& since, Reason* reason);

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_AUDIT_H
