// What happens to GPUs from outside NVML: processes that use them, resets, reboots.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "abi/simulator_control.h"
#include "machine.h"

namespace nvml_mig::simulator {
namespace {

// An id as a client's record keeps it.
std::uint8_t Recorded(unsigned id) {
  return id == kSimulatorNone ? kNone8 : static_cast<std::uint8_t>(id);
}

bool IsRecordable(unsigned id) { return id == kSimulatorNone || id < kNone8; }

// The instance a client is to run in, if any; NVML_ERROR_NOT_FOUND where there is none.
nvmlReturn_t FindPlace(const GpuEdit& at, const ClientPlace& place, const GpuInstance** instance,
                       Reason* reason) {
  *instance = nullptr;
  if (place.gpuInstance == kSimulatorNone && place.computeInstance != kSimulatorNone) {
    reason->Say("A compute instance is named by its GPU instance's id and its own; the first is "
                "missing.");
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (place.gpuInstance == kSimulatorNone) return NVML_SUCCESS;
  *instance = FindGpuInstance(at.gpu, place.gpuInstance);
  if (*instance == nullptr) {
    reason->Say("GPU %u has no GPU instance %u.", at.index, place.gpuInstance);
    return NVML_ERROR_NOT_FOUND;
  }
  if (place.computeInstance != kSimulatorNone &&
      FindComputeInstance(**instance, place.computeInstance) == nullptr) {
    reason->Say("GPU instance %u of GPU %u has no compute instance %u.", place.gpuInstance,
                at.index, place.computeInstance);
    return NVML_ERROR_NOT_FOUND;
  }
  return NVML_SUCCESS;
}

Client* FindClient(const GpuEdit& at, const ClientPlace& place) {
  if (!IsRecordable(place.gpuInstance) || !IsRecordable(place.computeInstance)) return nullptr;
  for (Client& client : at.node.clients) {
    if (client.pid != 0 && client.pid == place.pid && client.gpu == at.index &&
        client.gpuInstance == Recorded(place.gpuInstance) &&
        client.computeInstance == Recorded(place.computeInstance) && client.kind == place.kind) {
      return &client;
    }
  }
  return nullptr;
}

// Memory where a client is to run, without what that client has there already.
MemoryMiB FreeMemory(const GpuEdit& at, const GpuInstance* instance, const Client* client) {
  MemoryMiB memory = instance == nullptr ? GpuMemory(at.view()) : InstanceMemory(at.view(), *instance);
  if (client != nullptr) memory.used -= client->memoryMiB == kNoReading ? 0 : std::min(memory.used, client->memoryMiB);
  return memory;
}

// "GPU 1 is in use by pid 71, 80."
void SayHolders(const NodeState& node, unsigned gpu, Reason* reason) {
  char pids[160] = "";
  std::size_t used = 0;
  for (const Client& client : node.clients) {
    if (client.pid == 0 || client.gpu != gpu) continue;
    const int wrote = std::snprintf(pids + used, sizeof(pids) - used, "%s%u",
                                    used == 0 ? "" : ", ", client.pid);
    if (wrote < 0 || used + static_cast<std::size_t>(wrote) >= sizeof(pids)) break;
    used += static_cast<std::size_t>(wrote);
  }
  reason->Say("GPU %u is in use by pid %s: stop what runs there first.", gpu, pids);
}

// A reset takes the instances and completes a mode change. Where a change needs no reset, nothing
// is ever pending and the mode stays.
void ResetState(NodeState& node, GpuState& gpu) {
  DropInstances(node, gpu);
  gpu.migCurrent = gpu.migPending;
}

// GPUs whose mode needs a reset keep it on the board; the others forget it with the driver.
void ForgetMode(const GpuBoard& board, GpuState& gpu) {
  if (board.modeNeedsReset == 0) gpu.migCurrent = gpu.migPending = NVML_DEVICE_MIG_DISABLE;
}

}  // namespace

bool HasClients(const NodeState& node, unsigned gpu) {
  for (const Client& client : node.clients) {
    if (client.pid != 0 && client.gpu == gpu) return true;
  }
  return false;
}

bool HasClients(const NodeState& node, unsigned gpu, const GpuInstance& instance) {
  for (const Client& client : node.clients) {
    if (client.pid != 0 && client.gpu == gpu && client.gpuInstance == instance.id) return true;
  }
  return false;
}

bool HasClients(const NodeState& node, unsigned gpu, const GpuInstance& instance,
                const ComputeInstance& compute) {
  for (const Client& client : node.clients) {
    if (client.pid != 0 && client.gpu == gpu && client.gpuInstance == instance.id &&
        client.computeInstance == compute.id) {
      return true;
    }
  }
  return false;
}

nvmlReturn_t ResetGpu(const GpuEdit& at, Reason* reason) {
  if (HasClients(at.node, at.index)) {
    SayHolders(at.node, at.index, reason);
    return NVML_ERROR_IN_USE;
  }
  if (at.driver.platform == kPassthrough) {
    reason->Say("GPU %u is passed through to this machine, which cannot reset it: reboot instead.",
                at.index);
    return NVML_ERROR_NOT_SUPPORTED;
  }
  ResetState(at.node, at.gpu);
  return NVML_SUCCESS;
}

void Reboot(const Image& image, State& state) {
  std::memset(state.node.clients, 0, sizeof(state.node.clients));
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    ResetState(state.node, state.gpus[gpu]);
    ForgetMode(image.boards()[gpu], state.gpus[gpu]);
  }
}

// That loading the driver again resets the GPU, and so completes a pending change, is derived: the
// modules initialise the board from nothing. A machine that cannot reset a passed-through GPU cannot
// do so that way either.
nvmlReturn_t ReloadDriver(const Image& image, State& state, Reason* reason) {
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    if (!HasClients(state.node, gpu)) continue;
    SayHolders(state.node, gpu, reason);
    return NVML_ERROR_IN_USE;
  }
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    if (image.node().platform == kPassthrough) {
      DropInstances(state.node, state.gpus[gpu]);
    } else {
      ResetState(state.node, state.gpus[gpu]);
    }
    ForgetMode(image.boards()[gpu], state.gpus[gpu]);
  }
  return NVML_SUCCESS;
}

