// The table that lib/simulator reaches a live node by, and the empty one for everybody else.
#include <bit>
#include <cstring>

#include "abi/simulator_control.h"
#include "call_counts.h"
#include "calls.h"
#include "fault_records.h"
#include "faults.h"
#include "gpm.h"

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

// Whether there is the GPU that the first argument names.
bool NamesGpu(const Order& order) {
  const unsigned gpus = order.image.gpu_count();
  if (order.arguments[0] < gpus) return true;
  order.reason->Say("The node has %u GPUs; there is no GPU %u.", gpus, order.arguments[0]);
  return false;
}

// rules(const GpuEdit&, Outbox&, Reason*) on the GPU that the first argument names. Root does it.
template <class Rules>
nvmlReturn_t OnGpu(const Order& order, Rules rules) {
  if (!NamesGpu(order)) return NVML_ERROR_INVALID_ARGUMENT;
  Image& image = order.image;
  const unsigned gpu = order.arguments[0];
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
      [&](State& state, Outbox&, Reason* why) {
        const nvmlReturn_t outcome = rules(state, why);
        if (outcome != NVML_SUCCESS || !another) return outcome;
        return TranslateInstances(order.image, installed, state, why);
      },
      another ? &installed : nullptr);
  installed.Close();
  return code;
}

// A restart also makes /dev anew, where until then the nodes of ended instances stayed.
nvmlReturn_t RebootNode(const Order& order) {
  nvmlReturn_t code = LoadDriver(order, [&](State& state, Reason*) {
    Reboot(order.image, state);
    return NVML_SUCCESS;
  });
  if (code != NVML_SUCCESS) return code;
  Image loaded;
  code = CodeOf(loaded.Open(order.image.path(), order.reason));
  if (code == NVML_SUCCESS) code = CodeOf(RemoveStaleNodes(loaded), order.reason);
  loaded.Close();
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

nvmlReturn_t ReportHealth(const Order& order) {
  if (!NamesGpu(order)) return NVML_ERROR_INVALID_ARGUMENT;
  NodeState node;
  GpuState gpu;
  order.image.ReadGpu(order.arguments[0], &node, &gpu);
  order.reason->Say("%u", gpu.health);
  return NVML_SUCCESS;
}

nvmlReturn_t FindDevice(const Order& order) {
  const unsigned instance = order.arguments[1];
  const unsigned compute = order.arguments[2];
  return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
    const GpuInstance* const found = FindGpuInstance(at.gpu, instance);
    if (found != nullptr && FindComputeInstance(*found, compute) != nullptr) return NVML_SUCCESS;
    why->Say("GPU %u has no compute instance %u in a GPU instance %u.", at.index, compute,
             instance);
    return NVML_ERROR_NOT_FOUND;
  });
}

nvmlReturn_t Start(const Order& order) {
  const unsigned* const it = order.arguments;
  ClientProcess process;
  const nvmlReturn_t code = DescribeProcess(it[3], it[6], order.name, &process, order.reason);
  if (code != NVML_SUCCESS) return code;
  const std::uint64_t memoryMiB = it[5] == kSimulatorNone ? kNoReading : it[5];
  return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
    const nvmlReturn_t outcome =
        StartClient(at, {it[1], it[2], it[3], it[4]}, process, memoryMiB, why);
    if (outcome == NVML_SUCCESS && process.startTime != 0) why->Say("followed");
    return outcome;
  });
}

// A command that puts an instance somewhere and says its id: `place` is given the one asked for.
template <class Place>
nvmlReturn_t PutOnGpu(const Order& order, unsigned id, Place place) {
  return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
    const nvmlReturn_t outcome = place(at, why, &id);
    if (outcome == NVML_SUCCESS) why->Say("%u", id);
    return outcome;
  });
}

nvmlReturn_t Run(SimulatorCommand command, const Order& order) {
  Image& image = order.image;
  const unsigned* const it = order.arguments;
  switch (command) {
    case kSimulatorReset:
      return OnGpu(order, [](const GpuEdit& at, Outbox&, Reason* why) { return ResetGpu(at, why); });
    case kSimulatorStartClient:
      return Start(order);
    case kSimulatorStopClient:
      return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
        return StopClient(at, {it[1], it[2], it[3], it[4]}, why);
      });
    case kSimulatorSetReading:
      return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
        return SetReading(at, it[1], order.wide(2), why);
      });
    case kSimulatorSetHealth:
      return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
        return SetHealth(at, it[1], it[2], why);
      });
    case kSimulatorSetMode:
      return OnGpu(order, [&](const GpuEdit& at, Outbox&, Reason* why) {
        return PlaceMode(at, it[1], it[2], why);
      });
    case kSimulatorPlaceGpuInstance:
      return PutOnGpu(order, kSimulatorNone, [&](const GpuEdit& at, Reason* why, unsigned* id) {
        return PlaceGpuInstance(at, it[1], it[2], why, id);
      });
    case kSimulatorPlaceComputeInstance:
      return PutOnGpu(order, it[4], [&](const GpuEdit& at, Reason* why, unsigned* id) {
        return PlaceComputeInstance(at, it[1], it[2], it[3], why, id);
      });
    case kSimulatorRaiseEvent:
      return OnGpu(order, [&](const GpuEdit& at, Outbox& outbox, Reason* why) {
        return RaiseEvent(at, {it[1], order.wide(2), it[4], it[5]}, &outbox, why);
      });
    case kSimulatorSetActivity:
      return SetActivity(image, {it[0], it[1], it[2], std::bit_cast<double>(order.wide(3))},
                         order.reason);
    case kSimulatorReboot:
      return RebootNode(order);
    case kSimulatorReportHealth:
      return ReportHealth(order);
    case kSimulatorFindDevice:
      return FindDevice(order);
    case kSimulatorReloadDriver:
      return LoadDriver(order, [&](State& state, Reason* why) {
        return ReloadDriver(image, state, why);
      });
    case kSimulatorSetRights:
      return SetRights(order);
    case kSimulatorInject:
      return InjectFault(image, it, order.name, order.reason);
    case kSimulatorRemoveFault:
      return RemoveFault(image, order.wide(0), order.reason);
    case kSimulatorReleaseFault:
      return ReleaseFault(image, order.wide(0), order.reason);
    case kSimulatorReportFault:
      return ReportFault(image, order.wide(0), order.reason);
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

bool IsControlGuid(const unsigned char* guid) {
  return guid != nullptr &&
         std::memcmp(guid, kSimulatorControlGuid, sizeof(kSimulatorControlGuid)) == 0;
}

}  // namespace

nvmlReturn_t played::nvmlInternalGetExportTable(const void** table, const unsigned char* guid) {
  if (table == nullptr || guid == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *table = IsControlGuid(guid) ? static_cast<const void*>(&kControl) : kEmptyTable;
  return NVML_SUCCESS;
}

// Control is reached whatever is to go wrong with calls, and does not count as one.
nvmlReturn_t nvmlInternalGetExportTable(const void** table, const unsigned char* guid) {
  const auto play = [&] { return played::nvmlInternalGetExportTable(table, guid); };
  return IsControlGuid(guid) ? play() : Call(Exported::nvmlInternalGetExportTable, play);
}
