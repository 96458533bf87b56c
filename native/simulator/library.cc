#include "library.h"

#include <pthread.h>

#include <atomic>

#include "call_counts.h"
#include "dialect.h"
#include "event_sets.h"
#include "gpm.h"
#include "image_lock.h"
#include "presence.h"
#include "release_stamp.h"
#include "seen_devices.h"

namespace nvml_mig::simulator {
namespace {

constexpr const char* kImageName = "node.image";
constexpr const char* kViewName = "node.view";

// Held while the library is initialised, shut down or its image is opened.
pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;
std::atomic<unsigned> initialised{0};
std::atomic<unsigned> period{0};

// The image in use, and room for its successor: when another node was put in this one's place, the
// next init maps that. The old mapping stays until the one after, because a thread that was slow to
// return from a call of the last initialised period may still be reading it.
constinit Image images[2];
std::atomic<Image*> image{nullptr};
// What took the place of the image in use, if a driver of another release was loaded meanwhile. Only
// the holder of a PreInitImage has to do with it.
constinit Image newest;
char imagePath[PATH_MAX];

// What a container's library found beside itself: never changed, so it is looked for once.
constinit View view = {};
std::atomic<const View*> callersView{nullptr};
bool viewIsKnown = false;
char viewPath[PATH_MAX];

void BeforeFork() { pthread_mutex_lock(&library); }
void AfterForkInParent() { pthread_mutex_unlock(&library); }
void AfterForkInChild() {
  initialised.store(0, std::memory_order_relaxed);
  WithdrawPresenceInChild();
  ForgetCallsInChild();
  pthread_mutex_unlock(&library);
}

// Handlers run in reverse order before a fork: this mutex is taken before the one for changes and those
// of what the process has seen and made, as everywhere.
__attribute__((constructor)) void Load() {
  const auto* const here = reinterpret_cast<const void*>(&Load);
  if (!PathBesideLibrary(here, kImageName, imagePath, sizeof(imagePath)) ||
      !PathBesideLibrary(here, kViewName, viewPath, sizeof(viewPath))) {
    imagePath[0] = '\0';
  }
  GuardForks();
  GuardSeenDevicesForForks();
  GuardEventSetsForForks();
  GuardGpmSamplesForForks();
  pthread_atfork(BeforeFork, AfterForkInParent, AfterForkInChild);
}

// Runs at dlclose and at exit. At exit other threads may still be inside a call, but then the library
// is initialised or its mutex taken, and the mapping is left to the kernel.
__attribute__((destructor)) void Unload() {
  if (initialised.load(std::memory_order_acquire) != 0 || pthread_mutex_trylock(&library) != 0) {
    return;
  }
  image.store(nullptr, std::memory_order_release);
  for (Image& it : images) it.Close();
  newest.Close();
  pthread_mutex_unlock(&library);
}

// Opens what lies at the path, after making good what a process left that died while it put another
// image there.
nvmlReturn_t OpenAtPath(Image* it, Reason* reason) {
  for (;;) {
    const nvmlReturn_t code = CodeOf(it->Open(imagePath, reason));
    if (code != NVML_SUCCESS || it->retired() != kRetiredReplaced) return code;
    const bool finished = it->FinishReplacement();
    it->Close();
    if (finished) continue;
    reason->Say("A driver of another release is being loaded.");
    return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
  }
}

// With the library's lock held.
nvmlReturn_t LearnView(Reason* reason) {
  if (viewIsKnown) return NVML_SUCCESS;
  const OpenStatus found = ReadView(viewPath, &view, reason);
  if (found != OpenStatus::kOpened && found != OpenStatus::kMissing) return CodeOf(found);
  if (found == OpenStatus::kOpened) callersView.store(&view, std::memory_order_release);
  viewIsKnown = true;
  return NVML_SUCCESS;
}

// With the library's lock held.
Image* OpenImage(nvmlReturn_t* code, Reason* reason) {
  *code = LearnView(reason);
  if (*code != NVML_SUCCESS) return nullptr;
  Image* const open = image.load(std::memory_order_acquire);
  const bool inUse = initialised.load(std::memory_order_relaxed) != 0;
  const bool superseded = open != nullptr && open->retired() == kRetiredReplaced;
  if (open != nullptr && !superseded && (inUse || open->IsInPlace())) return open;

  Image* const unused = open == &images[0] ? &images[1] : &images[0];
  Image* const next = inUse ? &newest : unused;
  next->Close();
  *code = OpenAtPath(next, reason);
  if (*code != NVML_SUCCESS) return nullptr;
  State state;
  next->Read(&state);
  if (!CheckState(*next, state, reason)) {
    next->Close();
    *code = NVML_ERROR_UNKNOWN;
    return nullptr;
  }
  if (!inUse) image.store(next, std::memory_order_release);
  return next;
}

// What lives when a process is first initialised is what it has seen.
void SeeAfresh(const Image& node) {
  if (!Speaks(node.node(), kStaleMigHandles)) return;
  ForgetSeenDevices();
  for (unsigned gpu = 0; gpu < node.gpu_count(); gpu++) {
    NodeState state;
    GpuState live;
    const std::uint64_t change = node.ReadGpu(gpu, &state, &live);
    SeeMigDevices({node.node(), node.boards()[gpu], state, live, gpu, CallerRights(state),
                   VisibleDevices(CallersView(), gpu)},
                  change);
  }
}

}  // namespace

nvmlReturn_t Initialise() {
  const PreInitImage opened;
  if (opened.get() == nullptr) return opened.code();
  const bool forModuleBefore = opened.get() != image.load(std::memory_order_relaxed);
  if (forModuleBefore || !ServesModule(opened.get()->node())) {
    return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
  }
  if (initialised.load(std::memory_order_relaxed) == 0) {
    period.fetch_add(1);
    SeeAfresh(*opened.get());
    AnnouncePresence(*opened.get());
  }
  initialised.fetch_add(1, std::memory_order_release);
  return NVML_SUCCESS;
}

nvmlReturn_t Shutdown() {
  const PreInitImage opened;  // the last to be counted aside are handed over
  if (initialised.load(std::memory_order_relaxed) != 0 &&
      initialised.fetch_sub(1, std::memory_order_release) == 1) {
    WithdrawPresence();
    // Who waits for events is to find that there is nothing to wait for any more.
    image.load(std::memory_order_relaxed)->WakeWaiters();
  }
  return NVML_SUCCESS;
}

Image* InitialisedImage() {
  if (initialised.load(std::memory_order_acquire) == 0) return nullptr;
  return image.load(std::memory_order_acquire);
}

const View* CallersView() { return callersView.load(std::memory_order_acquire); }

unsigned InitPeriod() { return period.load(std::memory_order_relaxed); }

PreInitImage::PreInitImage() {
  pthread_mutex_lock(&library);
  image_ = OpenImage(&code_, &reason_);
  if (image_ != nullptr) HandOverCalls(*image_);
}

PreInitImage::~PreInitImage() { pthread_mutex_unlock(&library); }

nvmlReturn_t CodeOf(OpenStatus status) {
  switch (status) {
    case OpenStatus::kOpened:
      return NVML_SUCCESS;
    case OpenStatus::kMissing:
      return NVML_ERROR_DRIVER_NOT_LOADED;
    case OpenStatus::kForbidden:
      return NVML_ERROR_NO_PERMISSION;
    case OpenStatus::kRefused:
      break;
  }
  return NVML_ERROR_UNKNOWN;
}

nvmlReturn_t CodeOf(ChangeStatus status, Reason* reason) {
  switch (status) {
    case ChangeStatus::kDone:
      return NVML_SUCCESS;
    case ChangeStatus::kDeclined:
      break;
    case ChangeStatus::kReadOnly:
      reason->Say("The node's image may not be written by this process.");
      return NVML_ERROR_NO_PERMISSION;
    case ChangeStatus::kReplaced:
      reason->Say("The node was removed, or another one was put in its place.");
      return NVML_ERROR_DRIVER_NOT_LOADED;
    case ChangeStatus::kRetired:
      reason->Say("The node was closed.");
      return NVML_ERROR_DRIVER_NOT_LOADED;
    case ChangeStatus::kSuperseded:
      reason->Say("A driver of another release was loaded since this process was initialised.");
      return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
    case ChangeStatus::kTimeout:
      reason->Say("Another process, perhaps a stopped one, holds the node's lock.");
      return NVML_ERROR_TIMEOUT;
    case ChangeStatus::kSystem:
      reason->Say("The node's image could not be opened for a change: no free descriptors?");
      return NVML_ERROR_OPERATING_SYSTEM;
    case ChangeStatus::kDamaged:
      reason->Say("The node's live part is damaged.");
      return NVML_ERROR_UNKNOWN;
  }
  return NVML_ERROR_UNKNOWN;
}

}  // namespace nvml_mig::simulator
