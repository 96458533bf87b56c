#include "seen_devices.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>

namespace nvml_mig::simulator {
namespace {

// At most as many MIG devices as any board has.
constexpr unsigned kIndices = 8;

struct SeenOnGpu {
  std::uint64_t change;           // newest state looked at
  GpuInstance devices[kIndices];  // by index; stamp 0: none
};

pthread_mutex_t memory = PTHREAD_MUTEX_INITIALIZER;
SeenOnGpu gpus[kMaxGpus];

class Locked {
 public:
  Locked() { pthread_mutex_lock(&memory); }
  ~Locked() { pthread_mutex_unlock(&memory); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
};

const ComputeInstance& ComputeOf(const GpuInstance& seen) { return seen.computeInstances[0]; }

bool Lives(const GpuState& gpu, const GpuInstance& seen) {
  const GpuInstance* const instance = FindGpuInstance(gpu, seen.id);
  if (instance == nullptr) return false;
  const ComputeInstance* const compute = FindComputeInstance(*instance, ComputeOf(seen).id);
  return compute != nullptr && compute->stamp == ComputeOf(seen).stamp;
}

GpuInstance Alone(const MigDevice& device) {
  const GpuInstance& it = *device.instance;
  return {it.stamp, it.id, it.profile, it.start, it.size, {*device.compute}};
}

// Where a device goes that has `index` for everybody else; nullptr when live ones have every place.
GpuInstance* PlaceFor(SeenOnGpu& seen, const GpuView& at, const GpuInstance& device,
                      unsigned index) {
  GpuInstance* const end = seen.devices + std::min(at.board.maxMigDevices, kIndices);
  const auto first = [&](auto matches) {
    GpuInstance* const found = std::find_if(seen.devices, end, matches);
    return found == end ? nullptr : found;
  };
  GpuInstance* place = first([&](const GpuInstance& it) {
    return it.stamp != 0 && it.id == device.id && ComputeOf(it).id == ComputeOf(device).id;
  });
  if (place != nullptr) return place;
  if (seen.devices + index < end && seen.devices[index].stamp == 0) return seen.devices + index;
  place = first([](const GpuInstance& it) { return it.stamp == 0; });
  if (place != nullptr) return place;
  return first([&](const GpuInstance& it) { return !Lives(at.gpu, it); });
}

}  // namespace

void GuardSeenDevicesForForks() {
  const auto unlock = [] { pthread_mutex_unlock(&memory); };
  pthread_atfork([] { pthread_mutex_lock(&memory); }, unlock, unlock);
}

void ForgetSeenDevices() {
  const Locked locked;
  std::fill(std::begin(gpus), std::end(gpus), SeenOnGpu{});
}

void SeeMigDevices(const GpuView& at, std::uint64_t change) {
  const Locked locked;
  SeenOnGpu& seen = gpus[at.index];
  if (change < seen.change) return;
  if (at.gpu.migCurrent == NVML_DEVICE_MIG_DISABLE) {
    seen = {};
    seen.change = change;
    return;
  }
  seen.change = change;
  for (unsigned index = 0; index < kIndices; index++) {
    MigDevice device;
    if (MigDeviceAt(at, index, &device) != NVML_SUCCESS) continue;
    const GpuInstance alone = Alone(device);
    if (GpuInstance* const place = PlaceFor(seen, at, alone, index); place != nullptr) {
      *place = alone;
    }
  }
}

bool SeenMigDeviceAt(unsigned gpu, unsigned index, GpuInstance* seen) {
  const Locked locked;
  if (index >= kIndices || gpus[gpu].devices[index].stamp == 0) return false;
  *seen = gpus[gpu].devices[index];
  return true;
}

bool FindSeenMigDevice(const Handle& handle, GpuInstance* seen, unsigned* index) {
  const Locked locked;
  for (*index = 0; *index < kIndices; ++*index) {
    const GpuInstance& it = gpus[handle.gpu].devices[*index];
    if (it.stamp != 0 && it.id == handle.gpuInstance &&
        ComputeOf(it).id == handle.computeInstance && ComputeOf(it).stamp == handle.stamp) {
      *seen = it;
      return true;
    }
  }
  return false;
}

}  // namespace nvml_mig::simulator
