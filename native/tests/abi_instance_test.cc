// GPU instances and compute instances through the exported functions: structs, arrays, handles. The
// rules themselves are tested where they are.
#include <cstring>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

template <class Opaque>
Opaque Garbage(std::uint64_t bits) {
  return reinterpret_cast<Opaque>(bits);
}

}  // namespace

TEST_CASE("GPU instance profiles in all forms of the struct") {
  InitialisedNode node(550);
  nvmlGpuInstanceProfileInfo_t v1 = {};
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfo(node.gpu(), 2, &v1) == NVML_SUCCESS);
  CHECK(v1.id == 9);
  CHECK(v1.sliceCount == 3);
  CHECK(v1.instanceCount == 2);
  CHECK(v1.multiprocessorCount == 42);
  CHECK(v1.memorySizeMB == 19968);
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfo(node.gpu(), 5, &v1) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfo(node.gpu(), 10, &v1) ==
        NVML_ERROR_INVALID_ARGUMENT);

  nvmlGpuInstanceProfileInfo_v2_t v2 = {};
  v2.version = 0x02000098;
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfoV(node.gpu(), 2, &v2) == NVML_SUCCESS);
  CHECK(v2.id == 9);
  CHECK(v2.multiprocessorCount == 42);
  CHECK(std::string(v2.name) == "MIG 3g.20gb");

  nvmlGpuInstanceProfileInfo_v3_t v3 = {};
  auto* const asV2 = reinterpret_cast<nvmlGpuInstanceProfileInfo_v2_t*>(&v3);
  v3.version = 0x03000098;
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfoV(node.gpu(), 2, asV2) == NVML_SUCCESS);
  CHECK(v3.sliceCount == 3);
  CHECK(v3.memorySizeMB == 19968);
  CHECK(std::string(v3.name) == "MIG 3g.20gb");
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfoByIdV(node.gpu(), 9, asV2) == NVML_SUCCESS);
  CHECK(v3.id == 9);
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfoByIdV(node.gpu(), 2, asV2) ==
        NVML_ERROR_NOT_SUPPORTED);
  v3.version = 0x04000098;
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfoV(node.gpu(), 2, asV2) ==
        NVML_ERROR_ARGUMENT_VERSION_MISMATCH);

  InitialisedNode before3(535);
  v3.version = 0x03000098;
  CHECK(before3.nvmlDeviceGetGpuInstanceProfileInfoV(before3.gpu(), 2, asV2) ==
        NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  InitialisedNode before520(510);
  CHECK(before520.nvmlDeviceGetGpuInstanceProfileInfoV(before520.gpu(), 2, asV2) ==
        NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("placements are counted without a buffer and written to one") {
  InitialisedNode node;
  nvmlGpuInstancePlacement_t places[8] = {};
  unsigned count = 0;
  CHECK(node.nvmlDeviceGetGpuInstancePossiblePlacements_v2(node.gpu(), 15, nullptr, &count) ==
        NVML_SUCCESS);
  CHECK(count == 4);
  count = 0xdead;  // output only, so whatever is there
  CHECK(node.nvmlDeviceGetGpuInstancePossiblePlacements_v2(node.gpu(), 15, places, &count) ==
        NVML_SUCCESS);
  CHECK(count == 4);
  CHECK(places[3].start == 6);
  CHECK(places[3].size == 2);
  CHECK(node.nvmlDeviceGetGpuInstancePossiblePlacements(node.gpu(), 15, nullptr, &count) ==
        NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetGpuInstancePossiblePlacements(node.gpu(), 9, places, &count) ==
        NVML_SUCCESS);
  CHECK(count == 2);
  CHECK(node.nvmlDeviceGetGpuInstancePossiblePlacements_v2(node.gpu(), 1, nullptr, &count) ==
        NVML_ERROR_NOT_SUPPORTED);

  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  const nvmlGpuInstance_t instance = node.Create(9, 0, &compute);
  nvmlComputeInstancePlacement_t slots[8] = {};
  CHECK(node.nvmlGpuInstanceGetComputeInstancePossiblePlacements(instance, 1, nullptr, &count) ==
        NVML_SUCCESS);
  CHECK(count == 2);
  CHECK(node.nvmlGpuInstanceGetComputeInstancePossiblePlacements(instance, 1, slots, &count) ==
        NVML_SUCCESS);
  CHECK(slots[1].start == 1);
  CHECK(slots[1].size == 2);
}

TEST_CASE("instances are described, listed and found by id") {
  InitialisedNode node;
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  const nvmlGpuInstance_t instance = node.Create(9, 0, &compute);
  nvmlGpuInstanceInfo_t info = {};
  CHECK(node.nvmlGpuInstanceGetInfo(instance, &info) == NVML_SUCCESS);
  CHECK(info.device == node.gpu());
  CHECK(info.id == 2);
  CHECK(info.profileId == 9);
  CHECK(info.placement.start == 4);
  CHECK(info.placement.size == 4);
  nvmlGpuInstance_t instances[8] = {};
  unsigned count = 0xdead;
  CHECK(node.nvmlDeviceGetGpuInstances(node.gpu(), 9, instances, &count) == NVML_SUCCESS);
  CHECK(count == 1);
  CHECK(instances[0] == instance);
  CHECK(node.nvmlDeviceGetGpuInstances(node.gpu(), 19, instances, &count) == NVML_SUCCESS);
  CHECK(count == 0);
  CHECK(node.nvmlDeviceGetGpuInstances(node.gpu(), 9, nullptr, &count) ==
        NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetGpuInstanceById(node.gpu(), 2, instances) == NVML_SUCCESS);
  CHECK(instances[0] == instance);
  CHECK(node.nvmlDeviceGetGpuInstanceById(node.gpu(), 1, instances) == NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlDeviceGetGpuInstanceRemainingCapacity(node.gpu(), 9, &count) == NVML_SUCCESS);
  CHECK(count == 1);

  nvmlComputeInstanceInfo_t computeInfo;
  std::memset(&computeInfo, 0xee, sizeof(computeInfo));
  CHECK(node.nvmlComputeInstanceGetInfo(compute, &computeInfo) == NVML_SUCCESS);
  CHECK(computeInfo.profileId == 0);
  CHECK(computeInfo.placement.start == 0xeeeeeeee);  // the first form ends before it
  CHECK(node.nvmlComputeInstanceGetInfo_v2(compute, &computeInfo) == NVML_SUCCESS);
  CHECK(computeInfo.device == node.mig(0));
  CHECK(computeInfo.gpuInstance == instance);
  CHECK(computeInfo.id == 0);
  CHECK(computeInfo.placement.start == 0);
  CHECK(computeInfo.placement.size == 1);
  nvmlComputeInstance_t computes[8] = {};
  CHECK(node.nvmlGpuInstanceGetComputeInstances(instance, 0, computes, &count) == NVML_SUCCESS);
  CHECK(count == 1);
  CHECK(computes[0] == compute);
  CHECK(node.nvmlGpuInstanceGetComputeInstanceById(instance, 0, computes) == NVML_SUCCESS);
  CHECK(computes[0] == compute);
  CHECK(node.nvmlGpuInstanceGetComputeInstanceById(instance, 1, computes) == NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlGpuInstanceGetComputeInstanceRemainingCapacity(instance, 0, &count) ==
        NVML_SUCCESS);
  CHECK(count == 2);
  const nvmlComputeInstancePlacement_t last = {2, 1};
  CHECK(node.nvmlGpuInstanceCreateComputeInstanceWithPlacement(instance, 0, &last, computes) ==
        NVML_SUCCESS);
  CHECK(node.nvmlComputeInstanceGetInfo_v2(computes[0], &computeInfo) == NVML_SUCCESS);
  CHECK(computeInfo.id == 1);
  CHECK(computeInfo.placement.start == 2);
}

TEST_CASE("compute instance profiles in all forms of the struct") {
  InitialisedNode node;
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  const nvmlGpuInstance_t instance = node.Create(9, 0, &compute);
  nvmlComputeInstanceProfileInfo_t v1 = {};
  CHECK(node.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, 2, 0, &v1) == NVML_SUCCESS);
  CHECK(v1.id == 2);
  CHECK(v1.multiprocessorCount == 42);
  CHECK(node.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, 2, 1, &v1) ==
        NVML_ERROR_INVALID_ARGUMENT);
  nvmlComputeInstanceProfileInfo_v3_t v3 = {};
  auto* const v2 = reinterpret_cast<nvmlComputeInstanceProfileInfo_v2_t*>(&v3);
  v2->version = 0x02000088;
  CHECK(node.nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, 0, 0, v2) == NVML_SUCCESS);
  CHECK(std::string(v2->name) == "MIG 1c.3g.20gb");
  v3.version = nvmlComputeInstanceProfileInfo_v3;
  CHECK(node.nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, 2, 0, v2) == NVML_SUCCESS);
  CHECK(std::string(v3.name) == "MIG 3g.20gb");
  CHECK(v3.capabilities == 0);
  v3.version = 7;
  CHECK(node.nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, 2, 0, v2) ==
        NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
}

