// A GPU that is lost or wants a reset: every function that takes a handle of its own, from the one list
// of functions, and the ways to a handle.
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

struct Handles {
  nvmlDevice_t device;
  nvmlGpuInstance_t instance;
  nvmlComputeInstance_t compute;
};

template <class Parameter>
constexpr bool kIsHandle =
    std::is_same_v<Parameter, nvmlDevice_t> || std::is_same_v<Parameter, nvmlGpuInstance_t> ||
    std::is_same_v<Parameter, nvmlComputeInstance_t>;

// The word by which a struct says its version; 0 for those that have none.
template <class Struct>
constexpr unsigned kVersion = 0;
template <>
constexpr unsigned kVersion<nvmlMemory_v2_t> = nvmlMemory_v2;
template <>
constexpr unsigned kVersion<nvmlPciInfoExt_v1_t> = nvmlPciInfoExt_v1;
template <>
constexpr unsigned kVersion<nvmlTemperature_v1_t> = nvmlTemperature_v1;
template <>
constexpr unsigned kVersion<nvmlProcessDetailList_v1_t> = nvmlProcessDetailList_v1;
template <>
constexpr unsigned kVersion<nvmlGpuInstanceProfileInfo_v2_t> = nvmlGpuInstanceProfileInfo_v2;
template <>
constexpr unsigned kVersion<nvmlComputeInstanceProfileInfo_v2_t> =
    nvmlComputeInstanceProfileInfo_v2;
template <>
constexpr unsigned kVersion<nvmlGpmSupport_t> = NVML_GPM_SUPPORT_VERSION;

// Room that any one argument may point to.
struct alignas(16) Room {
  unsigned char bytes[4096] = {};
};

// An argument that is right: of numbers the first, or one of something; of memory enough.
template <class Parameter>
Parameter Argument(const Handles& handles, Room* room) {
  if constexpr (std::is_same_v<Parameter, nvmlDevice_t>) {
    return handles.device;
  } else if constexpr (std::is_same_v<Parameter, nvmlGpuInstance_t>) {
    return handles.instance;
  } else if constexpr (std::is_same_v<Parameter, nvmlComputeInstance_t>) {
    return handles.compute;
  } else if constexpr (std::is_pointer_v<Parameter>) {
    using Pointee = std::remove_const_t<std::remove_pointer_t<Parameter>>;
    if constexpr (!std::is_void_v<Pointee>) {
      const unsigned version = kVersion<Pointee>;
      std::memcpy(room->bytes, &version, sizeof(version));
    }
    return reinterpret_cast<Parameter>(room->bytes);
  } else {
    return static_cast<Parameter>(std::is_same_v<Parameter, int>);
  }
}

// False for a function that takes no handle.
template <class... Parameters, std::size_t... at>
bool AskAll(nvmlReturn_t (*function)(Parameters...), [[maybe_unused]] const Handles& handles,
            [[maybe_unused]] nvmlReturn_t* answer, std::index_sequence<at...>) {
  if constexpr ((kIsHandle<Parameters> || ...)) {
    Room rooms[sizeof...(Parameters)];
    *answer = function(Argument<Parameters>(handles, &rooms[at])...);
    return true;
  }
  return false;
}
template <class... Parameters>
bool Ask(nvmlReturn_t (*function)(Parameters...), const Handles& handles, nvmlReturn_t* answer) {
  return AskAll(function, handles, answer, std::index_sequence_for<Parameters...>());
}
bool Ask(const char* (*)(nvmlReturn_t), const Handles&, nvmlReturn_t*) { return false; }

