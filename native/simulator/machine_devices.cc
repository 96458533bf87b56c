// MIG devices, and what a device of either kind shows of its memory.
#include "machine.h"

namespace nvml_mig::simulator {
namespace {

bool ComesBefore(const MigDevice& a, const MigDevice& b) {
  return a.instance->id != b.instance->id ? a.instance->id < b.instance->id
                                          : a.compute->id < b.compute->id;
}

template <class Visit>
void EachMigDevice(const GpuState& gpu, Visit visit) {
  for (const GpuInstance& instance : gpu.gpuInstances) {
    if (instance.stamp == 0) continue;
    for (const ComputeInstance& compute : instance.computeInstances) {
      if (compute.stamp != 0) visit(MigDevice{&instance, &compute});
    }
  }
}

bool LacksRight(const GpuView& at) {
  return at.node.unprivileged != 0 && at.gpu.migCurrent == NVML_DEVICE_MIG_ENABLE;
}

}  // namespace

unsigned MaxMigDevices(const GpuView& at) {
  return at.gpu.migCurrent == NVML_DEVICE_MIG_ENABLE ? at.board.maxMigDevices : 0;
}

// An index is a rank, so the devices of one GPU instance are neighbours and there are no holes:
// clients stop at the first.
unsigned MigDeviceIndex(const GpuState& gpu, const MigDevice& device) {
  unsigned rank = 0;
  EachMigDevice(gpu, [&](const MigDevice& other) { rank += ComesBefore(other, device); });
  return rank;
}

nvmlReturn_t MigDeviceAt(const GpuView& at, unsigned index, MigDevice* device) {
  if (at.board.profileCount == 0) return NVML_ERROR_NOT_SUPPORTED;
  bool found = false;
  EachMigDevice(at.gpu, [&](const MigDevice& it) {
    if (MigDeviceIndex(at.gpu, it) != index) return;
    *device = it;
    found = true;
  });
  return found ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

const std::uint8_t* MigDeviceUuid(const GpuBoard& board, const MigDevice& device) {
  return board.migUuids +
         16 * (device.instance->id * kMaxComputeInstances + device.compute->start);
}

// A partitioned GPU shows what its instances use together.
nvmlReturn_t GpuMemory(const GpuView& at, MemoryMiB* memory) {
  if (LacksRight(at)) return NVML_ERROR_NO_PERMISSION;
  std::uint64_t used = 0;
  for (const GpuInstance& instance : at.gpu.gpuInstances) {
    if (instance.stamp != 0) used += ProfileOf(at.board, instance).idleMemoryMiB;
  }
  *memory = {at.board.memoryTotalMiB, used != 0 ? used : at.board.idleMemoryMiB};
  return NVML_SUCCESS;
}

nvmlReturn_t GpuBar1(const GpuView& at, MemoryMiB* memory) {
  if (LacksRight(at)) return NVML_ERROR_NO_PERMISSION;
  *memory = {at.board.bar1TotalMiB, 0};
  return NVML_SUCCESS;
}

MemoryMiB InstanceMemory(const GpuBoard& board, const GpuInstance& instance) {
  const GpuInstanceProfile& profile = ProfileOf(board, instance);
  return {profile.memorySizeMiB, profile.idleMemoryMiB};
}

// Recorded up to R570: the instance's share of the board's, less 1 MiB.
MemoryMiB InstanceBar1(const GpuBoard& board, const GpuInstance& instance) {
  const std::uint64_t share = board.bar1TotalMiB * instance.size / board.memorySlices;
  return {share == 0 ? 0 : share - 1, 0};
}

}  // namespace nvml_mig::simulator
