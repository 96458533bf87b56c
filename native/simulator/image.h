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

// What event sets are to be told of a change. Numbered, and put in the ring, as part of it.
struct Outbox {
  Event events[2 * kMaxGpus];
  unsigned count = 0;

  // Instances by their ids, or kNone8.
  void Add(std::uint32_t type, unsigned gpu, std::uint64_t data = 0,
           std::uint8_t gpuInstance = kNone8, std::uint8_t computeInstance = kNone8,
           std::uint32_t pid = 0);
};

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
  kSuperseded, // the driver that the image is of was replaced by another
  kTimeout,    // another process held the lock until the deadline
  kSystem,     // out of descriptors or the like
  kDamaged,    // the live part is not what the last change left
};

class ImageLock;

class Image {
 public:
  constexpr Image() = default;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  // Maps and verifies the file. When the active slot is torn, which only a machine that died can
  // leave behind, the other slot takes its place. On failure `reason` says why and nothing is kept.
  [[nodiscard]] OpenStatus Open(const char* path, Reason* reason);
  // As Open, for the file beside `before` that is to take its place; kMissing: there is none. Its live
  // part is not looked at, because it has none yet, or half of one whose writer died.
  [[nodiscard]] OpenStatus OpenSuccessorOf(const Image& before, Reason* reason);
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
  // To be read and written word by word (words.h).
  [[nodiscard]] Commons& commons() const {
    return *reinterpret_cast<Commons*>(base_ + header().commonsOffset);
  }
  [[nodiscard]] bool writable() const { return writable_; }
  [[nodiscard]] const char* path() const { return path_; }

  // The number of the newest change: differs whenever the state does.
  [[nodiscard]] std::uint64_t current() const;
  // 0, kRetiredClosed or kRetiredReplaced.
  [[nodiscard]] std::uint32_t retired() const;

  // The whole live part, or the part that belongs to one GPU; all of one moment. Return its number.
  std::uint64_t Read(State* out) const;
  std::uint64_t ReadGpu(std::uint32_t gpu, NodeState* node, GpuState* state) const;

  // Waits until another change than `known` is the newest, and at most so long. False when a signal
  // came first. Who changed the state may have been killed before it woke anybody: wait in short
  // slices, and look in between.
  bool WaitForChange(std::uint64_t known, unsigned milliseconds) const;
  // Makes everybody who waits look again.
  void WakeWaiters() const;
  // The event of that number; false when the ring no longer has it.
  [[nodiscard]] bool ReadEvent(std::uint64_t number, Event* out) const;

  // Runs bool rules(State&) on a private copy of the state, with every other change of every
  // process kept out, and publishes the copy when it returns true. `rules` must not call back into
  // an Image.
  template <class Rules>
  [[nodiscard]] ChangeStatus Change(Rules rules) {
    return Change([&](State& state, Outbox&) { return rules(state); },
                  [](const State&, std::uint64_t) {});
  }
  // As above with bool rules(State&, Outbox&); then published(const State&, change), while other
  // changes are still kept out, unless nothing changed.
  //
  // With a successor, opened by OpenSuccessorOf, the copy becomes its live part, beside all of the
  // commons; then it takes this file's place, and this image is left retired, kRetiredReplaced.
  template <class Rules, class Published>
  [[nodiscard]] ChangeStatus Change(Rules rules, Published published, Image* successor = nullptr) {
    struct Both {
      Rules& rules;
      Published& published;
    } both = {rules, published};
    return ChangeWith(
        {[](void* context, State& state, Outbox& outbox) {
           return static_cast<Both*>(context)->rules(state, outbox);
         },
         [](void* context, const State& state, std::uint64_t change) {
           static_cast<Both*>(context)->published(state, change);
         },
         &both},
        successor);
  }
  // Writes to the commons, with every change kept out: void write(Commons&), whose words are all
  // written as shared ones.
  template <class Write>
  [[nodiscard]] ChangeStatus ChangeCommons(Write write) {
    return ChangeCommonsWith([](void* context, Commons& commons) { (*static_cast<Write*>(context))(commons); },
                             &write);
  }
  // Closes the node for changes by anyone; reads go on.
  [[nodiscard]] ChangeStatus Retire();

  // For an image in its place that is kRetiredReplaced: who was putting its successor there died in
  // between. Does what was left. False when that cannot be done.
  [[nodiscard]] bool FinishReplacement();

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
  OpenStatus OpenConstantParts(const char* path, Reason* reason);
  bool VerifySlots(Reason* reason);
  bool RepairSlots(Reason* reason);
  struct Callbacks {
    bool (*rules)(void*, State&, Outbox&);
    void (*published)(void*, const State&, std::uint64_t);
    void* context;
  };
  ChangeStatus ChangeWith(const Callbacks& callbacks, Image* successor);
  // The lock, for a change that the image still admits.
  ChangeStatus Admit(ImageLock* lock) const;
  ChangeStatus TakePlaceOf(Image& before);
  ChangeStatus ChangeCommonsWith(void (*write)(void*, Commons&), void* context);
  void WriteEvents(const Outbox& outbox, std::uint64_t last);

  std::uint8_t* base_ = nullptr;
  std::size_t bytes_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool writable_ = false;
  char path_[PATH_MAX] = "";
};

// What a file is called, after the image's own name, that is to take its place.
inline constexpr char kSuccessorSuffix[] = ".next";

// Path of the file `name` in the directory of the library that holds `symbol`, absolute whatever
// path the library was loaded by. False when that cannot be told.
[[nodiscard]] bool PathBesideLibrary(const void* symbol, const char* name, char* out,
                                     std::size_t length);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_IMAGE_H