TEST_CASE("a handle that outlived its instance never means another") {
  InitialisedNode node;
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  const nvmlGpuInstance_t instance = node.Create(9, 2, &compute);
  const nvmlDevice_t mig = node.mig(0);
  const std::string uuid = [&] {
    char text[96];
    REQUIRE(node.nvmlDeviceGetUUID(mig, text, 96) == NVML_SUCCESS);
    return std::string(text);
  }();
  REQUIRE(node.nvmlComputeInstanceDestroy(compute) == NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceDestroy(instance) == NVML_SUCCESS);
  nvmlComputeInstance_t secondCompute = nullptr;
  const nvmlGpuInstance_t second = node.Create(9, 2, &secondCompute);  // same place, same ids

  nvmlGpuInstanceInfo_t info;
  nvmlComputeInstanceInfo_t computeInfo;
  char text[96];
  CHECK(second != instance);
  CHECK(secondCompute != compute);
  CHECK(node.nvmlGpuInstanceGetInfo(instance, &info) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlGpuInstanceDestroy(instance) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlGpuInstanceCreateComputeInstance(instance, 0, &compute) ==
        NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlComputeInstanceGetInfo_v2(compute, &computeInfo) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlComputeInstanceDestroy(compute) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetUUID(mig, text, 96) == NVML_ERROR_INVALID_ARGUMENT);
  // The UUID belongs to the place and comes back with it.
  CHECK(node.nvmlDeviceGetUUID(node.mig(0), text, 96) == NVML_SUCCESS);
  CHECK(uuid == text);
}

