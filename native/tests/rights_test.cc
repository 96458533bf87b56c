// Who may do what: root, the holder of a MIG capability, anybody. By the header's word on each function
// ("root user", "privileged user") and the MIG guide's on the two capabilities.
#include <cstring>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr unsigned kNobody = 8;  // a bit for callers who hold nothing
constexpr unsigned kCreators = kRootRight | kConfigRight;
constexpr unsigned kWatchers = kRootRight | kMonitorRight;
constexpr unsigned kHolders = kRootRight | kConfigRight | kMonitorRight;
constexpr unsigned kAll = kHolders | kNobody;

// A half with a compute instance of one slice, and an empty quarter.
struct Scene {
  Scene(InitialisedNode& node, unsigned rights) : node(node), gpu(node.gpu()) {
    REQUIRE(node.Command(kSimulatorSetRights, {kRootRight}) == NVML_SUCCESS);
    REQUIRE(node.Command(kSimulatorReset, {0}) == NVML_SUCCESS);
    REQUIRE(node.Command(kSimulatorSetMode, {0, 1, 1}) == NVML_SUCCESS);
    REQUIRE(node.Command(kSimulatorPlaceGpuInstance, {0, 9, 4}) == NVML_SUCCESS);
    REQUIRE(node.Command(kSimulatorPlaceComputeInstance, {0, 2, 0, 0, 0}) == NVML_SUCCESS);
    REQUIRE(node.Command(kSimulatorPlaceGpuInstance, {0, 14, 0}) == NVML_SUCCESS);
    REQUIRE(node.nvmlDeviceGetGpuInstanceById(gpu, 2, &half) == NVML_SUCCESS);
    REQUIRE(node.nvmlDeviceGetGpuInstanceById(gpu, 3, &empty) == NVML_SUCCESS);
    REQUIRE(node.nvmlGpuInstanceGetComputeInstanceById(half, 0, &compute) == NVML_SUCCESS);
    REQUIRE(node.nvmlDeviceGetMigDeviceHandleByIndex(gpu, 0, &mig) == NVML_SUCCESS);
    REQUIRE(node.Command(kSimulatorSetRights, {rights}) == NVML_SUCCESS);
  }

  InitialisedNode& node;
  nvmlDevice_t gpu, mig;
  nvmlGpuInstance_t half, empty;
  nvmlComputeInstance_t compute;
  // Where answers go.
  nvmlGpuInstance_t instances[8];
  nvmlComputeInstance_t computes[8];
  unsigned number = 0;
  char text[128];
};

struct Privileged {
  const char* name;
  unsigned may;  // the rights of which one suffices
  nvmlReturn_t (*call)(Scene& it);
};

#define CALL(name, may, ...) \
  {#name, may, [](Scene& it) -> nvmlReturn_t { return it.node.name(__VA_ARGS__); }}
// A function that fills a struct whose first word is its version, or that has none (0).
#define FILL(name, may, handle, Struct, version, ...)          \
  {#name, may, [](Scene& it) -> nvmlReturn_t {                 \
     Struct out = {};                                          \
     const unsigned word = version;                            \
     if (word != 0) std::memcpy(&out, &word, sizeof(word));    \
     return it.node.name(it.handle __VA_OPT__(, ) __VA_ARGS__, &out); \
   }}

