// What happens to GPUs from outside NVML: processes that use them, resets, reboots.
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
  if (at.driver.passthrough != 0) {
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
    if (image.node().passthrough != 0) {
      DropInstances(state.node, state.gpus[gpu]);
    } else {
      ResetState(state.node, state.gpus[gpu]);
    }
    ForgetMode(image.boards()[gpu], state.gpus[gpu]);
  }
  return NVML_SUCCESS;
}

nvmlReturn_t StartClient(const GpuEdit& at, unsigned gi, unsigned ci, unsigned pid,
                         Reason* reason) {
  if (pid == 0) {
    reason->Say("A client's pid must be at least 1.");
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (gi == kSimulatorNone && ci != kSimulatorNone) {
    reason->Say("A compute instance is named by its GPU instance's id and its own; the first is "
                "missing.");
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const GpuInstance* instance = nullptr;
  if (gi != kSimulatorNone) {
    instance = FindGpuInstance(at.gpu, gi);
    if (instance == nullptr) {
      reason->Say("GPU %u has no GPU instance %u.", at.index, gi);
      return NVML_ERROR_NOT_FOUND;
    }
  }
  if (ci != kSimulatorNone && FindComputeInstance(*instance, ci) == nullptr) {
    reason->Say("GPU instance %u of GPU %u has no compute instance %u.", gi, at.index, ci);
    return NVML_ERROR_NOT_FOUND;
  }
  const Client wanted = {pid, static_cast<std::uint8_t>(at.index), Recorded(gi), Recorded(ci), 0};
  Client* free = nullptr;
  for (Client& client : at.node.clients) {
    if (std::memcmp(&client, &wanted, sizeof(client)) == 0) return NVML_SUCCESS;
    if (client.pid == 0 && free == nullptr) free = &client;
  }
  if (free == nullptr) {
    reason->Say("A node keeps at most %u clients.", kMaxClients);
    return NVML_ERROR_INSUFFICIENT_RESOURCES;
  }
  *free = wanted;
  return NVML_SUCCESS;
}

nvmlReturn_t StopClient(const GpuEdit& at, unsigned gi, unsigned ci, unsigned pid, Reason* reason) {
  for (Client& client : at.node.clients) {
    if (pid == 0 || client.pid != pid || client.gpu != at.index || !IsRecordable(gi) ||
        !IsRecordable(ci) || client.gpuInstance != Recorded(gi) ||
        client.computeInstance != Recorded(ci)) {
      continue;
    }
    client = {};
    return NVML_SUCCESS;
  }
  reason->Say("Pid %u is no client at that place of GPU %u.", pid, at.index);
  return NVML_ERROR_NOT_FOUND;
}

}  // namespace nvml_mig::simulator