nvmlReturn_t StartClient(const GpuEdit& at, const ClientPlace& place, std::uint64_t memoryMiB,
                         Reason* reason) {
  if (place.pid == 0) {
    reason->Say("A client's pid must be at least 1.");
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (place.kind >= kClientKinds) {
    reason->Say("A client's kind is below %u, not %u.", kClientKinds, place.kind);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const GpuInstance* instance;
  const nvmlReturn_t code = FindPlace(at, place, &instance, reason);
  if (code != NVML_SUCCESS) return code;
  Client* record = FindClient(at, place);
  const MemoryMiB free = FreeMemory(at, instance, record);
  if (memoryMiB != kNoReading && memoryMiB > free.total - free.used) {
    reason->Say("Pid %u wants %llu MiB; %llu MiB are free there.", place.pid,
                static_cast<unsigned long long>(memoryMiB),
                static_cast<unsigned long long>(free.total - free.used));
    return NVML_ERROR_INSUFFICIENT_RESOURCES;
  }
  for (Client& client : at.node.clients) {
    if (record == nullptr && client.pid == 0) record = &client;
  }
  if (record == nullptr) {
    reason->Say("A node keeps at most %u clients.", kMaxClients);
    return NVML_ERROR_INSUFFICIENT_RESOURCES;
  }
  *record = {place.pid,
             static_cast<std::uint8_t>(at.index),
             Recorded(place.gpuInstance),
             Recorded(place.computeInstance),
             static_cast<std::uint8_t>(place.kind),
             memoryMiB,
             0,
             {}};
  return NVML_SUCCESS;
}

nvmlReturn_t StopClient(const GpuEdit& at, const ClientPlace& place, Reason* reason) {
  if (Client* const client = FindClient(at, place); client != nullptr) {
    *client = {};
    return NVML_SUCCESS;
  }
  reason->Say("Pid %u is no client at that place of GPU %u.", place.pid, at.index);
  return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t SetReading(const GpuEdit& at, unsigned number, std::uint64_t value, Reason* reason) {
  if (number >= sizeof(Readings) / sizeof(value)) {
    reason->Say("A GPU has no reading %u.", number);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  std::memcpy(reinterpret_cast<char*>(&at.gpu.readings) + number * sizeof(value), &value,
              sizeof(value));
  return NVML_SUCCESS;
}

}  // namespace nvml_mig::simulator
