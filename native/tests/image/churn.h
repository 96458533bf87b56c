// Work for a node: random creates and destroys, by the simulator's rules and through its image.
#ifndef NVML_MIG_TESTS_IMAGE_CHURN_H
#define NVML_MIG_TESTS_IMAGE_CHURN_H

#include <cstdint>

#include "support.h"

namespace nvml_mig::image_tests {

// Creates or destroys one GPU instance or compute instance, drawn from `random`. False, rarely, when
// the rules refused everything that was drawn; then nothing is published.
bool CreateOrDestroy(const Image& image, Random* random, State& state);

inline ChangeStatus ChangeOnce(Image* image, Random* random) {
  return image->Change([=](State& state) { return CreateOrDestroy(*image, random, state); });
}
// Until one is done: the rules may refuse some.
void MustChangeOnce(Image* image, Random* random);

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_CHURN_H
