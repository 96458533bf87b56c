// How a node is given what it has from the start: nothing but the geometry stands against it.
#include <string>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr unsigned kNone = kSimulatorNone;

struct Refused {
  SimulatorCommand command;
  std::initializer_list<unsigned> arguments;
  nvmlReturn_t code;
  const char* sentence;
};

}  // namespace

TEST_CASE("modes and instances are put there, and NVML finds them") {
  InitialisedNode node;
  CHECK(node.Command(kSimulatorSetMode, {0, 1, 1}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorPlaceGpuInstance, {0, 14, 2}) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "4");  // the second quarter of a straight A100
  CHECK(node.Command(kSimulatorPlaceGpuInstance, {0, 9, kNone}) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "2");  // the one half that is left
  CHECK(node.Command(kSimulatorPlaceComputeInstance, {0, 2, 0, 1, 5}) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "5");
  CHECK(node.Command(kSimulatorPlaceComputeInstance, {0, 2, 0, kNone, kNone}) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "0");
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);

  nvmlGpuInstance_t instance;
  nvmlGpuInstanceInfo_t info;
  REQUIRE(node.nvmlDeviceGetGpuInstanceById(node.gpu(), 4, &instance) == NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceGetInfo(instance, &info) == NVML_SUCCESS);
  CHECK((info.profileId == 14 && info.placement.start == 2 && info.placement.size == 2));
  nvmlComputeInstance_t compute;
  nvmlComputeInstanceInfo_t part;
  REQUIRE(node.nvmlDeviceGetGpuInstanceById(node.gpu(), 2, &instance) == NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceGetComputeInstanceById(instance, 5, &compute) == NVML_SUCCESS);
  REQUIRE(node.nvmlComputeInstanceGetInfo_v2(compute, &part) == NVML_SUCCESS);
  CHECK((part.profileId == 0 && part.placement.start == 1));
  REQUIRE(node.nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute) == NVML_SUCCESS);
  REQUIRE(node.nvmlComputeInstanceGetInfo_v2(compute, &part) == NVML_SUCCESS);
  CHECK(part.placement.start == 0);  // first fit
}

TEST_CASE("a mode may be pending where modes are") {
  InitialisedNode node;
  unsigned current = 9, pending = 9;
  CHECK(node.Command(kSimulatorSetMode, {0, 0, 1}) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetMigMode(node.gpu(), &current, &pending) == NVML_SUCCESS);
  CHECK((current == 0 && pending == 1));
  CHECK(node.Command(kSimulatorReset, {0}) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetMigMode(node.gpu(), &current, &pending) == NVML_SUCCESS);
  CHECK((current == 1 && pending == 1));

  InitialisedNode hopper(550, H100());
  CHECK(hopper.Command(kSimulatorSetMode, {0, 0, 1}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(hopper.text) ==
        "GPU 0 changes its MIG mode at once: nothing can be pending there.");
  GpuBoard plain = A100();
  plain.profileCount = 0;
  InitialisedNode without(550, plain);
  CHECK(without.Command(kSimulatorSetMode, {0, 1, 1}) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(std::string(without.text) == "GPU 0 has no MIG.");
}

TEST_CASE("rights, clients and the platform do not stand against it") {
  Node guest = Driver(550);
  guest.platform = kVgpuGuest;
  LoadedNode node(MakeImage(guest, {A100()}));
  REQUIRE(node.Command(kSimulatorSetRights, {0}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorStartClient, {0, kNone, kNone, 71}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorSetMode, {0, 1, 1}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorPlaceGpuInstance, {0, 0, kNone}) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "0");
  CHECK(node.Command(kSimulatorPlaceComputeInstance, {0, 0, 4, kNone, kNone}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
}

TEST_CASE("what the geometry does not allow is refused by a sentence") {
  InitialisedNode node;
  REQUIRE(node.Command(kSimulatorSetMode, {0, 1, 1}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorPlaceGpuInstance, {0, 9, 0}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorPlaceComputeInstance, {0, 1, 1, 0, 3}) == NVML_SUCCESS);
  const Refused refusals[] = {
      {kSimulatorSetMode, {0, 2, 0}, NVML_ERROR_INVALID_ARGUMENT,
       "MIG mode is 0 or 1, current and pending; not 2 and 0."},
      {kSimulatorSetMode, {0, 0, 1}, NVML_ERROR_IN_USE,
       "GPU 0 has instances, and without MIG mode it cannot."},
      {kSimulatorSetMode, {2, 1, 1}, NVML_ERROR_INVALID_ARGUMENT,
       "The node has 2 GPUs; there is no GPU 2."},
      {kSimulatorPlaceGpuInstance, {1, 9, 0}, NVML_ERROR_NOT_SUPPORTED,
       "GPU 1 has MIG off, and without it no instances."},
      {kSimulatorPlaceGpuInstance, {0, 99, 0}, NVML_ERROR_INVALID_ARGUMENT,
       "GPU 0 has no GPU instance profile 99."},
      {kSimulatorPlaceGpuInstance, {0, 9, 2}, NVML_ERROR_INVALID_ARGUMENT,
       "GPU 0 has no placement of MIG 3g.20gb that starts at 2."},
      {kSimulatorPlaceGpuInstance, {0, 14, 2}, NVML_ERROR_INSUFFICIENT_RESOURCES,
       "GPU 0 has no room for MIG 2g.10gb at 2 beside what is there."},
      {kSimulatorPlaceGpuInstance, {0, 0, kNone}, NVML_ERROR_INSUFFICIENT_RESOURCES,
       "GPU 0 has no room for MIG 7g.40gb beside what is there."},
      {kSimulatorPlaceComputeInstance, {0, 2, 0, 0, kNone}, NVML_ERROR_NOT_FOUND,
       "GPU 0 has no GPU instance 2."},
      {kSimulatorPlaceComputeInstance, {0, 1, 4, 0, kNone}, NVML_ERROR_INVALID_ARGUMENT,
       "GPU instance 1 of GPU 0 has no compute instance profile 4."},
      {kSimulatorPlaceComputeInstance, {0, 1, 0, 3, kNone}, NVML_ERROR_INVALID_ARGUMENT,
       "GPU instance 1 of GPU 0 has no placement of MIG 1c.3g.20gb that starts at 3."},
      {kSimulatorPlaceComputeInstance, {0, 1, 0, 1, kNone}, NVML_ERROR_INSUFFICIENT_RESOURCES,
       "GPU instance 1 of GPU 0 has no room for MIG 1c.3g.20gb at 1 beside what is there."},
      {kSimulatorPlaceComputeInstance, {0, 1, 0, 2, 3}, NVML_ERROR_INVALID_ARGUMENT,
       "A compute instance of GPU instance 1 cannot have the id 3: ids are below 8, each given "
       "once."},
      {kSimulatorPlaceComputeInstance, {0, 1, 0, 2, 8}, NVML_ERROR_INVALID_ARGUMENT,
       "A compute instance of GPU instance 1 cannot have the id 8: ids are below 8, each given "
       "once."},
  };
  for (const Refused& refused : refusals) {
    CHECK(node.Command(refused.command, refused.arguments) == refused.code);
    CHECK(std::string(node.text) == refused.sentence);
  }
  nvmlDevice_t mig;
  CHECK(node.nvmlDeviceGetMigDeviceHandleByIndex(node.gpu(), 0, &mig) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetMigDeviceHandleByIndex(node.gpu(), 1, &mig) == NVML_ERROR_NOT_FOUND);
}
