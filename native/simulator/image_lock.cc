#include "image_lock.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "steps.h"

namespace nvml_mig::simulator {
namespace {

// One for all images of a process: changes are microseconds long.
pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;
pthread_once_t guard = PTHREAD_ONCE_INIT;

void BeforeFork() { pthread_mutex_lock(&changing); }
void AfterFork() { pthread_mutex_unlock(&changing); }

std::int64_t NowMicroseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
}

void SleepMicroseconds(long microseconds) {
  const timespec pause = {0, microseconds * 1'000};
  nanosleep(&pause, nullptr);
}

// Waits for the other threads of this process. The wait itself is by the wall clock, which somebody
// may set, so what is left is asked again; pthread_mutex_clocklock would not need that, but
// ThreadSanitizer does not know it in every compiler that this is built with.
bool LockMutexUntil(std::int64_t deadline) {
  for (;;) {
    const std::int64_t left = deadline - NowMicroseconds();
    if (left <= 0) return pthread_mutex_trylock(&changing) == 0;
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    const std::int64_t nanoseconds = until.tv_nsec + left % 1'000'000 * 1'000;
    until.tv_sec += left / 1'000'000 + nanoseconds / 1'000'000'000;
    until.tv_nsec = nanoseconds % 1'000'000'000;
    if (pthread_mutex_timedlock(&changing, &until) == 0) return true;
  }
}

ChangeStatus OpenFailure(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return ChangeStatus::kReadOnly;
    case ENOENT:
    case ENOTDIR:
      return ChangeStatus::kReplaced;
    default:
      return ChangeStatus::kSystem;
  }
}

// flock has no deadline of its own, and a stopped holder would block everybody for ever.
ChangeStatus FlockUntil(int descriptor, std::int64_t deadline) {
  constexpr int yields = 16;
  constexpr long longest = 2'000;
  long pause = 20;
  for (int attempt = 0;; attempt++) {
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return ChangeStatus::kDone;
    if (errno != EWOULDBLOCK && errno != EINTR) return ChangeStatus::kSystem;
    if (NowMicroseconds() >= deadline) return ChangeStatus::kTimeout;
    if (attempt < yields) {
      sched_yield();
      continue;
    }
    SleepMicroseconds(pause);
    pause = pause * 2 > longest ? longest : pause * 2;
  }
}

}  // namespace

void GuardForks() {
  pthread_once(&guard, [] { pthread_atfork(BeforeFork, AfterFork, AfterFork); });
}

ChangeStatus ImageLock::Take(const Image& image) {
  if (!image.writable_) return ChangeStatus::kReadOnly;
  SIMULATOR_STEP(before_mutex);
  // One deadline for both waits, or the threads of a process would time out one after the other.
  const std::int64_t deadline = NowMicroseconds() + std::int64_t{image.lock_deadline_ms} * 1'000;
  if (!LockMutexUntil(deadline)) return ChangeStatus::kTimeout;
  in_process_ = true;
  SIMULATOR_STEP(mutex_held);
  do {
    descriptor_ = open(image.path_, O_RDWR | O_CLOEXEC);
  } while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) {
    const ChangeStatus failure = OpenFailure(errno);
    Release();
    return failure;
  }
  struct stat file;
  if (fstat(descriptor_, &file) != 0 || file.st_dev != image.device_ ||
      file.st_ino != image.inode_) {
    Release();
    return ChangeStatus::kReplaced;
  }
  SIMULATOR_STEP(descriptor_open);
  const ChangeStatus locked = FlockUntil(descriptor_, deadline);
  if (locked != ChangeStatus::kDone) {
    Release();
    return locked;
  }
  SIMULATOR_STEP(locked);
  return ChangeStatus::kDone;
}

void ImageLock::Release() {
  if (descriptor_ >= 0) {
    // Said aloud: close alone would leave the lock to a child that some other code forked.
    flock(descriptor_, LOCK_UN);
    SIMULATOR_STEP(unlocked);
    close(descriptor_);
    descriptor_ = -1;
  }
  if (in_process_) {
    in_process_ = false;
    pthread_mutex_unlock(&changing);
  }
}

}  // namespace nvml_mig::simulator
