// Changes that stop at a step until they are told to go on.
#ifndef NVML_MIG_TESTS_IMAGE_HELD_H
#define NVML_MIG_TESTS_IMAGE_HELD_H

#include "churn.h"
#include "steps.h"
#include "support.h"

namespace nvml_mig::image_tests {

// Where changes of this thread stop; shared with whoever lets them go on.
struct Hold {
  explicit Hold(Step at) : step(at) {}
  const Step step;
  Event reached;
  Event go_on;
};
inline thread_local const Hold* hold = nullptr;

inline void StopAtHold(Step step) {
  if (hold == nullptr || step != hold->step) return;
  const Hold* once = hold;
  hold = nullptr;  // word_written comes many times
  once->reached.Signal();
  once->go_on.MustCome("a held change may go on");
}

// One change that stops there, made by the calling thread.
inline void ChangeHeld(Image* image, Random* random, const Hold& where) {
  step_hook = StopAtHold;
  hold = &where;
  MustChangeOnce(image, random);
  hold = nullptr;
}

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_HELD_H
