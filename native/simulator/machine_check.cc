// What holds in every state, whatever led to it. A change whose outcome fails here is not published.
#include <algorithm>
#include <bitset>
#include <cstring>

#include "machine.h"

namespace nvml_mig::simulator {
namespace {

template <class Record>
bool IsBlank(const Record& record) {
  const Record blank = {};
  return std::memcmp(&record, &blank, sizeof(record)) == 0;
}

// What lies on a partition is checked by putting it there again, one instance after the other.
bool Place(Partition& partition, unsigned shape, Placement placement) {
  if (shape >= partition.count || !IsListed(partition.shapes[shape], placement) ||
      !IsCreatable(partition, shape, placement.start)) {
    return false;
  }
  Occupy(partition, shape, placement.start);
  return true;
}

// Those of a GPU's compute instances.
using Orders = std::bitset<kMaxGpuInstances * kMaxComputeInstances>;

bool CheckComputeInstances(const GpuBoard& board, unsigned gpu, const GpuInstance& instance,
                           Orders* orders, Reason* reason) {
  Partition slots = PartitionOf(ProfileOf(board, instance), GpuInstance{});
  std::bitset<kMaxComputeInstances> ids;
  for (const ComputeInstance& compute : instance.computeInstances) {
    if (compute.stamp == 0) {
      if (IsBlank(compute)) continue;
      reason->Say("GPU %u, GPU instance %u: a free compute instance record is not empty.", gpu,
                  instance.id);
      return false;
    }
    if (compute.id >= kMaxComputeInstances || ids[compute.id] ||
        !Place(slots, compute.profile, {compute.start, compute.size})) {
      reason->Say("GPU %u, GPU instance %u: compute instance %u cannot be where it is.", gpu,
                  instance.id, compute.id);
      return false;
    }
    ids[compute.id] = true;
    if (compute.order >= orders->size() || (*orders)[compute.order]) {
      reason->Say("GPU %u, GPU instance %u: compute instance %u has order %u, which is taken or too "
                  "high.", gpu, instance.id, compute.id, compute.order);
      return false;
    }
    (*orders)[compute.order] = true;
  }
  return true;
}

bool CheckGpu(const GpuBoard& board, const GpuState& gpu, unsigned index, Reason* reason) {
  if (gpu.migCurrent > 1 || gpu.migPending > 1 ||
      (board.modeNeedsReset == 0 && gpu.migCurrent != gpu.migPending)) {
    reason->Say("GPU %u: MIG mode %u with %u pending is not possible.", index, gpu.migCurrent,
                gpu.migPending);
    return false;
  }
  if (gpu.health != 0 && gpu.health != NVML_ERROR_GPU_IS_LOST &&
      gpu.health != NVML_ERROR_RESET_REQUIRED) {
    reason->Say("GPU %u: there is no health %u.", index, gpu.health);
    return false;
  }
  Partition slices = PartitionOf(board, GpuState{});
  Orders orders;
  for (const GpuInstance& instance : gpu.gpuInstances) {
    if (instance.stamp == 0) {
      if (IsBlank(instance)) continue;
      reason->Say("GPU %u: a free GPU instance record is not empty.", index);
      return false;
    }
    if (gpu.migCurrent == NVML_DEVICE_MIG_DISABLE) {
      reason->Say("GPU %u: GPU instance %u lives although MIG is off.", index, instance.id);
      return false;
    }
    if (!Place(slices, instance.profile, {instance.start, instance.size}) ||
        instance.id != GpuInstanceIdAt(board, {instance.start, instance.size})) {
      reason->Say("GPU %u: GPU instance %u cannot be where it is.", index, instance.id);
      return false;
    }
    if (!CheckComputeInstances(board, index, instance, &orders, reason)) return false;
  }
  return true;
}

bool CheckClients(unsigned gpus, const State& state, Reason* reason) {
  for (const Client& client : state.node.clients) {
    if (client.pid == 0 && IsBlank(client)) continue;
    bool exists = client.pid != 0 && client.gpu < gpus && client.kind < kClientKinds;
    if (exists && client.gpuInstance != kNone8) {
      const GpuInstance* instance = FindGpuInstance(state.gpus[client.gpu], client.gpuInstance);
      exists = instance != nullptr && (client.computeInstance == kNone8 ||
                                       FindComputeInstance(*instance, client.computeInstance));
    } else if (client.computeInstance != kNone8) {
      exists = false;
    }
    if (!exists) {
      reason->Say("Pid %u is a client of something that does not exist.", client.pid);
      return false;
    }
  }
  return true;
}

// A process runs in many places and is one: its name has an end, and is the same everywhere.
bool CheckProcesses(const State& state, Reason* reason) {
  for (const Client& client : state.node.clients) {
    if (client.pid == 0) continue;
    if (client.name[0] == '\0' || std::memchr(client.name, 0, sizeof(client.name)) == nullptr) {
      reason->Say("Pid %u has no name, or one without an end.", client.pid);
      return false;
    }
    for (const Client& other : state.node.clients) {
      if (other.pid != client.pid || (other.startTime == client.startTime &&
                                      std::strcmp(other.name, client.name) == 0)) {
        continue;
      }
      reason->Say("Pid %u is two processes.", client.pid);
      return false;
    }
  }
  return true;
}

// The stamp of every live instance; returns how many there are.
unsigned CollectStamps(unsigned gpus, const State& state, std::uint32_t* stamps) {
  unsigned count = 0;
  for (unsigned gpu = 0; gpu < gpus; gpu++) {
    for (const GpuInstance& instance : state.gpus[gpu].gpuInstances) {
      if (instance.stamp == 0) continue;
      stamps[count++] = instance.stamp;
      for (const ComputeInstance& compute : instance.computeInstances) {
        if (compute.stamp != 0) stamps[count++] = compute.stamp;
      }
    }
  }
  return count;
}

bool CheckStamps(unsigned gpus, const State& state, Reason* reason) {
  std::uint32_t stamps[kMaxGpus * kMaxGpuInstances * (1 + kMaxComputeInstances)];
  const unsigned count = CollectStamps(gpus, state, stamps);
  std::sort(stamps, stamps + count);
  if (const std::uint32_t* twice = std::adjacent_find(stamps, stamps + count);
      twice != stamps + count) {
    reason->Say("Two instances have the stamp %u.", *twice);
    return false;
  }
  if (state.node.created - state.node.destroyed == count) return true;
  reason->Say("%u instances live, but %llu were created and %llu destroyed.", count,
              static_cast<unsigned long long>(state.node.created),
              static_cast<unsigned long long>(state.node.destroyed));
  return false;
}

}  // namespace

bool CheckState(const Image& image, const State& state, Reason* reason) {
  const unsigned gpus = image.gpu_count();
  if (state.node.rights > (kRootRight | kConfigRight | kMonitorRight)) {
    reason->Say("There are no rights %u.", state.node.rights);
    return false;
  }
  for (unsigned gpu = 0; gpu < gpus; gpu++) {
    if (!CheckGpu(image.boards()[gpu], state.gpus[gpu], gpu, reason)) return false;
  }
  return CheckClients(gpus, state, reason) && CheckProcesses(state, reason) &&
         CheckStamps(gpus, state, reason);
}

}  // namespace nvml_mig::simulator
