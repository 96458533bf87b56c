// Compute instances of a live GPU instance. Their slots are counted within that instance.
#include <algorithm>
#include <bit>
#include <iterator>

#include "dialect.h"
#include "machine.h"

namespace nvml_mig::simulator {
namespace {

bool Find(const GpuInstanceProfile& profile, unsigned id, unsigned* index) {
  for (*index = 0; *index < profile.computeProfileCount; ++*index) {
    if (profile.computeProfiles[*index].id == id) return true;
  }
  return false;
}

template <class Instance>
auto* FindIn(Instance& instance, unsigned id) {
  auto* const end = std::end(instance.computeInstances);
  auto* const found =
      std::find_if(std::begin(instance.computeInstances), end,
                   [&](const ComputeInstance& it) { return it.stamp != 0 && it.id == id; });
  return found == end ? nullptr : found;
}

// Bit per order that a live compute instance of the GPU has.
std::uint64_t OrdersOf(const GpuState& gpu) {
  std::uint64_t taken = 0;
  for (const GpuInstance& instance : gpu.gpuInstances) {
    for (const ComputeInstance& compute : instance.computeInstances) {
      if (instance.stamp != 0 && compute.stamp != 0) taken |= 1ull << compute.order;
    }
  }
  return taken;
}
static_assert(kMaxGpuInstances * kMaxComputeInstances <= 64);

unsigned LowestFreeId(const GpuInstance& instance) {
  unsigned id = 0;
  while (FindComputeInstance(instance, id) != nullptr) id++;
  return id;
}

}  // namespace

const ComputeProfile& ProfileOf(const GpuBoard& board, const GpuInstance& instance,
                                const ComputeInstance& compute) {
  return ProfileOf(board, instance).computeProfiles[compute.profile];
}

ComputeInstance* FindComputeInstance(GpuInstance& instance, unsigned id) {
  return FindIn(instance, id);
}
const ComputeInstance* FindComputeInstance(const GpuInstance& instance, unsigned id) {
  return FindIn(instance, id);
}

nvmlReturn_t ComputeProfileBySlot(const GpuView& at, const GpuInstance& instance, unsigned slot,
                                  unsigned engineProfile, const ComputeProfile** profile) {
  if (engineProfile >= NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_COUNT) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (slot >= at.driver.computeInstanceProfileSlots) return PastLastSlot(at.driver);
  if (!MayReadProfiles(at)) return NVML_ERROR_NO_PERMISSION;
  const GpuInstanceProfile& offers = ProfileOf(at.board, instance);
  for (unsigned i = 0; i < offers.computeProfileCount; i++) {
    *profile = &offers.computeProfiles[i];
    if ((*profile)->slot == slot) return NVML_SUCCESS;
  }
  return NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t ComputePlacements(const GpuView& at, const GpuInstance& instance, unsigned id,
                               const ComputeProfile** profile) {
  if (!MayList(at.rights)) return NVML_ERROR_NO_PERMISSION;
  const GpuInstanceProfile& offers = ProfileOf(at.board, instance);
  unsigned index;
  if (!Find(offers, id, &index)) return NVML_ERROR_NOT_SUPPORTED;
  *profile = &offers.computeProfiles[index];
  return NVML_SUCCESS;
}

nvmlReturn_t ComputeInstanceCapacity(const GpuView& at, const GpuInstance& instance, unsigned id,
                                     unsigned* count) {
  if (!MayList(at.rights)) return NVML_ERROR_NO_PERMISSION;
  const GpuInstanceProfile& offers = ProfileOf(at.board, instance);
  unsigned profile;
  if (!Find(offers, id, &profile)) return NVML_ERROR_NOT_SUPPORTED;
  *count = RemainingCapacity(PartitionOf(offers, instance), profile);
  return NVML_SUCCESS;
}

nvmlReturn_t ListComputeInstances(const GpuView& at, const GpuInstance& instance, unsigned id,
                                  const ComputeInstance* (&computes)[kMaxComputeInstances],
                                  unsigned* count) {
  if (!MayList(at.rights)) return NVML_ERROR_NO_PERMISSION;
  unsigned profile;
  if (!Find(ProfileOf(at.board, instance), id, &profile)) return NVML_ERROR_NOT_SUPPORTED;
  *count = 0;
  for (const ComputeInstance& it : instance.computeInstances) {
    if (it.stamp != 0 && it.profile == profile) computes[(*count)++] = &it;
  }
  std::sort(computes, computes + *count,
            [](const ComputeInstance* a, const ComputeInstance* b) { return a->id < b->id; });
  return NVML_SUCCESS;
}

nvmlReturn_t ComputeInstanceById(const GpuView& at, const GpuInstance& instance, unsigned id,
                                 const ComputeInstance** compute) {
  if (!MayList(at.rights)) return NVML_ERROR_NO_PERMISSION;
  *compute = FindComputeInstance(instance, id);
  return *compute == nullptr ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS;
}

nvmlReturn_t CreateComputeInstance(const GpuEdit& at, GpuInstance& instance, unsigned id,
                                   const Placement* wanted, const ComputeInstance** created) {
  if (!MayConfigure(at.rights)) return NVML_ERROR_NO_PERMISSION;
  return PutComputeInstance(at, instance, id, wanted, nullptr, created);
}

nvmlReturn_t PutComputeInstance(const GpuEdit& at, GpuInstance& instance, unsigned id,
                                const Placement* wanted, const unsigned* number,
                                const ComputeInstance** created) {
  const GpuInstanceProfile& offers = ProfileOf(at.board, instance);
  unsigned profile;
  if (!Find(offers, id, &profile)) return NVML_ERROR_NOT_SUPPORTED;
  const Partition partition = PartitionOf(offers, instance);
  const Shape& shape = partition.shapes[profile];
  if (wanted != nullptr && !IsListed(shape, *wanted)) return NVML_ERROR_INVALID_ARGUMENT;

  unsigned start;
  if (wanted != nullptr) {
    start = wanted->start;
    if (!IsCreatable(partition, profile, start)) return NVML_ERROR_INSUFFICIENT_RESOURCES;
  } else {
    const auto choose = at.board.alignedComputeSlots != 0 ? LeastLoss : FirstFit;
    if (!choose(partition, profile, &start)) return NVML_ERROR_INSUFFICIENT_RESOURCES;
  }
  ComputeInstance* const record =
      std::find_if(std::begin(instance.computeInstances), std::end(instance.computeInstances),
                   [](const ComputeInstance& it) { return it.stamp == 0; });
  if (record == std::end(instance.computeInstances)) return NVML_ERROR_INSUFFICIENT_RESOURCES;
  *record = {NewStamp(at.node),
             static_cast<std::uint8_t>(number != nullptr ? *number : LowestFreeId(instance)),
             static_cast<std::uint8_t>(profile), static_cast<std::uint8_t>(start),
             static_cast<std::uint8_t>(shape.size),
             static_cast<std::uint8_t>(std::countr_one(OrdersOf(at.gpu))),
             {}};
  at.node.created++;
  *created = record;
  return NVML_SUCCESS;
}

nvmlReturn_t DestroyComputeInstance(const GpuEdit& at, GpuInstance& instance,
                                    ComputeInstance& compute) {
  if (!MayConfigure(at.rights)) return NVML_ERROR_NO_PERMISSION;
  if (HasClients(at.node, at.index, instance, compute)) return NVML_ERROR_IN_USE;
  compute = {};
  at.node.destroyed++;
  return NVML_SUCCESS;
}

}  // namespace nvml_mig::simulator
