#include "root.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "words.h"

namespace nvml_mig::simulator {
namespace {

// Minor numbers are the same on every machine: 1 and 2 are mig/config and mig/monitor, then come 15
// GPU instances of each GPU by its own minor number, each with its 8 compute instances behind it.
constexpr unsigned kGpuInstanceIds = 15;
constexpr unsigned kFirstInstanceMinor = 3;
constexpr unsigned kMinorsPerInstance = 1 + kMaxComputeInstances;

// Rights that a process's umask does not take away: nobody's umask changes what a driver shows.
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0444;

// Where a file is written before it has its place.
constexpr char kPartial[] = ".partial";

// An instance, by ids. Of a GPU instance as a whole `compute` is kWhole.
struct Place {
  unsigned gpuMinor;
  unsigned instance;
  unsigned compute;
};
constexpr unsigned kWhole = ~0u;

unsigned MinorOf(const Place& place) {
  const unsigned instance =
      kFirstInstanceMinor +
      kMinorsPerInstance * (kGpuInstanceIds * place.gpuMinor + place.instance);
  return place.compute == kWhole ? instance : instance + 1 + place.compute;
}

// Paths below root/.
struct Path {
  char text[128];
};

Path DirectoryOf(const Place& place, const char* file = "") {
  Path path;
  int length = std::snprintf(path.text, sizeof(path.text),
                             "proc/driver/nvidia/capabilities/gpu%u/mig/gi%u", place.gpuMinor,
                             place.instance);
  if (place.compute != kWhole) {
    length += std::snprintf(path.text + length, sizeof(path.text) - static_cast<unsigned>(length),
                            "/ci%u", place.compute);
  }
  std::snprintf(path.text + length, sizeof(path.text) - static_cast<unsigned>(length), "%s", file);
  return path;
}

Path AccessOf(const Place& place) { return DirectoryOf(place, "/access"); }

Path NodeOf(const Place& place) {
  Path path;
  std::snprintf(path.text, sizeof(path.text), "dev/nvidia-caps/nvidia-cap%u", MinorOf(place));
  return path;
}

// root/ beside an image. What cannot be done there is remembered and hinders nothing else.
class Root {
 public:
  explicit Root(const Image& image) {
    char path[PATH_MAX];
    const char* const slash = std::strrchr(image.path(), '/');
    const auto length = slash == nullptr ? 0 : static_cast<std::size_t>(slash - image.path()) + 1;
    if (length + sizeof("root") > sizeof(path)) return;
    std::memcpy(path, image.path(), length);
    std::memcpy(path + length, "root", sizeof("root"));
    descriptor_ = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    missing_ = descriptor_ < 0 && (errno == ENOENT || errno == ENOTDIR);
    complete_ = descriptor_ >= 0;
  }
  ~Root() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  // Whether everything is as it was asked for; where there is no root/, nothing is to be done.
  bool is_in_line() const { return complete_ || missing_; }

  void Make(const Place& place) {
    MakeDirectory(DirectoryOf(place).text);
    char text[96];
    const int length = std::snprintf(
        text, sizeof(text), "DeviceFileMinor: %u\nDeviceFileMode: %u\nDeviceFileModify: 1\n",
        MinorOf(place), static_cast<unsigned>(kFileMode));
    WriteFile(AccessOf(place).text, text, static_cast<std::size_t>(length));
    MakeNode(NodeOf(place).text);
  }

  void Remove(const Place& place) {
    Unlink(AccessOf(place).text, 0);
    Unlink(DirectoryOf(place).text, AT_REMOVEDIR);
  }

  void RemoveNode(const Place& place) { Unlink(NodeOf(place).text, 0); }

  bool Has(const Place& place) const {
    return faccessat(descriptor_, DirectoryOf(place).text, F_OK, 0) == 0;
  }

  void MakeDirectory(const char* path) {
    const bool made = mkdirat(descriptor_, path, kDirectoryMode) == 0;
    Note(made ? fchmodat(descriptor_, path, kDirectoryMode, 0) == 0 : errno == EEXIST);
  }

 private:
  void Note(bool done) { complete_ = complete_ && done; }

  void Unlink(const char* path, int flags) {
    Note(unlinkat(descriptor_, path, flags) == 0 || errno == ENOENT);
  }

  // A plain file where a machine has a device.
  void MakeNode(const char* path) {
    const bool made = mknodat(descriptor_, path, S_IFREG | kFileMode, 0) == 0;
    Note(made ? fchmodat(descriptor_, path, kFileMode, 0) == 0 : errno == EEXIST);
  }

