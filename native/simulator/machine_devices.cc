// MIG devices, and what a device of either kind shows of its memory.
#include <algorithm>

#include "dialect.h"
#include "machine.h"

namespace nvml_mig::simulator {
namespace {

bool ComesBefore(const MigDevice& a, const MigDevice& b) {
  return a.instance->id != b.instance->id ? a.instance->id < b.instance->id
                                          : a.compute->id < b.compute->id;
}

// Those that who looks may see.
template <class Visit>
void EachMigDevice(const GpuView& at, Visit visit) {
  for (const GpuInstance& instance : at.gpu.gpuInstances) {
    if (instance.stamp == 0) continue;
    for (const ComputeInstance& compute : instance.computeInstances) {
      const MigDevice device = {&instance, &compute};
      if (compute.stamp != 0 && IsVisible(at, device)) visit(device);
    }
  }
}

std::uint64_t Known(std::uint64_t reading) { return reading == kNoReading ? 0 : reading; }

// Since R510, which has nvmlMemory_v2_t, what the driver keeps counts as used; before, as not there.
bool TellsReserved(const Node& driver) { return driver.driverBranch >= 510; }

// What the clients on a GPU, or in one of its instances, have taken together.
std::uint64_t TakenMiB(const GpuView& at, const GpuInstance* instance) {
  std::uint64_t taken = 0;
  for (const Client& client : at.node.clients) {
    if (client.pid != 0 && client.gpu == at.index &&
        (instance == nullptr || client.gpuInstance == instance->id)) {
      taken += Known(client.memoryMiB);
    }
  }
  return taken;
}

// Readings are as somebody set them: more than there is, is all of it.
MemoryMiB Within(std::uint64_t total, std::uint64_t reserved, std::uint64_t used) {
  reserved = std::min(reserved, total);
  return {total, reserved + std::min(used, total - reserved), reserved};
}

}  // namespace

bool IsVisible(const GpuView& at, const MigDevice& device) {
  return at.visible == nullptr || (at.visible[device.instance->id] >> device.compute->id & 1) != 0;
}

unsigned MaxMigDevices(const GpuView& at) {
  return at.gpu.migCurrent == NVML_DEVICE_MIG_ENABLE ? at.board.maxMigDevices : 0;
}

// An index is a rank, so the devices of one GPU instance are neighbours and there are no holes:
// clients stop at the first. Where indices have holes, a device keeps the lowest one that was free
// when it was created.
unsigned MigDeviceIndex(const GpuView& at, const MigDevice& device) {
  if (Speaks(at.driver, kMigIndexHoles)) return device.compute->order;
  unsigned rank = 0;
  EachMigDevice(at, [&](const MigDevice& other) { rank += ComesBefore(other, device); });
  return rank;
}

nvmlReturn_t MigDeviceAt(const GpuView& at, unsigned index, MigDevice* device) {
  if (at.board.profileCount == 0) return NVML_ERROR_NOT_SUPPORTED;
  bool found = false;
  EachMigDevice(at, [&](const MigDevice& it) {
    if (MigDeviceIndex(at, it) != index) return;
    *device = it;
    found = true;
  });
  return found ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

const std::uint8_t* MigDeviceUuid(const GpuBoard& board, const MigDevice& device) {
  return board.migUuids +
         16 * (device.instance->id * kMaxComputeInstances + device.compute->start);
}

bool MayReadWhole(const GpuView& at) {
  return (at.rights & (kRootRight | kMonitorRight)) != 0 || at.gpu.migCurrent != NVML_DEVICE_MIG_ENABLE;
}

// A partitioned GPU shows what its instances use together.
MemoryMiB GpuMemory(const GpuView& at) {
  const Readings& readings = at.gpu.readings;
  std::uint64_t idle = 0;
  for (const GpuInstance& instance : at.gpu.gpuInstances) {
    if (instance.stamp != 0) idle += ProfileOf(at.board, instance).idleMemoryMiB;
  }
  if (idle == 0) idle = Known(readings.idleMemoryMiB);
  const std::uint64_t taken = TakenMiB(at, nullptr);
  const std::uint64_t reserved = TellsReserved(at.driver) ? Known(readings.memoryReservedMiB) : 0;
  return Within(at.board.memoryTotalMiB, reserved,
                idle > ~taken ? ~0ull : idle + taken);
}

MemoryMiB GpuBar1(const GpuView& at) { return {at.board.bar1TotalMiB, 0, 0}; }

MemoryMiB InstanceMemory(const GpuView& at, const GpuInstance& instance) {
  const GpuInstanceProfile& profile = ProfileOf(at.board, instance);
  return Within(profile.memorySizeMiB, 0, profile.idleMemoryMiB + TakenMiB(at, &instance));
}

// Recorded up to R570: the instance's share of the board's, less 1 MiB.
MemoryMiB InstanceBar1(const GpuView& at, const GpuInstance& instance) {
  const std::uint64_t share = at.board.bar1TotalMiB * instance.size / at.board.memorySlices;
  return {share == 0 ? 0 : share - 1, 0, 0};
}

}  // namespace nvml_mig::simulator
