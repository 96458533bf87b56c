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

// A machine that has a GPU passed through, or a part of one, cannot reset it.
bool CanReset(const Node& driver) { return driver.platform == kBareMetal; }

// A reset takes the instances and brings about what waits for it: a MIG mode, an ECC mode, and a GPU that
// wants nothing else. Where a change of MIG mode needs no reset, nothing is ever pending and the mode
// stays.
void ResetState(NodeState& node, GpuState& gpu) {
  DropInstances(node, gpu);
  gpu.migCurrent = gpu.migPending;
  if (gpu.readings.eccEnabled != kNoReading && gpu.readings.eccPendingEnabled != kNoReading) {
    gpu.readings.eccEnabled = gpu.readings.eccPendingEnabled;
  }
  if (gpu.health == NVML_ERROR_RESET_REQUIRED) gpu.health = 0;
}

// What is gone with the loaded driver. GPUs whose MIG mode needs a reset keep it on the board; in a guest
// the mode and the instances are the host's.
void ForgetModes(const Node& driver, const GpuBoard& board, GpuState& gpu) {
  if (board.modeNeedsReset == 0 && driver.platform != kVgpuGuest) {
    gpu.migCurrent = gpu.migPending = NVML_DEVICE_MIG_DISABLE;
  }
  if (gpu.readings.persistenceMode != kNoReading) {
    gpu.readings.persistenceMode = NVML_FEATURE_DISABLED;
  }
}

const Client* FindProcess(const NodeState& node, unsigned pid) {
  for (const Client& client : node.clients) {
    if (client.pid == pid) return &client;
  }
  return nullptr;
}

// `known`: the same process elsewhere, or here before; it keeps its name until it is given another.
void NameClient(Client& client, const ClientProcess& process, const Client* known) {
  if (process.name[0] != '\0') {
    std::memcpy(client.name, process.name, sizeof(client.name));
  } else if (known != nullptr) {
    std::memcpy(client.name, known->name, sizeof(client.name));
  } else {
    std::snprintf(client.name, sizeof(client.name), "client-%u", client.pid);
  }
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
  if (at.gpu.health == NVML_ERROR_GPU_IS_LOST) {
    reason->Say("GPU %u is lost: no reset reaches it any more, so reboot instead.", at.index);
    return NVML_ERROR_GPU_IS_LOST;
  }
  if (HasClients(at.node, at.index)) {
    SayHolders(at.node, at.index, reason);
    return NVML_ERROR_IN_USE;
  }
  if (!CanReset(at.driver)) {
    reason->Say(at.driver.platform == kVgpuGuest
                    ? "GPU %u is a part that this machine's host gave it, and only the host resets it."
                    : "GPU %u is passed through to this machine, which cannot reset it: reboot instead.",
                at.index);
    return NVML_ERROR_NOT_SUPPORTED;
  }
  ResetState(at.node, at.gpu);
  return NVML_SUCCESS;
}

// That a reboot brings a lost GPU back is derived: whether one that fell off the bus returns depends on
// why it did.
void Reboot(const Image& image, State& state) {
  std::memset(state.node.clients, 0, sizeof(state.node.clients));
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    if (image.node().platform != kVgpuGuest) ResetState(state.node, state.gpus[gpu]);
    ForgetModes(image.node(), image.boards()[gpu], state.gpus[gpu]);
    state.gpus[gpu].health = 0;
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
    if (CanReset(image.node())) {
      ResetState(state.node, state.gpus[gpu]);
    } else if (image.node().platform == kPassthrough) {
      DropInstances(state.node, state.gpus[gpu]);
    }
    ForgetModes(image.node(), image.boards()[gpu], state.gpus[gpu]);
  }
  return NVML_SUCCESS;
}

nvmlReturn_t StartClient(const GpuEdit& at, const ClientPlace& place, const ClientProcess& process,
                         std::uint64_t memoryMiB, Reason* reason) {
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
  const Client* const known = FindProcess(at.node, place.pid);
  Client client = {place.pid,
                   static_cast<std::uint8_t>(at.index),
                   Recorded(place.gpuInstance),
                   Recorded(place.computeInstance),
                   static_cast<std::uint8_t>(place.kind),
                   memoryMiB,
                   process.startTime,
                   {}};
  NameClient(client, process, known);
  *record = client;
  for (Client& other : at.node.clients) {
    if (other.pid != place.pid) continue;
    other.startTime = client.startTime;
    std::memcpy(other.name, client.name, sizeof(other.name));
  }
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

nvmlReturn_t SetHealth(const GpuEdit& at, unsigned code, unsigned standing, Reason* reason) {
  if (code != 0 && code != NVML_ERROR_GPU_IS_LOST && code != NVML_ERROR_RESET_REQUIRED) {
    reason->Say("A GPU is well (0), lost (%d) or wants a reset (%d), not %u.",
                NVML_ERROR_GPU_IS_LOST, NVML_ERROR_RESET_REQUIRED, code);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (standing != kSimulatorNone && at.gpu.health != standing) {
    reason->Say("GPU %u has health %u, not %u.", at.index, at.gpu.health, standing);
    return NVML_ERROR_NOT_FOUND;
  }
  at.gpu.health = code;
  return NVML_SUCCESS;
}

}  // namespace nvml_mig::simulator
