// The steps of a change, for a test that wants to be there: native/simulator's sources are compiled
// with SIMULATOR_STEPS naming this file, and then call the hook at each step.
#ifndef NVML_MIG_TESTS_IMAGE_STEPS_H
#define NVML_MIG_TESTS_IMAGE_STEPS_H

namespace nvml_mig::image_tests {

// In the order in which a change passes them; word_written many times.
enum class Step : unsigned {
  none,
  before_mutex,
  mutex_held,
  descriptor_open,
  locked,
  copied,
  ruled,
  sealed,
  word_written,
  written,
  published,
  superseded,  // this and the next only where a successor takes the image's place
  renamed,
  unlocked,
};

inline const char* Name(Step step) {
  constexpr const char* names[] = {"none",   "before_mutex", "mutex_held",   "descriptor_open",
                                   "locked", "copied",       "ruled",        "sealed",
                                   "word_written", "written", "published",   "superseded",
                                   "renamed", "unlocked"};
  return names[static_cast<unsigned>(step)];
}

// Called by whoever makes a change; null for nothing. One for the process, set before threads start.
using StepHook = void (*)(Step);
inline StepHook step_hook = nullptr;

inline void ReachStep(Step step) {
  if (step_hook != nullptr) step_hook(step);
}

}  // namespace nvml_mig::image_tests

#define SIMULATOR_STEP(name) ::nvml_mig::image_tests::ReachStep(::nvml_mig::image_tests::Step::name)

#endif  // NVML_MIG_TESTS_IMAGE_STEPS_H
