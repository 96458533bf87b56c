#include "audit.h"

#include <algorithm>
#include <set>
#include <type_traits>

#include "simulator/image_layout.h"

namespace nvml_mig::image_tests {
namespace {

using namespace simulator;

// The ids that drivers give, by the size of a place: the whole board 0, halves 1 and 2, quarters 3 to
// 6, eighths 7 to 14; on boards with swapped numbering the two halves of each row are exchanged.
unsigned ExpectedId(const GpuBoard& board, unsigned start, unsigned size) {
  const unsigned pieces = board.memorySlices / size;
  unsigned piece = start / size;
  if (board.swappedNumbering != 0 && pieces > 1) piece = (piece + pieces / 2) % pieces;
  return pieces - 1 + piece;
}

// Units start to start + size - 1 taken; false when one of them was already.
bool Take(std::uint32_t* taken, unsigned start, unsigned size) {
  for (unsigned unit = start; unit < start + size; unit++) {
    const std::uint32_t bit = std::uint32_t{1} << unit;
    if ((*taken & bit) != 0) return false;
    *taken |= bit;
  }
  return true;
}

template <class Profile, class Instance>
bool IsListed(const Profile& profile, const Instance& instance) {
  const auto end = profile.starts + profile.startCount;
  return instance.size == profile.placementSize &&
         std::find(profile.starts, end, instance.start) != end;
}

// No more of a profile than there may be. `live` counts them by profile.
template <class Profile, std::size_t count>
bool IsWithinLimits(const Profile (&profiles)[count], const unsigned (&live)[count]) {
  for (std::size_t i = 0; i < count; i++) {
    if (live[i] > profiles[i].instanceCount) return false;
  }
  return true;
}

// Which profiles exclude each other is the board's to say, and it may say so at either of the two.
template <std::size_t count>
bool MayCoexist(const GpuInstanceProfile (&profiles)[count], const unsigned (&live)[count]) {
  std::uint32_t present = 0;
  for (std::size_t i = 0; i < count; i++) present |= std::uint32_t{live[i] != 0} << i;
  for (std::size_t i = 0; i < count; i++) {
    const std::uint32_t others = live[i] > 1 ? present : present & ~(std::uint32_t{1} << i);
    if (live[i] != 0 && (profiles[i].excludes & others) != 0) return false;
  }
  return true;
}

bool ComputeInstancesAreGood(const GpuInstanceProfile& profile, const GpuInstance& instance,
                             std::multiset<std::uint32_t>* stamps, Reason* reason) {
  std::uint32_t taken = 0;
  std::uint32_t ids = 0;
  unsigned live[std::extent_v<decltype(GpuInstanceProfile::computeProfiles)>] = {};
  for (const ComputeInstance& it : instance.computeInstances) {
    if (it.stamp == 0) continue;
    stamps->insert(it.stamp);
    if (it.profile >= profile.computeProfileCount ||
        !IsListed(profile.computeProfiles[it.profile], it) || !Take(&taken, it.start, it.size) ||
        it.id >= kMaxComputeInstances || !Take(&ids, it.id, 1)) {
      reason->Say("GPU instance %u: compute instance %u at %u:%u cannot be", instance.id, it.id,
                  it.start, it.size);
      return false;
    }
    live[it.profile]++;
  }
  if (IsWithinLimits(profile.computeProfiles, live)) return true;
  reason->Say("GPU instance %u: too many compute instances of a profile", instance.id);
  return false;
}

bool GpuIsGood(const GpuBoard& board, const GpuState& gpu, std::multiset<std::uint32_t>* stamps,
               Reason* reason) {
  std::uint32_t taken = 0;
  std::uint32_t ids = 0;
  unsigned live[std::extent_v<decltype(GpuBoard::profiles)>] = {};
  for (const GpuInstance& it : gpu.gpuInstances) {
    if (it.stamp == 0) continue;
    stamps->insert(it.stamp);
    if (gpu.migCurrent != 1 || it.profile >= board.profileCount ||
        !IsListed(board.profiles[it.profile], it) || !Take(&taken, it.start, it.size) ||
        it.id != ExpectedId(board, it.start, it.size) || !Take(&ids, it.id, 1)) {
      reason->Say("GPU instance %u of profile %u at %u:%u cannot be", it.id, it.profile, it.start,
                  it.size);
      return false;
    }
    if (!ComputeInstancesAreGood(board.profiles[it.profile], it, stamps, reason)) return false;
    live[it.profile]++;
  }
  if (IsWithinLimits(board.profiles, live) && MayCoexist(board.profiles, live)) return true;
  reason->Say("GPU instances of profiles that may not be live together");
  return false;
}

}  // namespace

bool StateIsGood(const Image& image, const State& state, Reason* reason) {
  std::multiset<std::uint32_t> stamps;
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    if (!GpuIsGood(image.boards()[gpu], state.gpus[gpu], &stamps, reason)) return false;
  }
  if (std::adjacent_find(stamps.begin(), stamps.end()) != stamps.end() ||
      (!stamps.empty() && *stamps.rbegin() > state.node.lastStamp)) {
    reason->Say("a stamp was given twice, or is newer than the newest");
    return false;
  }
  const std::uint64_t live = state.node.created - state.node.destroyed;
  if (live != stamps.size()) {
    reason->Say("%zu instances live, and %llu should", stamps.size(),
                static_cast<unsigned long long>(live));
    return false;
  }
  return true;
}

ChangeCount CountFrom(const Image& image, std::uint64_t advance) {
  State state;
  const std::uint64_t current = image.Read(&state);
  return {current, state.node.created + state.node.destroyed, advance};
}

bool ImageIsGood(const Image& image, const ChangeCount& since, Reason* reason) {
  if (!image.IsSound()) {
    reason->Say("the active slot is not as it was sealed");
    return false;
  }
  State state;
  const std::uint64_t current = image.Read(&state);
  const std::uint64_t changes = (current - since.current) / since.advance;
  const std::uint64_t instances = state.node.created + state.node.destroyed - since.instances;
  if (changes != instances) {
    reason->Say("%llu changes made %llu creates and destroys",
                static_cast<unsigned long long>(changes),
                static_cast<unsigned long long>(instances));
    return false;
  }
  return StateIsGood(image, state, reason);
}

}  // namespace nvml_mig::image_tests
