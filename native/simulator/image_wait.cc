// Waiting for a change that another process makes. The kernel wakes who waits for a word of shared
// memory by the page of the file behind it, so it does not matter where a process has the image mapped,
// nor whether it may write it.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <climits>

#include "image.h"

namespace nvml_mig::simulator {

// What is waited for is a word of 32 bits, the low half of `current`, which every change moves.
static_assert(std::endian::native == std::endian::little);

bool Image::WaitForChange(std::uint64_t known, unsigned milliseconds) const {
  if (current() != known) return true;
  const timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  if (syscall(SYS_futex, &header().current, FUTEX_WAIT, static_cast<std::uint32_t>(known), &limit,
              nullptr, 0) == 0) {
    return true;
  }
  if (errno == EINTR) return false;
  if (errno == EAGAIN || errno == ETIMEDOUT) return true;
  // A kernel or a file system on which this cannot be done.
  return nanosleep(&limit, nullptr) == 0;
}

void Image::WakeWaiters() const {
  syscall(SYS_futex, &header().current, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace nvml_mig::simulator