  // Under another name first, so that nobody ever reads half of it.
  void WriteFile(const char* path, const char* text, std::size_t length) {
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int file = openat(descriptor_, kPartial, flags, kFileMode);
    if (file < 0 && errno == EEXIST) {  // left by one who died
      unlinkat(descriptor_, kPartial, 0);
      file = openat(descriptor_, kPartial, flags, kFileMode);
    }
    if (file < 0) return Note(false);
    const bool written = write(file, text, length) == static_cast<ssize_t>(length) &&
                         fchmod(file, kFileMode) == 0;
    close(file);
    Note(written && renameat(descriptor_, kPartial, descriptor_, path) == 0);
  }

  int descriptor_ = -1;
  bool missing_ = false;
  bool complete_ = false;
};

// The instances of a GPU that live, by their ids.
struct Living {
  bool instances[kGpuInstanceIds] = {};
  bool computes[kGpuInstanceIds][kMaxComputeInstances] = {};

  explicit Living(const GpuState& gpu) {
    for (const GpuInstance& instance : gpu.gpuInstances) {
      if (instance.stamp == 0 || instance.id >= kGpuInstanceIds) continue;
      instances[instance.id] = true;
      for (const ComputeInstance& compute : instance.computeInstances) {
        if (compute.stamp == 0 || compute.id >= kMaxComputeInstances) continue;
        computes[instance.id][compute.id] = true;
      }
    }
  }
  bool Has(const Place& place) const {
    return place.compute == kWhole ? instances[place.instance]
                                   : computes[place.instance][place.compute];
  }
};

bool SameInstances(const GpuState& a, const GpuState& b) {
  return std::memcmp(a.gpuInstances, b.gpuInstances, sizeof(a.gpuInstances)) == 0;
}

bool SameInstances(const Image& image, const State& a, const State& b) {
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    if (!SameInstances(a.gpus[gpu], b.gpus[gpu])) return false;
  }
  return true;
}

// What two states of a GPU differ in. Compute instances are made after their GPU instance and
// removed before it.
void ShowDifference(Root& root, unsigned gpuMinor, const Living& before, const Living& after) {
  for (unsigned id = 0; id < kGpuInstanceIds; id++) {
    const Place instance = {gpuMinor, id, kWhole};
    if (!before.Has(instance) && after.Has(instance)) root.Make(instance);
    for (unsigned compute = 0; compute < kMaxComputeInstances; compute++) {
      const Place place = {gpuMinor, id, compute};
      if (before.Has(place) == after.Has(place)) continue;
      after.Has(place) ? root.Make(place) : root.Remove(place);
    }
    if (before.Has(instance) && !after.Has(instance)) root.Remove(instance);
  }
}

// Whatever is there, what lives is made and everything else that an instance can have is removed.
void ShowAll(Root& root, unsigned gpuMinor, const Living& after) {
  for (unsigned id = 0; id < kGpuInstanceIds; id++) {
    const Place instance = {gpuMinor, id, kWhole};
    if (after.Has(instance)) {
      root.Make(instance);
    } else if (!root.Has(instance)) {
      continue;
    }
    for (unsigned compute = 0; compute < kMaxComputeInstances; compute++) {
      const Place place = {gpuMinor, id, compute};
      after.Has(place) ? root.Make(place) : root.Remove(place);
    }
    if (!after.Has(instance)) root.Remove(instance);
  }
}

}  // namespace

void ShowInstances(const Image& image, const State& before, const State& after,
                   std::uint64_t change) {
  const auto shown = Shared<std::uint64_t>(&image.commons().rootShown);
  const bool wasInLine = shown.load(std::memory_order_relaxed) + 1 == change;
  if (wasInLine && SameInstances(image, before, after)) {
    shown.store(change, std::memory_order_relaxed);
    return;
  }
  Root root(image);
  for (unsigned gpu = 0; root.is_open() && gpu < image.gpu_count(); gpu++) {
    const unsigned minor = image.boards()[gpu].minorNumber;
    if (!wasInLine) {
      ShowAll(root, minor, Living(after.gpus[gpu]));
    } else if (!SameInstances(before.gpus[gpu], after.gpus[gpu])) {
      ShowDifference(root, minor, Living(before.gpus[gpu]), Living(after.gpus[gpu]));
    }
  }
  if (root.is_in_line()) shown.store(change, std::memory_order_relaxed);
}

ChangeStatus RemoveStaleNodes(Image& image) {
  return image.ChangeCommons([&](Commons&) {
    State state;
    image.Read(&state);
    Root root(image);
    for (unsigned gpu = 0; root.is_open() && gpu < image.gpu_count(); gpu++) {
      const Living living(state.gpus[gpu]);
      for (unsigned id = 0; id < kGpuInstanceIds; id++) {
        const Place instance = {image.boards()[gpu].minorNumber, id, kWhole};
        if (!living.Has(instance)) root.RemoveNode(instance);
        for (unsigned compute = 0; compute < kMaxComputeInstances; compute++) {
          const Place place = {instance.gpuMinor, id, compute};
          if (!living.Has(place)) root.RemoveNode(place);
        }
      }
    }
  });
}

}  // namespace nvml_mig::simulator
