// Random pauses between the steps of a change, so that what happens at a random moment happens inside
// one.
#ifndef NVML_MIG_TESTS_IMAGE_PAUSES_H
#define NVML_MIG_TESTS_IMAGE_PAUSES_H

#include <unistd.h>

#include "steps.h"
#include "support.h"

namespace nvml_mig::image_tests {

// What this thread draws its pauses from; a thread without it makes none.
inline thread_local Random* pauses = nullptr;

inline void PauseBetweenSteps(Step step) {
  if (pauses == nullptr) return;
  // The slot is written in hundreds of steps, and each of the others is passed once.
  const std::uint64_t rarity = step == Step::word_written ? 400 : 8;
  if (pauses->Below(rarity) == 0) usleep(static_cast<useconds_t>(pauses->Below(150)));
}

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_PAUSES_H
