// The right to change an image, held by one thread of one process at a time.
//
// flock on a descriptor that is opened for each change, because the kernel frees it however its
// holder dies and because it belongs to the open file, not to the process or the thread: a kept
// descriptor would be shared with every forked child. Threads of one process exclude each other by a
// mutex, which also makes fork() wait until no change is under way: a child forked in the middle of
// one would keep the lock alive after its parent's death.
#ifndef NVML_MIG_SIMULATOR_IMAGE_LOCK_H
#define NVML_MIG_SIMULATOR_IMAGE_LOCK_H

#include "image.h"

namespace nvml_mig::simulator {

class ImageLock {
 public:
  ImageLock() = default;
  ImageLock(const ImageLock&) = delete;
  ImageLock& operator=(const ImageLock&) = delete;
  ~ImageLock() { Release(); }

  // kDone: held until Release.
  [[nodiscard]] ChangeStatus Take(const Image& image);
  void Release();

 private:
  bool in_process_ = false;
  int descriptor_ = -1;
};

// Makes fork() wait for changes, from now on. Idempotent.
void GuardForks();

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_IMAGE_LOCK_H
