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

// One command, as the functions below take it.
struct Order {
  Image& image;
  const unsigned* arguments;
  const char* name;
  Reason* reason;  // what it says, whether it succeeds or not

  std::uint64_t wide(unsigned at) const {
    return arguments[at] | std::uint64_t{arguments[at + 1]} << 32;
  }
};

// rules(const GpuEdit&, Outbox&, Reason*) on the GPU that the first argument names. Root does it.
template <class Rules>
nvmlReturn_t OnGpu(const Order& order, Rules rules) {
  Image& image = order.image;
  const unsigned gpu = order.arguments[0];
  if (gpu >= image.gpu_count()) {
    order.reason->Say("The node has %u GPUs; there is no GPU %u.", image.gpu_count(), gpu);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return ChangeNode(image, order.reason, [&](State& state, Outbox& outbox, Reason* why) {
    const GpuEdit at = {image.node(),    image.boards()[gpu], state.node,
                        state.gpus[gpu], gpu,                 kRootRight};
    return rules(at, outbox, why);
  });
}

// rules(State&, Reason*), after which the driver is loaded that is installed: one of another release,
// where an upgrade left its image.
template <class Rules>
nvmlReturn_t LoadDriver(const Order& order, Rules rules) {
  Image installed;
  const OpenStatus found = installed.OpenSuccessorOf(order.image, order.reason);
  const bool another = found != OpenStatus::kMissing;
  if (another && found != OpenStatus::kOpened) return CodeOf(found);
  const nvmlReturn_t code = ChangeNode(
      order.image, order.reason,
      [&](State& state, Outbox&, Reason* why) { return rules(state, why); },
      another ? &installed : nullptr);
  installed.Close();
  return code;
}

nvmlReturn_t SetRights(const Order& order) {
  const unsigned rights = order.arguments[0];
  if (rights > (kRootRight | kConfigRight | kMonitorRight)) {
    order.reason->Say("There are no rights %u.", rights);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return ChangeNode(order.image, order.reason, [&](State& state, Outbox&, Reason*) {
    state.node.rights = rights;
    return NVML_SUCCESS;
  });
}

nvmlReturn_t Run(SimulatorCommand command, const Order& order) {
  Image& image = order.image;
  const unsigned* const it = order.arguments;
  switch (command) {
    case kSimulatorReset:
      return OnGpu(order, [](const GpuEdit& at, Outbox&, Reason* why) { return ResetGpu(at, why); });
    case kSimulatorStartClient:
      return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
        return StartClient(at, {it[1], it[2], it[3], it[4]},
                           it[5] == kSimulatorNone ? kNoReading : it[5], why);
      });
    case kSimulatorStopClient:
      return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
        return StopClient(at, {it[1], it[2], it[3], it[4]}, why);
      });
    case kSimulatorSetReading:
      return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
        return SetReading(at, it[1], order.wide(2), why);
      });
    case kSimulatorReboot:
      return LoadDriver(order, [&](State& state, Reason*) {
        Reboot(image, state);
        return NVML_SUCCESS;
      });
    case kSimulatorReloadDriver:
      return LoadDriver(order, [&](State& state, Reason* why) {
        return ReloadDriver(image, state, why);
      });
    case kSimulatorSetRights:
      return SetRights(order);
    case kSimulatorRetire:
      return CodeOf(image.Retire(), order.reason);
    case kSimulatorCheck:
      return CheckNode(image, order.reason);
    case kSimulatorDescribe:
      order.reason->Say("%s", image.node().driverVersion);
      return NVML_SUCCESS;
    default:
      break;
  }
  order.reason->Say("There is no simulator command %u.", static_cast<unsigned>(command));
  return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t Command(SimulatorCommand command, const unsigned* arguments, const char* name,
                     char* text, unsigned length) {
  const PreInitImage opened;
  Reason reason = opened.reason();
  nvmlReturn_t code = opened.code();
  if (opened.get() != nullptr) code = Run(command, {*opened.get(), arguments, name, &reason});
  if (text != nullptr && length != 0) std::snprintf(text, length, "%s", reason.text);
  return code;
}

constexpr SimulatorControl kControl = {sizeof(SimulatorControl), Command, CallsOf};
// What clients of the driver accept: a table that holds nothing but its own size.
constexpr unsigned long long kEmptyTable[1] = {sizeof(kEmptyTable)};

}  // namespace

nvmlReturn_t played::nvmlInternalGetExportTable(const void** table, const unsigned char* guid) {
  if (table == nullptr || guid == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const bool ours = std::memcmp(guid, kSimulatorControlGuid, sizeof(kSimulatorControlGuid)) == 0;
  *table = ours ? static_cast<const void*>(&kControl) : kEmptyTable;
  return NVML_SUCCESS;
}