const Privileged kCalls[] = {
    {"nvmlDeviceSetMigMode", kRootRight,
     [](Scene& it) {
       nvmlReturn_t activation;
       return it.node.nvmlDeviceSetMigMode(it.gpu, 1, &activation);
     }},
    CALL(nvmlDeviceSetPersistenceMode, kRootRight, it.gpu, 1),

    CALL(nvmlDeviceCreateGpuInstance, kCreators, it.gpu, 19, it.instances),
    {"nvmlDeviceCreateGpuInstanceWithPlacement", kCreators,
     [](Scene& it) {
       const nvmlGpuInstancePlacement_t place = {2, 1};
       return it.node.nvmlDeviceCreateGpuInstanceWithPlacement(it.gpu, 19, &place, it.instances);
     }},
    CALL(nvmlGpuInstanceDestroy, kCreators, it.empty),
    CALL(nvmlGpuInstanceCreateComputeInstance, kCreators, it.half, 0, it.computes),
    {"nvmlGpuInstanceCreateComputeInstanceWithPlacement", kCreators,
     [](Scene& it) {
       const nvmlComputeInstancePlacement_t place = {1, 1};
       return it.node.nvmlGpuInstanceCreateComputeInstanceWithPlacement(it.half, 0, &place,
                                                                        it.computes);
     }},
    CALL(nvmlComputeInstanceDestroy, kCreators, it.compute),

    CALL(nvmlDeviceGetGpuInstances, kHolders, it.gpu, 9, it.instances, &it.number),
    CALL(nvmlDeviceGetGpuInstanceById, kHolders, it.gpu, 2, it.instances),
    CALL(nvmlDeviceGetGpuInstancePossiblePlacements_v2, kHolders, it.gpu, 9, nullptr, &it.number),
    CALL(nvmlDeviceGetGpuInstanceRemainingCapacity, kHolders, it.gpu, 9, &it.number),
    CALL(nvmlGpuInstanceGetComputeInstances, kHolders, it.half, 0, it.computes, &it.number),
    CALL(nvmlGpuInstanceGetComputeInstanceById, kHolders, it.half, 0, it.computes),
    CALL(nvmlGpuInstanceGetComputeInstancePossiblePlacements, kHolders, it.half, 0, nullptr,
         &it.number),
    CALL(nvmlGpuInstanceGetComputeInstanceRemainingCapacity, kHolders, it.half, 0, &it.number),

    // What a partitioned GPU shows as a whole.
    FILL(nvmlDeviceGetMemoryInfo, kWatchers, gpu, nvmlMemory_t, 0),
    FILL(nvmlDeviceGetMemoryInfo_v2, kWatchers, gpu, nvmlMemory_v2_t, nvmlMemory_v2),
    FILL(nvmlDeviceGetBAR1MemoryInfo, kWatchers, gpu, nvmlBAR1Memory_t, 0),
    CALL(nvmlDeviceGetComputeRunningProcesses, kWatchers, it.gpu, &it.number, nullptr),
    CALL(nvmlDeviceGetComputeRunningProcesses_v2, kWatchers, it.gpu, &it.number, nullptr),
    CALL(nvmlDeviceGetComputeRunningProcesses_v3, kWatchers, it.gpu, &it.number, nullptr),
    CALL(nvmlDeviceGetGraphicsRunningProcesses_v3, kWatchers, it.gpu, &it.number, nullptr),
    CALL(nvmlDeviceGetMPSComputeRunningProcesses_v3, kWatchers, it.gpu, &it.number, nullptr),
    FILL(nvmlDeviceGetRunningProcessDetailList, kWatchers, gpu, nvmlProcessDetailList_v1_t,
         nvmlProcessDetailList_v1),

    // What anybody may ask, also who has one instance and nothing else.
    FILL(nvmlDeviceGetMemoryInfo, kAll, mig, nvmlMemory_t, 0),
    CALL(nvmlDeviceGetComputeRunningProcesses_v3, kAll, it.mig, &it.number, nullptr),
    CALL(nvmlDeviceGetMigDeviceHandleByIndex, kAll, it.gpu, 0, &it.mig),
    CALL(nvmlDeviceGetMaxMigDeviceCount, kAll, it.gpu, &it.number),
    FILL(nvmlDeviceGetAttributes_v2, kAll, mig, nvmlDeviceAttributes_t, 0),
    CALL(nvmlDeviceGetMigMode, kAll, it.gpu, &it.number, &it.number),
    CALL(nvmlDeviceGetName, kAll, it.gpu, it.text, sizeof(it.text)),
    CALL(nvmlDeviceGetUUID, kAll, it.mig, it.text, sizeof(it.text)),
    FILL(nvmlGpuInstanceGetInfo, kAll, half, nvmlGpuInstanceInfo_t, 0),
    FILL(nvmlComputeInstanceGetInfo_v2, kAll, compute, nvmlComputeInstanceInfo_t, 0),
    CALL(nvmlDeviceGetPersistenceMode, kAll, it.gpu, &it.number),
};

// Without privilege since branch 510.
const Privileged kProfiles[] = {
    FILL(nvmlDeviceGetGpuInstanceProfileInfo, kHolders, gpu, nvmlGpuInstanceProfileInfo_t, 0, 0),
    FILL(nvmlGpuInstanceGetComputeInstanceProfileInfo, kHolders, half,
         nvmlComputeInstanceProfileInfo_t, 0, 0, 0),
};

void Hold(InitialisedNode& node, const Privileged& privileged, unsigned may) {
  for (const unsigned rights : {unsigned{kRootRight}, unsigned{kConfigRight},
                                unsigned{kMonitorRight}, unsigned{kConfigRight | kMonitorRight},
                                0u}) {
    CAPTURE(privileged.name);
    CAPTURE(rights);
    Scene scene(node, rights);
    const bool allowed = ((rights == 0 ? kNobody : rights) & may) != 0;
    CHECK(privileged.call(scene) == (allowed ? NVML_SUCCESS : NVML_ERROR_NO_PERMISSION));
  }
}

}  // namespace

TEST_CASE("what each kind of caller may do") {
  InitialisedNode node;
  for (const Privileged& privileged : kCalls) Hold(node, privileged, privileged.may);
  InitialisedNode old(470, A100());
  for (const Privileged& privileged : kProfiles) {
    Hold(node, privileged, kAll);
    Hold(old, privileged, privileged.may);
  }
}

TEST_CASE("what a GPU shows as a whole needs no privilege while it is not partitioned") {
  InitialisedNode node;
  REQUIRE(node.Command(kSimulatorSetRights, {0}) == NVML_SUCCESS);
  nvmlMemory_t memory;
  unsigned count = 0;
  CHECK(node.nvmlDeviceGetMemoryInfo(node.gpu(), &memory) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetComputeRunningProcesses_v3(node.gpu(), &count, nullptr) == NVML_SUCCESS);
}

TEST_CASE("a refusal for lack of rights changes nothing") {
  InitialisedNode node;
  REQUIRE(node.Command(kSimulatorSetRights, {kConfigRight | kMonitorRight}) == NVML_SUCCESS);
  nvmlReturn_t activation = NVML_ERROR_UNKNOWN;
  CHECK(node.nvmlDeviceSetMigMode(node.gpu(), 1, &activation) == NVML_ERROR_NO_PERMISSION);
  CHECK(activation == NVML_ERROR_UNKNOWN);
  // A wrong argument is one whoever asks.
  CHECK(node.nvmlDeviceSetMigMode(node.gpu(), 2, &activation) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceSetPersistenceMode(node.gpu(), 2) == NVML_ERROR_INVALID_ARGUMENT);
  unsigned current = 9, pending = 9;
  CHECK(node.nvmlDeviceGetMigMode(node.gpu(), &current, &pending) == NVML_SUCCESS);
  CHECK((current == 0 && pending == 0));
  CHECK(node.Command(kSimulatorSetRights, {8}) == NVML_ERROR_INVALID_ARGUMENT);
}
