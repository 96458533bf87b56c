#include "placement.h"

namespace nvml_mig::simulator {
namespace {

std::uint32_t UnitsOf(unsigned start, unsigned size) {
  return static_cast<std::uint32_t>(((std::uint64_t{1} << size) - 1) << start);
}

// Whether counts and exclusions, leaving units aside, let one more of the shape live.
bool IsAdmitted(const Partition& partition, unsigned shape) {
  if (partition.live[shape] >= partition.shapes[shape].limit) return false;
  for (unsigned other = 0; other < partition.count; other++) {
    const bool excluded = ((partition.shapes[shape].excludes >> other) & 1) != 0 ||
                          ((partition.shapes[other].excludes >> shape) & 1) != 0;
    if (excluded && partition.live[other] != 0) return false;
  }
  return true;
}

bool IsFree(const Partition& partition, unsigned start, unsigned size) {
  return (partition.occupied & UnitsOf(start, size)) == 0;
}

unsigned CreatablePairs(const Partition& partition) {
  unsigned pairs = 0;
  for (unsigned shape = 0; shape < partition.count; shape++) {
    if (!IsAdmitted(partition, shape)) continue;
    const Shape& it = partition.shapes[shape];
    for (unsigned i = 0; i < it.start_count; i++) pairs += IsFree(partition, it.starts[i], it.size);
  }
  return pairs;
}

}  // namespace

Partition PartitionOf(const GpuBoard& board, const GpuState& gpu) {
  Partition partition;
  partition.count = board.profileCount;
  for (unsigned i = 0; i < partition.count; i++) {
    const GpuInstanceProfile& profile = board.profiles[i];
    partition.shapes[i] = {profile.starts, profile.startCount, profile.placementSize,
                           profile.instanceCount, profile.excludes};
  }
  for (const GpuInstance& instance : gpu.gpuInstances) {
    if (instance.stamp == 0) continue;
    partition.occupied |= UnitsOf(instance.start, instance.size);
    partition.live[instance.profile]++;
  }
  return partition;
}

Partition PartitionOf(const GpuInstanceProfile& profile, const GpuInstance& instance) {
  Partition partition;
  partition.count = profile.computeProfileCount;
  for (unsigned i = 0; i < partition.count; i++) {
    const ComputeProfile& compute = profile.computeProfiles[i];
    partition.shapes[i] = {compute.starts, compute.startCount, compute.placementSize,
                           compute.instanceCount, 0};
  }
  for (const ComputeInstance& compute : instance.computeInstances) {
    if (compute.stamp == 0) continue;
    partition.occupied |= UnitsOf(compute.start, compute.size);
    partition.live[compute.profile]++;
  }
  return partition;
}

bool IsListed(const Shape& shape, Placement placement) {
  if (placement.size != shape.size) return false;
  for (unsigned i = 0; i < shape.start_count; i++) {
    if (shape.starts[i] == placement.start) return true;
  }
  return false;
}

bool IsCreatable(const Partition& partition, unsigned shape, unsigned start) {
  return IsAdmitted(partition, shape) && IsFree(partition, start, partition.shapes[shape].size);
}

void Occupy(Partition& partition, unsigned shape, unsigned start) {
  partition.occupied |= UnitsOf(start, partition.shapes[shape].size);
  partition.live[shape]++;
}

unsigned RemainingCapacity(const Partition& partition, unsigned shape) {
  const Shape& it = partition.shapes[shape];
  Partition filled = partition;
  for (unsigned i = 0; i < it.start_count; i++) {
    if (IsCreatable(filled, shape, it.starts[i])) Occupy(filled, shape, it.starts[i]);
  }
  return static_cast<unsigned>(filled.live[shape] - partition.live[shape]);
}

bool FirstFit(const Partition& partition, unsigned shape, unsigned* start) {
  const Shape& it = partition.shapes[shape];
  for (unsigned i = 0; i < it.start_count; i++) {
    if (!IsCreatable(partition, shape, it.starts[i])) continue;
    *start = it.starts[i];
    return true;
  }
  return false;
}

bool LeastLoss(const Partition& partition, unsigned shape, unsigned* start) {
  const Shape& it = partition.shapes[shape];
  bool found = false;
  unsigned most = 0;
  for (unsigned i = 0; i < it.start_count; i++) {
    if (!IsCreatable(partition, shape, it.starts[i])) continue;
    Partition after = partition;
    Occupy(after, shape, it.starts[i]);
    const unsigned pairs = CreatablePairs(after);
    if (found && pairs <= most) continue;
    found = true;
    most = pairs;
    *start = it.starts[i];
  }
  return found;
}

unsigned GpuInstanceIdAt(const GpuBoard& board, Placement placement) {
  const unsigned parts = board.memorySlices / placement.size;
  unsigned part = placement.start / placement.size;
  if (board.swappedNumbering != 0) part ^= parts / 2;
  return parts - 1 + part;
}

}  // namespace nvml_mig::simulator