// A GPU instance of half the GPU with its compute instance, and their MIG device.
void Partition(InitialisedNode& node, unsigned gpu, Handles* handles, nvmlDevice_t* mig) {
  REQUIRE(node.Command(kSimulatorSetMode, {gpu, 1, 1}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorPlaceGpuInstance, {gpu, 9, 4}) == NVML_SUCCESS);
  REQUIRE(std::string(node.text) == "2");
  REQUIRE(node.Command(kSimulatorPlaceComputeInstance, {gpu, 2, 2, 0, 0}) == NVML_SUCCESS);
  handles->device = node.gpu(gpu);
  REQUIRE(node.nvmlDeviceGetGpuInstanceById(handles->device, 2, &handles->instance) ==
          NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceGetComputeInstanceById(handles->instance, 0, &handles->compute) ==
          NVML_SUCCESS);
  REQUIRE(node.nvmlDeviceGetMigDeviceHandleByIndex(handles->device, 0, mig) == NVML_SUCCESS);
}

}  // namespace

TEST_CASE("everything that is asked about such a GPU has its code, and the others go on") {
  for (const nvmlReturn_t health : {NVML_ERROR_GPU_IS_LOST, NVML_ERROR_RESET_REQUIRED}) {
    CAPTURE(health);
    InitialisedNode node;
    Handles sick, well;
    nvmlDevice_t sickMig, wellMig;
    Partition(node, 0, &sick, &sickMig);
    Partition(node, 1, &well, &wellMig);
    REQUIRE(node.Command(kSimulatorSetHealth, {0, health, kSimulatorNone}) == NVML_SUCCESS);
    unsigned asked = 0;
    const auto hold = [&](const char* name, auto function) {
      CAPTURE(name);
      nvmlReturn_t answer;
      if (!Ask(function, sick, &answer)) return;
      asked++;
      CHECK(answer == health);
      REQUIRE(Ask(function, {sickMig, sick.instance, sick.compute}, &answer));
      const bool ofGpusOnly = answer == NVML_ERROR_INVALID_ARGUMENT;  // no handle of that kind
      CHECK((answer == health || ofGpusOnly));
      REQUIRE(Ask(function, {wellMig, well.instance, well.compute}, &answer));
      CHECK(answer != health);
      REQUIRE(Ask(function, well, &answer));
      CHECK(answer != health);
    };
#define NVML_SYMBOL(name, ret, args) hold(#name, node.name);
#define NVML_CLIENT_SYMBOL(name, ret, args) hold(#name, node.name);
#include "abi/symbols.h"
    CHECK(asked > 90);

    // Nothing was done to it.
    REQUIRE(node.Command(kSimulatorSetHealth, {0, 0, kSimulatorNone}) == NVML_SUCCESS);
    nvmlGpuInstanceInfo_t info;
    CHECK(node.nvmlGpuInstanceGetInfo(sick.instance, &info) == NVML_SUCCESS);
    unsigned current = 0, pending = 0;
    CHECK(node.nvmlDeviceGetMigMode(sick.device, &current, &pending) == NVML_SUCCESS);
    CHECK((current == 1 && pending == 1));
    CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
  }
}

