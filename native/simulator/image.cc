#include "image.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "image_description.h"
#include "image_lock.h"
#include "image_verify.h"
#include "words.h"

namespace nvml_mig::simulator {
namespace {

constexpr std::uint64_t kNodeStateAt = sizeof(Slot);
constexpr std::uint64_t kGpuStatesAt = sizeof(Slot) + sizeof(NodeState);

int OpenRetrying(const char* path, int flags) {
  int descriptor;
  do {
    descriptor = open(path, flags | O_CLOEXEC);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

bool LacksRight(int error) { return error == EACCES || error == EPERM || error == EROFS; }

}  // namespace

OpenStatus Image::Map(const char* path, Reason* reason) {
  // For writing first: an overlay file system that is asked for reading hands out the lower file,
  // and the process would never see what others write to the upper one.
  int descriptor = OpenRetrying(path, O_RDWR);
  writable_ = descriptor >= 0;
  if (descriptor < 0 && LacksRight(errno)) descriptor = OpenRetrying(path, O_RDONLY);
  if (descriptor < 0) {
    const int error = errno;
    reason->Say("%s cannot be opened: %s.", path, strerrordesc_np(error));
    if (error == ENOENT || error == ENOTDIR) return OpenStatus::kMissing;
    return LacksRight(error) ? OpenStatus::kForbidden : OpenStatus::kRefused;
  }
  struct stat file;
  if (fstat(descriptor, &file) != 0 || !S_ISREG(file.st_mode) ||
      static_cast<std::uint64_t>(file.st_size) < kImageHeaderBytes) {
    close(descriptor);
    reason->Say("%s is not a node.image: it is shorter than its header, or no file.", path);
    return OpenStatus::kRefused;
  }
  void* base = mmap(nullptr, static_cast<std::size_t>(file.st_size),
                    writable_ ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (base == MAP_FAILED) {
    reason->Say("%s cannot be mapped: %s.", path, strerrordesc_np(errno));
    return OpenStatus::kRefused;
  }
  base_ = static_cast<std::uint8_t*>(base);
  bytes_ = static_cast<std::size_t>(file.st_size);
  device_ = file.st_dev;
  inode_ = file.st_ino;
  return OpenStatus::kOpened;
}

OpenStatus Image::OpenConstantParts(const char* path, Reason* reason) {
  GuardForks();
  const std::size_t length = std::strlen(path);
  if (length >= sizeof(path_)) {
    reason->Say("The path of the image is too long.");
    return OpenStatus::kRefused;
  }
  std::memcpy(path_, path, length + 1);
  if (const OpenStatus mapped = Map(path, reason); mapped != OpenStatus::kOpened) return mapped;
  // A container's directory has a link to the image; what belongs to it lies beside the file itself.
  if (char real[PATH_MAX]; realpath(path, real) != nullptr) std::strcpy(path_, real);
  if (!VerifyHeader(header(), bytes_, reason) || !VerifyBoards(base_, reason)) {
    Close();
    return OpenStatus::kRefused;
  }
  const OpenStatus described = VerifyDescription(path_, header(), reason);
  if (described != OpenStatus::kOpened) Close();
  return described;
}

OpenStatus Image::Open(const char* path, Reason* reason) {
  const OpenStatus status = OpenConstantParts(path, reason);
  if (status != OpenStatus::kOpened || VerifySlots(reason)) return status;
  Close();
  return OpenStatus::kRefused;
}

bool Image::VerifySlots(Reason* reason) { return IsSound() || RepairSlots(reason); }

void Image::Close() {
  if (base_ != nullptr) munmap(base_, bytes_);
  base_ = nullptr;
}

bool Image::IsInPlace() const {
  struct stat file;
  return stat(path_, &file) == 0 && file.st_dev == device_ && file.st_ino == inode_;
}

std::uint64_t Image::current() const {
  return Shared<std::uint64_t>(&header().current).load(std::memory_order_acquire);
}

std::uint32_t Image::retired() const {
  return Shared<std::uint32_t>(&header().retired).load(std::memory_order_acquire);
}

bool Image::IsSound() const {
  struct {
    Slot head;
    State state;
    std::uint8_t padding[kSectionAlignment];
  } slot;
  const Piece whole = {0, &slot, header().slotBytes};
  return ReadPieces(&whole, 1) == slot.head.seq && SlotIsSealed(&slot, header().slotBytes);
}

std::uint64_t Image::Read(State* out) const {
  const Piece whole = {kNodeStateAt, out, SlotContentBytes(gpu_count()) - sizeof(Slot)};
  return ReadPieces(&whole, 1);
}

std::uint64_t Image::ReadGpu(std::uint32_t gpu, NodeState* node, GpuState* state) const {
  const Piece pieces[] = {{kNodeStateAt, node, sizeof(*node)},
                          {kGpuStatesAt + gpu * sizeof(GpuState), state, sizeof(*state)}};
  return ReadPieces(pieces, 2);
}

// A change writes the slot that `current` does not name, so what is read here stays as it is unless
// two changes pass meanwhile; then `current` has moved on and the copy is thrown away.
std::uint64_t Image::ReadPieces(const Piece* pieces, std::size_t count) const {
  constexpr int triesBeforeLock = 100;
  ImageLock lock;
  for (int attempt = 1;; attempt++) {
    const std::uint64_t now = current();
    for (const Piece* piece = pieces; piece != pieces + count; piece++) {
      LoadWords(piece->out, slot(now) + piece->offset, piece->bytes);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (Shared<std::uint64_t>(&header().current).load(std::memory_order_relaxed) == now) return now;
    // Unlucky for so long only beside processes that do nothing but change. Without the right to
    // lock, or without luck there either, going on is all that is left.
    if (attempt % triesBeforeLock == 0 && lock.Take(*this) != ChangeStatus::kDone) sched_yield();
  }
}

}  // namespace nvml_mig::simulator
