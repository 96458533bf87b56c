// The library as one process has it loaded: how often it was initialised, and the node whose image
// lies beside it. Nothing here is initialised at load time but the path, so that a program that
// changes its directory or forks before its first call finds the same node.
#ifndef NVML_MIG_SIMULATOR_LIBRARY_H
#define NVML_MIG_SIMULATOR_LIBRARY_H

#include "abi/nvml_abi.h"
#include "image.h"
#include "machine.h"

namespace nvml_mig::simulator {

// Counted, as NVML's own: as many shutdowns as inits end it. One shutdown too many succeeds, which
// is what drivers were seen to do.
nvmlReturn_t Initialise();
nvmlReturn_t Shutdown();

// The node's image between init and the last shutdown, nullptr otherwise. After fork() the child is
// not initialised until it does so itself.
Image* InitialisedImage();

// Number of the present period between a first init and its last shutdown: 1 and up. What belongs to a
// period, such as an event set, ends with it.
unsigned InitPeriod();

// The image whether or not the library is initialised, for the few functions that work before init;
// nothing else of the library can begin or end while one of these is there.
class PreInitImage {
 public:
  PreInitImage();
  ~PreInitImage();
  PreInitImage(const PreInitImage&) = delete;
  PreInitImage& operator=(const PreInitImage&) = delete;

  // nullptr when there is no sound one: then code() and reason() say why.
  Image* get() const { return image_; }
  nvmlReturn_t code() const { return code_; }
  const Reason& reason() const { return reason_; }

 private:
  Image* image_;
  nvmlReturn_t code_;
  Reason reason_;
};

// The code for a change that the image did not take.
nvmlReturn_t CodeOf(ChangeStatus status, Reason* reason);

// Runs rules(State&, Reason*) as one change of the node: its code is the outcome. What it leaves is
// published when that is NVML_SUCCESS and the state is a possible one.
template <class Rules>
nvmlReturn_t ChangeNode(Image& image, Reason* reason, Rules rules) {
  nvmlReturn_t outcome = NVML_ERROR_UNKNOWN;
  auto checked = [&](State& state) {
    outcome = rules(state, reason);
    if (outcome != NVML_SUCCESS || CheckState(image, state, reason)) return outcome == NVML_SUCCESS;
    outcome = NVML_ERROR_UNKNOWN;
    return false;
  };
  const ChangeStatus status = image.Change(checked);
  if (status == ChangeStatus::kDone || status == ChangeStatus::kDeclined) return outcome;
  return CodeOf(status, reason);
}

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_LIBRARY_H
