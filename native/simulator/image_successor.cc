// How an image of another driver release takes an image's place. Retiring the old one is the moment
// at which it happens: from then on processes that have it mapped know that theirs is over, and the
// rename that is left is made by whoever finds that it was not made.
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "image.h"
#include "image_lock.h"
#include "steps.h"
#include "words.h"

namespace nvml_mig::simulator {
namespace {

bool SuccessorPath(const char* path, char (&out)[PATH_MAX]) {
  const int length = std::snprintf(out, sizeof(out), "%s%s", path, kSuccessorSuffix);
  return static_cast<std::size_t>(length) < sizeof(out);
}

// A call that is counted in the image before it at this moment learns from the mark that it came too
// late, and is counted elsewhere: none is lost, and none is in both.
void MoveCalls(Commons& from, Commons& to) {
  for (unsigned i = 0; i < kMaxFunctions; i++) {
    const std::uint64_t counted =
        Shared<std::uint64_t>(&from.calls[i]).fetch_or(kCallsMoved, std::memory_order_relaxed);
    Shared<std::uint64_t>(&to.calls[i]).store(counted & ~kCallsMoved, std::memory_order_relaxed);
  }
}

void MoveCallsBack(const Commons& from, Commons& to) {
  for (unsigned i = 0; i < kMaxFunctions; i++) {
    const auto counted = Shared<std::uint64_t>(&from.calls[i]).load(std::memory_order_relaxed);
    Shared<std::uint64_t>(&to.calls[i]).store(counted, std::memory_order_relaxed);
  }
}

}  // namespace

OpenStatus Image::OpenSuccessorOf(const Image& before, Reason* reason) {
  char path[PATH_MAX];
  if (!SuccessorPath(before.path_, path) || access(path, F_OK) != 0) return OpenStatus::kMissing;
  const OpenStatus status = OpenConstantParts(path, reason);
  // It is there, so what is missing is the file that describes the node.
  if (status == OpenStatus::kMissing) return OpenStatus::kRefused;
  if (status != OpenStatus::kOpened) return status;
  if (!writable_) {
    reason->Say("%s may not be written by this process.", path);
    Close();
    return OpenStatus::kForbidden;
  }
  if (gpu_count() != before.gpu_count()) {
    reason->Say("%s has %u GPUs; the node has %u.", path, gpu_count(), before.gpu_count());
    Close();
    return OpenStatus::kRefused;
  }
  return OpenStatus::kOpened;
}

// With the lock of `before` held. Where the name cannot be given, everything is as it was.
ChangeStatus Image::TakePlaceOf(Image& before) {
  auto end = Shared<std::uint32_t>(&before.header().retired);
  end.store(kRetiredReplaced, std::memory_order_release);
  SIMULATOR_STEP(superseded);
  MoveCalls(before.commons(), commons());
  if (std::rename(path_, before.path_) == 0) {
    SIMULATOR_STEP(renamed);
    return ChangeStatus::kDone;
  }
  const int error = errno;
  MoveCallsBack(commons(), before.commons());
  end.store(0, std::memory_order_release);
  const bool lacksRight = error == EACCES || error == EPERM || error == EROFS;
  return lacksRight ? ChangeStatus::kReadOnly : ChangeStatus::kSystem;
}

bool Image::FinishReplacement() {
  ImageLock lock;
  const ChangeStatus taken = lock.Take(*this);
  if (taken == ChangeStatus::kReplaced) return true;  // somebody else was quicker
  char successor[PATH_MAX];
  return taken == ChangeStatus::kDone && SuccessorPath(path_, successor) &&
         std::rename(successor, path_) == 0;
}

}  // namespace nvml_mig::simulator