TEST_CASE("such a GPU is counted and not handed out") {
  InitialisedNode node;
  Handles sick, well;
  nvmlDevice_t sickMig, wellMig, device;
  Partition(node, 0, &sick, &sickMig);
  Partition(node, 1, &well, &wellMig);
  char gpuUuid[96], migUuid[96], otherUuid[96];
  REQUIRE(node.nvmlDeviceGetUUID(sick.device, gpuUuid, 96) == NVML_SUCCESS);
  REQUIRE(node.nvmlDeviceGetUUID(sickMig, migUuid, 96) == NVML_SUCCESS);
  REQUIRE(node.nvmlDeviceGetUUID(wellMig, otherUuid, 96) == NVML_SUCCESS);
  const std::string ofParent = std::string("MIG-") + gpuUuid + "/2/0";
  REQUIRE(node.Command(kSimulatorSetHealth, {0, NVML_ERROR_GPU_IS_LOST, kSimulatorNone}) == NVML_SUCCESS);

  unsigned count = 0;
  CHECK(node.nvmlDeviceGetCount_v2(&count) == NVML_SUCCESS);
  CHECK(count == 2);
  constexpr nvmlReturn_t lost = NVML_ERROR_GPU_IS_LOST;
  CHECK(node.nvmlDeviceGetHandleByIndex_v2(0, &device) == lost);
  CHECK(node.nvmlDeviceGetHandleByIndex(0, &device) == lost);
  CHECK(node.nvmlDeviceGetHandleByIndex_v2(2, &device) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetHandleByUUID(gpuUuid, &device) == lost);
  CHECK(node.nvmlDeviceGetHandleByUUID(migUuid, &device) == lost);
  CHECK(node.nvmlDeviceGetHandleByUUID(ofParent.c_str(), &device) == lost);
  const std::string ofNone = std::string("MIG-") + gpuUuid + "/3/0";
  CHECK(node.nvmlDeviceGetHandleByUUID(ofNone.c_str(), &device) == lost);
  CHECK(node.nvmlDeviceGetHandleByPciBusId_v2("00000000:07:00.0", &device) == lost);
  nvmlUUID_v1_t uuid = {nvmlUUID_v1, NVML_UUID_TYPE_ASCII, {}};
  std::memcpy(uuid.value.str, gpuUuid, sizeof(uuid.value.str));
  CHECK(node.nvmlDeviceGetHandleByUUIDV(&uuid, &device) == lost);

  CHECK(node.nvmlDeviceGetHandleByIndex_v2(1, &device) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetHandleByUUID(otherUuid, &device) == NVML_SUCCESS);
  CHECK(device == wellMig);
  CHECK(node.nvmlDeviceGetHandleByPciBusId_v2("00000000:8A:00.0", &device) == NVML_SUCCESS);
  CHECK(device == well.device);
}

TEST_CASE("what brings a GPU back") {
  InitialisedNode node;
  const auto answer = [&] {
    nvmlDevice_t device;
    return node.nvmlDeviceGetHandleByIndex_v2(0, &device);
  };
  REQUIRE(node.Command(kSimulatorSetHealth, {0, NVML_ERROR_RESET_REQUIRED, kSimulatorNone}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorReset, {0}) == NVML_SUCCESS);
  CHECK(answer() == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorSetHealth, {0, NVML_ERROR_RESET_REQUIRED, kSimulatorNone}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorReloadDriver) == NVML_SUCCESS);
  CHECK(answer() == NVML_SUCCESS);

  REQUIRE(node.Command(kSimulatorSetHealth, {0, NVML_ERROR_GPU_IS_LOST, kSimulatorNone}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorReset, {0}) == NVML_ERROR_GPU_IS_LOST);
  CHECK(std::string(node.text) ==
        "GPU 0 is lost: no reset reaches it any more, so reboot instead.");
  CHECK(node.Command(kSimulatorReloadDriver) == NVML_SUCCESS);
  CHECK(answer() == NVML_ERROR_GPU_IS_LOST);
  CHECK(node.Command(kSimulatorReboot) == NVML_SUCCESS);
  CHECK(answer() == NVML_SUCCESS);

  REQUIRE(node.Command(kSimulatorSetHealth, {0, 16, 0}) == NVML_SUCCESS);
  CHECK(answer() == NVML_ERROR_RESET_REQUIRED);
  CHECK(node.Command(kSimulatorSetHealth, {0, 0, 15}) == NVML_ERROR_NOT_FOUND);
  CHECK(std::string(node.text) == "GPU 0 has health 16, not 15.");
  CHECK(node.Command(kSimulatorReportHealth, {0}) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "16");
  CHECK(node.Command(kSimulatorSetHealth, {0, 0, 16}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorReportHealth, {0}) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "0");
  CHECK(node.Command(kSimulatorReportHealth, {2}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(node.text) == "The node has 2 GPUs; there is no GPU 2.");

  CHECK(node.Command(kSimulatorSetHealth, {0, 17, kSimulatorNone}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(node.text) == "A GPU is well (0), lost (15) or wants a reset (16), not 17.");
  CHECK(node.Command(kSimulatorSetHealth, {2, 15, kSimulatorNone}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(answer() == NVML_SUCCESS);
}
