// The table that lib/simulator reaches a live node by, and the empty one for everybody else.
#include <cstring>

#include "abi/simulator_control.h"
#include "calls.h"

using namespace nvml_mig::simulator;

namespace {

nvmlReturn_t CheckNode(const Image& image, Reason* reason) {
  State state;
  image.Read(&state);
  if (!CheckState(image, state, reason)) return NVML_ERROR_UNKNOWN;
  if (image.IsSound()) return NVML_SUCCESS;
  reason->Say("The node's live part is damaged: its checksum does not fit.");
  return NVML_ERROR_UNKNOWN;
}

nvmlReturn_t OneGpu(Image& image, Reason* reason, unsigned gpu,
                    nvmlReturn_t (*rules)(const GpuEdit&, const unsigned*, Reason*),
                    const unsigned* arguments) {
  if (gpu >= image.gpu_count()) {
    reason->Say("The node has %u GPUs; there is no GPU %u.", image.gpu_count(), gpu);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return ChangeNode(image, reason, [&](State& state, Reason* why) {
    const GpuEdit at = {image.node(), image.boards()[gpu], state.node, state.gpus[gpu], gpu};
    return rules(at, arguments, why);
  });
}

nvmlReturn_t Run(Image& image, SimulatorCommand command, const unsigned* arguments,
                 Reason* reason) {
  switch (command) {
    case kSimulatorReset:
      return OneGpu(
          image, reason, arguments[0],
          [](const GpuEdit& at, const unsigned*, Reason* why) { return ResetGpu(at, why); },
          arguments);
    case kSimulatorStartClient:
      return OneGpu(
          image, reason, arguments[0],
          [](const GpuEdit& at, const unsigned* it, Reason* why) {
            return StartClient(at, {it[1], it[2], it[3], it[4]},
                               it[5] == kSimulatorNone ? kNoReading : it[5], why);
          },
          arguments);
    case kSimulatorStopClient:
      return OneGpu(
          image, reason, arguments[0],
          [](const GpuEdit& at, const unsigned* it, Reason* why) {
            return StopClient(at, {it[1], it[2], it[3], it[4]}, why);
          },
          arguments);
    case kSimulatorSetReading:
      return OneGpu(
          image, reason, arguments[0],
          [](const GpuEdit& at, const unsigned* it, Reason* why) {
            return SetReading(at, it[1], it[2] | std::uint64_t{it[3]} << 32, why);
          },
          arguments);
    case kSimulatorReboot:
      return ChangeNode(image, reason, [&](State& state, Reason*) {
        Reboot(image, state);
        return NVML_SUCCESS;
      });
    case kSimulatorReloadDriver:
      return ChangeNode(image, reason, [&](State& state, Reason* why) {
        return ReloadDriver(image, state, why);
      });
    case kSimulatorSetPrivileged:
      return ChangeNode(image, reason, [&](State& state, Reason*) {
        state.node.unprivileged = arguments[0] == 0;
        return NVML_SUCCESS;
      });
    case kSimulatorRetire:
      return CodeOf(image.Retire(), reason);
    case kSimulatorCheck:
      return CheckNode(image, reason);
  }
  reason->Say("There is no simulator command %u.", static_cast<unsigned>(command));
  return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t Command(SimulatorCommand command, const unsigned* arguments, char* text,
                     unsigned length) {
  const PreInitImage opened;
  Reason reason = opened.reason();
  nvmlReturn_t code = opened.code();
  if (opened.get() != nullptr) code = Run(*opened.get(), command, arguments, &reason);
  if (text != nullptr && length != 0) {
    std::snprintf(text, length, "%s", code == NVML_SUCCESS ? "" : reason.text);
  }
  return code;
}

constexpr SimulatorControl kControl = {sizeof(SimulatorControl), Command, CallsOf};
// What clients of the driver accept: a table that holds nothing but its own size.
constexpr unsigned long long kEmptyTable[1] = {sizeof(kEmptyTable)};

}  // namespace

nvmlReturn_t nvmlInternalGetExportTable(const void** table, const unsigned char* guid) {
  CountCall(Exported::nvmlInternalGetExportTable);
  if (table == nullptr || guid == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const bool ours = std::memcmp(guid, kSimulatorControlGuid, sizeof(kSimulatorControlGuid)) == 0;
  *table = ours ? static_cast<const void*>(&kControl) : kEmptyTable;
  return NVML_SUCCESS;
}
