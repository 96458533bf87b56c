// node.image as a running process has it: mapped, verified once, read without a lock, changed under
// one. Knows nothing of MIG: what a change does is the caller's function, which works on a private
// copy, so that a process killed at any instruction leaves either the old state or the new one.
//
//   current ──► slot[current & 1]  the state everybody reads
//               slot[the other]    where the next change is written before `current` names it
//
// Any number of threads and processes may use one file, each through its own Image. Open and Close
// are for one thread at a time; everything else is for any thread in between.
#ifndef NVML_MIG_SIMULATOR_IMAGE_H
#define NVML_MIG_SIMULATOR_IMAGE_H

#include <sys/types.h>

#include <climits>
#include <cstddef>
#include <cstdint>

#include "image_layout.h"
#include "reason.h"

namespace nvml_mig::simulator {

// The live part, as a slot holds it; only the first gpu_count() of gpus are there.
struct State {
  NodeState node;
  GpuState gpus[kMaxGpus];
};
static_assert(offsetof(State, gpus) == sizeof(NodeState));

enum class OpenStatus {
  kOpened,
  kMissing,    // no such file
  kForbidden,  // not even readable
  kRefused,    // unreadable or not a sound image
};

enum class ChangeStatus {
  kDone,       // published; or the rules changed nothing and nothing was published
  kDeclined,   // the rules said no
  kReadOnly,   // no right to write the file
  kReplaced,   // the file is gone, or another one has its name
  kRetired,    // the node was closed
  kTimeout,    // another process held the lock until the deadline
  kSystem,     // out of descriptors or the like
  kDamaged,    // the live part is not what the last change left
};

class Image {
 public:
  constexpr Image() = default;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  // Maps and verifies the file. When the active slot is torn, which only a machine that died can
  // leave behind, the other slot takes its place. On failure `reason` says why and nothing is kept.
  [[nodiscard]] OpenStatus Open(const char* path, Reason* reason);
  void Close();
  [[nodiscard]] bool is_open() const { return base_ != nullptr; }
  // Whether the file at the path that was opened is still the mapped one.
  [[nodiscard]] bool IsInPlace() const;

  [[nodiscard]] const ImageHeader& header() const {
    return *reinterpret_cast<const ImageHeader*>(base_);
  }
  [[nodiscard]] const Node& node() const {
    return *reinterpret_cast<const Node*>(base_ + header().boardsOffset);
  }
  [[nodiscard]] std::uint32_t gpu_count() const { return header().gpuCount; }
  [[nodiscard]] const GpuBoard* boards() const {
    return reinterpret_cast<const GpuBoard*>(base_ + header().boardsOffset + sizeof(Node));
  }
  [[nodiscard]] bool writable() const { return writable_; }

  // The number of the newest change: differs whenever the state does.
  [[nodiscard]] std::uint64_t current() const;
  [[nodiscard]] bool retired() const;

  // The whole live part, or the part that belongs to one GPU; all of one moment. Return its number.
  std::uint64_t Read(State* out) const;
  std::uint64_t ReadGpu(std::uint32_t gpu, NodeState* node, GpuState* state) const;

  // Runs bool rules(State&) on a private copy of the state, with every other change of every
  // process kept out, and publishes the copy when it returns true. `rules` must not call back into
  // an Image.
  template <class Rules>
  [[nodiscard]] ChangeStatus Change(Rules rules) {
    return ChangeWith(
        [](void* context, State& state) { return (*static_cast<Rules*>(context))(state); }, &rules);
  }
  // Closes the node for changes by anyone; reads go on.
  [[nodiscard]] ChangeStatus Retire();

  // Whether the active slot is as it was sealed.
  [[nodiscard]] bool IsSound() const;

  // How long a change waits for another process, for example a stopped one. Tests shorten it.
  unsigned lock_deadline_ms = 10'000;

 private:
  friend class ImageLock;
  struct Piece {
    std::uint64_t offset;  // in the slot
    void* out;
    std::size_t bytes;
  };

  std::uint8_t* slot(std::uint64_t number) const { return base_ + header().slotOffset[number & 1]; }
  std::uint64_t ReadPieces(const Piece* pieces, std::size_t count) const;
  OpenStatus Map(const char* path, Reason* reason);
  bool VerifySlots(Reason* reason);
  bool RepairSlots(Reason* reason);
  ChangeStatus ChangeWith(bool (*rules)(void*, State&), void* context);

  std::uint8_t* base_ = nullptr;
  std::size_t bytes_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool writable_ = false;
  char path_[PATH_MAX] = "";
};

// Path of the file `name` in the directory of the library that holds `symbol`, absolute whatever
// path the library was loaded by. False when that cannot be told.
[[nodiscard]] bool PathBesideLibrary(const void* symbol, const char* name, char* out,
                                     std::size_t length);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_IMAGE_H