TEST_CASE("handles of another kind, and what is none, are refused") {
  InitialisedNode node;
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  const nvmlGpuInstance_t instance = node.Create(9, 2, &compute);
  nvmlGpuInstanceInfo_t info;
  nvmlComputeInstanceInfo_t computeInfo;
  char text[96];
  nvmlGpuInstance_t made = nullptr;
  const auto refuses = [&](std::uint64_t bits) {
    CAPTURE(bits);
    CHECK(node.nvmlDeviceGetName(Garbage<nvmlDevice_t>(bits), text, 96) ==
          NVML_ERROR_INVALID_ARGUMENT);
    CHECK(node.nvmlDeviceCreateGpuInstance(Garbage<nvmlDevice_t>(bits), 19, &made) ==
          NVML_ERROR_INVALID_ARGUMENT);
    CHECK(node.nvmlGpuInstanceGetInfo(Garbage<nvmlGpuInstance_t>(bits), &info) ==
          NVML_ERROR_INVALID_ARGUMENT);
    CHECK(node.nvmlGpuInstanceDestroy(Garbage<nvmlGpuInstance_t>(bits)) ==
          NVML_ERROR_INVALID_ARGUMENT);
    CHECK(node.nvmlComputeInstanceGetInfo_v2(Garbage<nvmlComputeInstance_t>(bits), &computeInfo) ==
          NVML_ERROR_INVALID_ARGUMENT);
    CHECK(node.nvmlComputeInstanceDestroy(Garbage<nvmlComputeInstance_t>(bits)) ==
          NVML_ERROR_INVALID_ARGUMENT);
  };
  const auto gpuBits = reinterpret_cast<std::uint64_t>(node.gpu());
  for (const std::uint64_t bits :
       {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0},
        reinterpret_cast<std::uint64_t>(&node), gpuBits ^ 1, gpuBits ^ std::uint64_t{1} << 63}) {
    refuses(bits);
  }
  CHECK(node.nvmlGpuInstanceGetInfo(Garbage<nvmlGpuInstance_t>(gpuBits), &info) ==
        NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetName(Garbage<nvmlDevice_t>(reinterpret_cast<std::uint64_t>(instance)),
                               text, 96) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlGpuInstanceGetInfo(
            Garbage<nvmlGpuInstance_t>(reinterpret_cast<std::uint64_t>(compute)), &info) ==
        NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("missing pointers are refused and change nothing") {
  InitialisedNode node;
  node.Enable();
  const nvmlDevice_t gpu = node.gpu();
  const nvmlGpuInstancePlacement_t place = {0, 4};
  nvmlGpuInstance_t instance = nullptr;
  unsigned value = 0;
  const nvmlReturn_t refused[] = {
      node.nvmlDeviceGetMigMode(gpu, &value, nullptr),
      node.nvmlDeviceSetMigMode(gpu, 0, nullptr),
      node.nvmlDeviceGetGpuInstanceProfileInfo(gpu, 0, nullptr),
      node.nvmlDeviceGetGpuInstanceProfileInfoV(gpu, 0, nullptr),
      node.nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, 9, nullptr, nullptr),
      node.nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, 9, nullptr),
      node.nvmlDeviceCreateGpuInstance(gpu, 9, nullptr),
      node.nvmlDeviceCreateGpuInstanceWithPlacement(gpu, 9, nullptr, &instance),
      node.nvmlDeviceCreateGpuInstanceWithPlacement(gpu, 9, &place, nullptr),
      node.nvmlDeviceGetGpuInstanceById(gpu, 1, nullptr)};
  for (const nvmlReturn_t code : refused) CHECK(code == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, 9, &value) == NVML_SUCCESS);
  CHECK(value == 2);
}
