// The library as one process has it loaded: how often it was initialised, and the node whose image
// lies beside it. Nothing here is initialised at load time but the path, so that a program that
// changes its directory or forks before its first call finds the same node.
#ifndef NVML_MIG_SIMULATOR_LIBRARY_H
#define NVML_MIG_SIMULATOR_LIBRARY_H

#include <cstring>

#include "abi/nvml_abi.h"
#include "clients.h"
#include "events.h"
#include "image.h"
#include "image_verify.h"
#include "machine.h"
#include "root.h"
#include "view.h"

namespace nvml_mig::simulator {

// Counted, as NVML's own: as many shutdowns as inits end it. One shutdown too many succeeds, which
// is what drivers were seen to do.
nvmlReturn_t Initialise();
nvmlReturn_t Shutdown();

// The node's image between init and the last shutdown, nullptr otherwise. After fork() the child is
// not initialised until it does so itself.
Image* InitialisedImage();

// What this process's callers see of the node; nullptr for all of it. The same from the first init
// on.
const View* CallersView();

// What every call that needs init begins with, on what InitialisedImage() gave. A process whose driver
// was replaced by one of another release has a library that does not fit any more.
inline nvmlReturn_t Enter(const Image* image) {
  if (image == nullptr) return NVML_ERROR_UNINITIALIZED;
  return image->retired() == kRetiredReplaced ? NVML_ERROR_LIB_RM_VERSION_MISMATCH : NVML_SUCCESS;
}

// The rights of this process's callers: the node's, but in a container the container's.
inline unsigned CallerRights(const NodeState& node) {
  const View* const view = CallersView();
  return view == nullptr ? node.rights : view->rights;
}

// Number of the present period between a first init and its last shutdown: 1 and up. What belongs to a
// period, such as an event set, ends with it.
unsigned InitPeriod();

// The image whether or not the library is initialised, for the few functions that work before init;
// nothing else of the library can begin or end while one of these is there. It is that of the driver
// that is loaded now, also while this process is still initialised for the one before.
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

// The code for an image that could not be opened, and for a change that the image did not take.
nvmlReturn_t CodeOf(OpenStatus status);
nvmlReturn_t CodeOf(ChangeStatus status, Reason* reason);

// Runs rules(State&, Outbox&, Reason*) as one change of the node: its code is the outcome. What it
// leaves is published when that is NVML_SUCCESS and the state is a possible one; then who waits for
// events is told, and root/ shows the instances that there are. A successor takes the image's place
// with it.
template <class Rules>
nvmlReturn_t ChangeNode(Image& image, Reason* reason, Rules rules, Image* successor = nullptr) {
  Image& after = successor == nullptr ? image : *successor;
  nvmlReturn_t outcome = NVML_ERROR_UNKNOWN;
  State before;
  auto checked = [&](State& state, Outbox& outbox) {
    std::memcpy(&before, &state, SlotContentBytes(image.gpu_count()) - sizeof(Slot));
    ForgetEndedClients(state.node);
    outcome = rules(state, outbox, reason);
    if (outcome != NVML_SUCCESS) return false;
    if (!CheckState(after, state, reason)) {
      outcome = NVML_ERROR_UNKNOWN;
      return false;
    }
    TellMigChanges(after, before, state, &outbox);
    return true;
  };
  auto published = [&](const State& state, std::uint64_t change) {
    ShowInstances(after, before, state, change);
  };
  const ChangeStatus status = image.Change(checked, published, successor);
  if (status == ChangeStatus::kDone || status == ChangeStatus::kDeclined) return outcome;
  return CodeOf(status, reason);
}

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_LIBRARY_H
