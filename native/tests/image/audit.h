// What must be true of a node at every moment, written down without the simulator's own rules.
#ifndef NVML_MIG_TESTS_IMAGE_AUDIT_H
#define NVML_MIG_TESTS_IMAGE_AUDIT_H

#include <cstdint>

#include "support.h"

namespace nvml_mig::image_tests {

// Whether a snapshot obeys the invariants: no overlap, places and ids that the board knows, ids and
// stamps unique, instances created less those destroyed are those that live. Else a sentence.
[[nodiscard]] bool StateIsGood(const Image& image, const State& state, Reason* reason);

// The same for what the image holds now, which must also be sealed, and whose change number must be
// the one after which it was counted from, plus one for each instance created or destroyed since.
struct ChangeCount {
  std::uint64_t current;
  std::uint64_t instances;  // created and destroyed
};
ChangeCount CountFrom(const Image& image);
[[nodiscard]] bool ImageIsGood(const Image& image, const ChangeCount& since, Reason* reason);

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_AUDIT_H
