// What differs from release to release: counts and listings that older ones hold back, and structs
// they do not know yet.
#include <cstring>
#include <functional>

#include "loaded_node.h"
#include "world.h"

namespace {

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

unsigned Remaining(World& world, unsigned profile) {
  unsigned count = 99;
  REQUIRE(GpuInstanceCapacity(world.view(), profile, &count) == NVML_SUCCESS);
  return count;
}

}  // namespace

// A listing of R510 shows 0 in every row of an empty A100, one of R455 to R460 and those of R515 and
// later show all that fits. For R450 and R465 to R495 the records only say that R450 to R510 did so.
TEST_CASE("the free counts of an empty GPU") {
  for (const auto& [branch, counts] : std::initializer_list<std::pair<unsigned, bool>>{
           {450, false}, {455, true}, {460, true}, {465, false}, {470, false}, {495, false},
           {510, false}, {515, true}, {525, true}, {550, true}, {580, true}}) {
    CAPTURE(branch);
    World world({A100OfR460()}, Driver(branch));
    CHECK(Remaining(world, 9) == 0);  // MIG is off
    world.Enable();
    CHECK(Remaining(world, 19) == (counts ? 7 : 0));
    CHECK(Remaining(world, 9) == (counts ? 2 : 0));
    CHECK(Remaining(world, 0) == (counts ? 1 : 0));
    unsigned id = 0;
    REQUIRE(world.Create(9, &id) == NVML_SUCCESS);
    CHECK(Remaining(world, 19) == 4);
    CHECK(Remaining(world, 9) == 1);
    CHECK(Remaining(world, 0) == 0);
    REQUIRE(DestroyGpuInstance(world.edit(), world.instance(id)) == NVML_SUCCESS);
    CHECK(Remaining(world, 9) == (counts ? 2 : 0));
  }
}

// R535's nvidia-smi lists no GPU with MIG off and R550's does; header 12.4, which came with R550, is
// the first to call placements independent of the mode.
TEST_CASE("profiles and placements while MIG is off") {
  for (const auto& [branch, lists] : std::initializer_list<std::pair<unsigned, bool>>{
           {450, false}, {510, false}, {535, false}, {545, false}, {550, true}, {580, true}}) {
    CAPTURE(branch);
    World world({A100OfR460()}, Driver(branch));
    const nvmlReturn_t off = lists ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
    const GpuInstanceProfile* profile;
    unsigned count = 99;
    CHECK(GpuProfileBySlot(world.view(), 2, &profile) == off);
    CHECK(GpuProfileBySlot(world.view(), 10, &profile) == NVML_ERROR_INVALID_ARGUMENT);
    CHECK(GpuPlacements(world.view(), 9, &profile) == off);
    CHECK(GpuInstanceCapacity(world.view(), 9, &count) == NVML_SUCCESS);
    CHECK(count == 0);
    world.Enable();
    CHECK(GpuProfileBySlot(world.view(), 2, &profile) == NVML_SUCCESS);
    CHECK(profile->id == 9);
    CHECK(GpuPlacements(world.view(), 9, &profile) == NVML_SUCCESS);
  }
}

// First header with each form, and so the first branch that takes it; the code for any other word is
// ARGUMENT_VERSION_MISMATCH since header 11.8, of R520, and was INVALID_ARGUMENT before.
TEST_CASE("structs newer than the release are refused") {
  struct Form {
    unsigned word;
    unsigned firstBranch;
    std::function<nvmlReturn_t(LoadedNode&, nvmlGpuInstance_t, unsigned word)> call;
  };
  const auto gpuProfile = [](LoadedNode& node, nvmlGpuInstance_t, unsigned word) {
    nvmlGpuInstanceProfileInfo_v3_t info = {};
    info.version = word;
    return node.nvmlDeviceGetGpuInstanceProfileInfoV(
        node.gpu(), 0, reinterpret_cast<nvmlGpuInstanceProfileInfo_v2_t*>(&info));
  };
  const auto computeProfile = [](LoadedNode& node, nvmlGpuInstance_t instance, unsigned word) {
    nvmlComputeInstanceProfileInfo_v3_t info = {};
    info.version = word;
    return node.nvmlGpuInstanceGetComputeInstanceProfileInfoV(
        instance, 0, 0, reinterpret_cast<nvmlComputeInstanceProfileInfo_v2_t*>(&info));
  };
  const auto memory = [](LoadedNode& node, nvmlGpuInstance_t, unsigned word) {
    nvmlMemory_v2_t info = {};
    info.version = word;
    return node.nvmlDeviceGetMemoryInfo_v2(node.gpu(), &info);
  };
  const auto processes = [](LoadedNode& node, nvmlGpuInstance_t, unsigned word) {
    nvmlProcessDetailList_v1_t list = {};
    list.version = word;
    return node.nvmlDeviceGetRunningProcessDetailList(node.gpu(), &list);
  };
  const auto pci = [](LoadedNode& node, nvmlGpuInstance_t, unsigned word) {
    nvmlPciInfoExt_v1_t info = {};
    info.version = word;
    return node.nvmlDeviceGetPciInfoExt(node.gpu(), &info);
  };
  const auto uuid = [](LoadedNode& node, nvmlGpuInstance_t, unsigned word) {
    nvmlUUID_v1_t name = {};
    name.version = word;
    name.type = NVML_UUID_TYPE_ASCII;
    std::memcpy(name.value.str, A100().uuid, sizeof(name.value.str) - 1);
    nvmlDevice_t found;
    return node.nvmlDeviceGetHandleByUUIDV(&name, &found);
  };
  const auto temperature = [](LoadedNode& node, nvmlGpuInstance_t, unsigned word) {
    nvmlTemperature_v1_t info = {};
    info.version = word;
    return node.nvmlDeviceGetTemperatureV(node.gpu(), &info);
  };
  const Form forms[] = {
      {0x02000098, 510, gpuProfile},     {0x03000098, 545, gpuProfile},
      {0x02000088, 510, computeProfile}, {0x0300008c, 545, computeProfile},
      {0x02000028, 510, memory},         {0x01000018, 535, processes},
      {0x01000040, 550, pci},            {0x01000034, 575, uuid},
      {0x0100000c, 570, temperature},
  };
  for (const unsigned branch : {510u, 515u, 520u, 535u, 545u, 550u, 570u, 580u}) {
    CAPTURE(branch);
    const nvmlReturn_t refusal = branch < 520 ? NVML_ERROR_INVALID_ARGUMENT
                                              : NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    InitialisedNode node(branch);
    node.Enable();
    nvmlComputeInstance_t compute;
    const nvmlGpuInstance_t instance = node.Create(9, 0, &compute);
    for (const Form& form : forms) {
      CAPTURE(form.word);
      // Where the release has no such function at all, its library does not export the name.
      const bool later = form.word >> 24 > 1 && form.firstBranch > branch;
      if (form.firstBranch <= branch) CHECK(form.call(node, instance, form.word) == NVML_SUCCESS);
      if (later) CHECK(form.call(node, instance, form.word) == refusal);
      CHECK(form.call(node, instance, form.word + (9u << 24)) == refusal);
      CHECK(form.call(node, instance, form.word & 0xffffff) == refusal);
      CHECK(form.call(node, instance, 0) == refusal);
    }
  }
}
