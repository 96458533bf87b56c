// GPU instances: what the board offers, what lives on it, creating and destroying.
#include <algorithm>
#include <iterator>

#include "dialect.h"
#include "machine.h"

namespace nvml_mig::simulator {
namespace {

bool Find(const GpuBoard& board, unsigned id, unsigned* index) {
  for (*index = 0; *index < board.profileCount; ++*index) {
    if (board.profiles[*index].id == id) return true;
  }
  return false;
}

// R550's nvidia-smi lists GPUs with MIG off and R535's does not; header 12.4, R550's, is the first to
// call placements independent of the mode, and has a field that says so.
constexpr unsigned kFirstBranchWithProfilesAnyTime = 550;
// The first branch that counts on an empty GPU what fits there. Older ones say 0 for every profile
// until the first GPU instance lives (recorded of R510) and create all the same; a listing of R455 to
// R460 has full counts, so those count.
constexpr unsigned kFirstBranchWithFreeCounts = 515;

bool MigIsOff(const GpuView& at) { return at.gpu.migCurrent == NVML_DEVICE_MIG_DISABLE; }

bool ListsProfiles(const GpuView& at) {
  return !MigIsOff(at) || ListsProfilesAnyTime(at.driver);
}

bool CountsOnEmptyGpu(const Node& driver) {
  return driver.driverBranch >= kFirstBranchWithFreeCounts ||
         (driver.driverBranch >= 455 && driver.driverBranch < 465);
}

template <class Gpu>
auto* FindIn(Gpu& gpu, unsigned id) {
  auto* const end = std::end(gpu.gpuInstances);
  auto* const found =
      std::find_if(std::begin(gpu.gpuInstances), end,
                   [&](const GpuInstance& it) { return it.stamp != 0 && it.id == id; });
  return found == end ? nullptr : found;
}

}  // namespace

const GpuInstanceProfile& ProfileOf(const GpuBoard& board, const GpuInstance& instance) {
  return board.profiles[instance.profile];
}

GpuInstance* FindGpuInstance(GpuState& gpu, unsigned id) { return FindIn(gpu, id); }
const GpuInstance* FindGpuInstance(const GpuState& gpu, unsigned id) { return FindIn(gpu, id); }

bool ListsProfilesAnyTime(const Node& driver) {
  return driver.driverBranch >= kFirstBranchWithProfilesAnyTime;
}

nvmlReturn_t PastLastSlot(const Node& driver) {
  return Speaks(driver, kOpenProfileEnd) ? NVML_ERROR_NOT_SUPPORTED : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t GpuProfileBySlot(const GpuView& at, unsigned slot,
                              const GpuInstanceProfile** profile) {
  if (slot >= at.driver.gpuInstanceProfileSlots) return PastLastSlot(at.driver);
  if (!MayReadProfiles(at)) return NVML_ERROR_NO_PERMISSION;
  if (!ListsProfiles(at)) return NVML_ERROR_NOT_SUPPORTED;
  for (unsigned i = 0; i < at.board.profileCount; i++) {
    *profile = &at.board.profiles[i];
    if ((*profile)->slot == slot) return NVML_SUCCESS;
  }
  return NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t GpuProfileById(const GpuView& at, unsigned id, const GpuInstanceProfile** profile) {
  unsigned index;
  if (!Find(at.board, id, &index)) return NVML_ERROR_NOT_SUPPORTED;
  *profile = &at.board.profiles[index];
  return NVML_SUCCESS;
}

nvmlReturn_t GpuPlacements(const GpuView& at, unsigned id, const GpuInstanceProfile** profile) {
  if (!MayList(at.rights)) return NVML_ERROR_NO_PERMISSION;
  if (!ListsProfiles(at)) return NVML_ERROR_NOT_SUPPORTED;
  return GpuProfileById(at, id, profile);
}

nvmlReturn_t GpuInstanceCapacity(const GpuView& at, unsigned id, unsigned* count) {
  if (!MayList(at.rights)) return NVML_ERROR_NO_PERMISSION;
  unsigned profile;
  if (!Find(at.board, id, &profile)) return NVML_ERROR_NOT_SUPPORTED;
  const Partition partition = PartitionOf(at.board, at.gpu);
  // nvidia-smi shows a GPU with MIG off as "0/7" beside one with MIG on, so this is no error.
  const bool none = MigIsOff(at) || (partition.occupied == 0 && !CountsOnEmptyGpu(at.driver));
  *count = none ? 0 : RemainingCapacity(partition, profile);
  return NVML_SUCCESS;
}

nvmlReturn_t ListGpuInstances(const GpuView& at, unsigned id,
                              const GpuInstance* (&instances)[kMaxGpuInstances], unsigned* count) {
  if (!MayList(at.rights)) return NVML_ERROR_NO_PERMISSION;
  if (MigIsOff(at)) return NVML_ERROR_NOT_SUPPORTED;
  unsigned profile;
  if (!Find(at.board, id, &profile)) return NVML_ERROR_INVALID_ARGUMENT;
  *count = 0;
  for (const GpuInstance& it : at.gpu.gpuInstances) {
    if (it.stamp != 0 && it.profile == profile) instances[(*count)++] = &it;
  }
  std::sort(instances, instances + *count,
            [](const GpuInstance* a, const GpuInstance* b) { return a->id < b->id; });
  return NVML_SUCCESS;
}

nvmlReturn_t GpuInstanceById(const GpuView& at, unsigned id, const GpuInstance** instance) {
  if (!MayList(at.rights)) return NVML_ERROR_NO_PERMISSION;
  if (MigIsOff(at)) return NVML_ERROR_NOT_SUPPORTED;
  *instance = FindGpuInstance(at.gpu, id);
  return *instance == nullptr ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS;
}

// The GPU instances of a guest are its host's, to make and to take away.
nvmlReturn_t CreateGpuInstance(const GpuEdit& at, unsigned id, const Placement* wanted,
                               const GpuInstance** created) {
  if (!MayConfigure(at.rights)) return NVML_ERROR_NO_PERMISSION;
  if (at.driver.platform == kVgpuGuest) return NVML_ERROR_NOT_SUPPORTED;
  return PutGpuInstance(at, id, wanted, HasClients(at.node, at.index), created);
}

nvmlReturn_t PutGpuInstance(const GpuEdit& at, unsigned id, const Placement* wanted, bool held,
                            const GpuInstance** created) {
  if (MigIsOff(at.view())) return NVML_ERROR_NOT_SUPPORTED;
  unsigned profile;
  if (!Find(at.board, id, &profile)) return NVML_ERROR_INVALID_ARGUMENT;
  const Partition partition = PartitionOf(at.board, at.gpu);
  const Shape& shape = partition.shapes[profile];
  if (wanted != nullptr && !IsListed(shape, *wanted)) return NVML_ERROR_INVALID_ARGUMENT;
  // The first instance takes the GPU from those that use it as a whole.
  if (partition.occupied == 0 && held) return NVML_ERROR_IN_USE;

  unsigned start;
  if (wanted != nullptr) {
    start = wanted->start;
    if (!IsCreatable(partition, profile, start)) return NVML_ERROR_INSUFFICIENT_RESOURCES;
  } else if (!LeastLoss(partition, profile, &start)) {
    return NVML_ERROR_INSUFFICIENT_RESOURCES;
  }
  GpuInstance* const record =
      std::find_if(std::begin(at.gpu.gpuInstances), std::end(at.gpu.gpuInstances),
                   [](const GpuInstance& it) { return it.stamp == 0; });
  if (record == std::end(at.gpu.gpuInstances)) return NVML_ERROR_INSUFFICIENT_RESOURCES;
  *record = {};
  record->stamp = NewStamp(at.node);
  record->id = static_cast<std::uint8_t>(GpuInstanceIdAt(at.board, {start, shape.size}));
  record->profile = static_cast<std::uint8_t>(profile);
  record->start = static_cast<std::uint8_t>(start);
  record->size = static_cast<std::uint8_t>(shape.size);
  at.node.created++;
  *created = record;
  return NVML_SUCCESS;
}

nvmlReturn_t DestroyGpuInstance(const GpuEdit& at, GpuInstance& instance) {
  if (!MayConfigure(at.rights)) return NVML_ERROR_NO_PERMISSION;
  if (at.driver.platform == kVgpuGuest) return NVML_ERROR_NOT_SUPPORTED;
  const bool inhabited =
      std::any_of(std::begin(instance.computeInstances), std::end(instance.computeInstances),
                  [](const ComputeInstance& it) { return it.stamp != 0; });
  if (inhabited || HasClients(at.node, at.index, instance)) return NVML_ERROR_IN_USE;
  instance = {};
  at.node.destroyed++;
  return NVML_SUCCESS;
}

void DropInstances(NodeState& node, GpuState& gpu) {
  for (GpuInstance& instance : gpu.gpuInstances) {
    if (instance.stamp == 0) continue;
    for (const ComputeInstance& compute : instance.computeInstances) {
      node.destroyed += compute.stamp != 0;
    }
    node.destroyed++;
    instance = {};
  }
}

std::uint32_t NewStamp(NodeState& node) {
  // 0 means "free"; four billion instances later the numbers start again.
  if (++node.lastStamp == 0) ++node.lastStamp;
  return node.lastStamp;
}

}  // namespace nvml_mig::simulator
