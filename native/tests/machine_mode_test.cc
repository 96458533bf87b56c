// MIG mode and what happens around a GPU, one state at a time. Codes and transitions come from recorded
// runs and NVML's documentation.
#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "world.h"

using namespace nvml_mig::tests;

namespace {

void CheckMode(World& world, unsigned current, unsigned pending, unsigned gpu = 0) {
  unsigned isCurrent = 0, isPending = 0;
  REQUIRE(GetMigMode(world.view(gpu), &isCurrent, &isPending) == NVML_SUCCESS);
  CHECK(isCurrent == current);
  CHECK(isPending == pending);
}

Node Passthrough() {
  Node node = Driver(550);
  node.platform = kPassthrough;
  return node;
}

}  // namespace

TEST_CASE("MIG mode changes at once on an idle GPU of either kind") {
  for (const GpuBoard& board : {A100(), H100()}) {
    World world({board});
    CheckMode(world, 0, 0);
    world.Enable();
    CheckMode(world, 1, 1);
    world.Enable();  // again: nothing to do
    nvmlReturn_t activation = NVML_ERROR_UNKNOWN;
    CHECK(world.SetMode(0, &activation) == NVML_SUCCESS);
    CHECK(activation == NVML_SUCCESS);
    CheckMode(world, 0, 0);
    CHECK(world.SetMode(2, &activation) == NVML_ERROR_INVALID_ARGUMENT);
  }
}

TEST_CASE("enabling beside clients stays pending on Ampere and not on Hopper") {
  World ampere({A100()});
  REQUIRE(ampere.Start(70) == NVML_SUCCESS);
  nvmlReturn_t activation;
  CHECK(ampere.SetMode(1, &activation) == NVML_SUCCESS);
  CHECK(activation == NVML_ERROR_IN_USE);
  CheckMode(ampere, 0, 1);
  SUBCASE("asked again when they are gone, it happens") {
    REQUIRE(ampere.Stop(70) == NVML_SUCCESS);
    ampere.Enable();
    CheckMode(ampere, 1, 1);
  }
  SUBCASE("set back, nothing is pending") {
    CHECK(ampere.SetMode(0, &activation) == NVML_SUCCESS);
    CHECK(activation == NVML_SUCCESS);
    CheckMode(ampere, 0, 0);
  }
  SUBCASE("a reset completes it") {
    CHECK(ResetGpu(ampere.edit(), &ampere.reason) == NVML_ERROR_IN_USE);
    CHECK(std::string(ampere.reason.text).find("pid 70") != std::string::npos);
    REQUIRE(ampere.Stop(70) == NVML_SUCCESS);
    CHECK(ResetGpu(ampere.edit(), &ampere.reason) == NVML_SUCCESS);
    CheckMode(ampere, 1, 1);
  }
  SUBCASE("a reboot completes it and ends the clients") {
    Reboot(ampere.image, ampere.state);
    CheckMode(ampere, 1, 1);
    CHECK_FALSE(HasClients(ampere.state.node, 0));
  }

  World hopper({H100()});
  REQUIRE(hopper.Start(70) == NVML_SUCCESS);
  hopper.Enable();
  unsigned id = 0;
  CHECK(hopper.Create(19, &id) == NVML_ERROR_IN_USE);  // the first instance meets the client
  REQUIRE(hopper.Stop(70) == NVML_SUCCESS);
  CHECK(hopper.Create(19, &id) == NVML_SUCCESS);
  REQUIRE(hopper.Start(71) == NVML_SUCCESS);
  CHECK(hopper.Create(19, &id) == NVML_SUCCESS);  // later ones do not
}

TEST_CASE("a passed-through Ampere GPU waits for a reboot") {
  World world({A100()}, Passthrough());
  nvmlReturn_t activation;
  CHECK(world.SetMode(1, &activation) == NVML_SUCCESS);
  CHECK(activation == NVML_ERROR_RESET_REQUIRED);
  CheckMode(world, 0, 1);
  CHECK(ResetGpu(world.edit(), &world.reason) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(std::string(world.reason.text).find("reboot") != std::string::npos);
  CHECK(ReloadDriver(world.image, world.state, &world.reason) == NVML_SUCCESS);
  CheckMode(world, 0, 1);
  Reboot(world.image, world.state);
  CheckMode(world, 1, 1);
  CHECK(world.SetMode(0, &activation) == NVML_SUCCESS);
  CHECK(activation == NVML_ERROR_RESET_REQUIRED);
  CheckMode(world, 1, 0);

  World hopper({H100()}, Passthrough());
  hopper.Enable();
  CheckMode(hopper, 1, 1);
}

TEST_CASE("disabling with instances or clients is refused and changes nothing") {
  for (const GpuBoard& board : {A100(), H100()}) {
    World world({board});
    world.Enable();
    nvmlReturn_t activation;
    unsigned id = 0;
    REQUIRE(world.Create(14, &id) == NVML_SUCCESS);
    CHECK(world.SetMode(0, &activation) == NVML_ERROR_IN_USE);
    CheckMode(world, 1, 1);
    REQUIRE(DestroyGpuInstance(world.edit(), world.instance(id)) == NVML_SUCCESS);
    REQUIRE(world.Start(9) == NVML_SUCCESS);
    CHECK(world.SetMode(0, &activation) == NVML_ERROR_IN_USE);
    CheckMode(world, 1, 1);
  }
}

TEST_CASE("what outlives a reset, a driver reload and a reboot") {
  const std::function<void(World&)> events[] = {
      [](World& it) {
        REQUIRE(ResetGpu(it.edit(0), &it.reason) == NVML_SUCCESS);
        REQUIRE(ResetGpu(it.edit(1), &it.reason) == NVML_SUCCESS);
      },
      [](World& it) { REQUIRE(ReloadDriver(it.image, it.state, &it.reason) == NVML_SUCCESS); },
      [](World& it) { Reboot(it.image, it.state); }};
  for (unsigned event = 0; event < 3; event++) {
    CAPTURE(event);
    World world({A100(), H100()});
    unsigned id = 0;
    for (unsigned gpu : {0u, 1u}) {
      world.Enable(gpu);
      REQUIRE(world.Create(9, &id, gpu) == NVML_SUCCESS);
    }
    events[event](world);
    CHECK(world.Live(0) == 0);
    CHECK(world.Live(1) == 0);
    CheckMode(world, 1, 1, 0);
    const unsigned hopper = event == 0;  // its mode lasts as long as the driver is loaded
    CheckMode(world, hopper, hopper, 1);
  }
  World world({A100(), H100()});
  REQUIRE(StartClient(world.edit(1), {kSimulatorNone, kSimulatorNone, 5, 0}, {}, 0,
                      &world.reason) ==
          NVML_SUCCESS);
  CHECK(ReloadDriver(world.image, world.state, &world.reason) == NVML_ERROR_IN_USE);
  CHECK(std::string(world.reason.text).find("GPU 1 is in use by pid 5") != std::string::npos);
}

TEST_CASE("a vGPU's guest has the partition that its host made") {
  for (const GpuBoard& board : {A100(), H100()}) {
    Node guest = Driver(550);
    guest.platform = kVgpuGuest;
    World world({board}, guest);
    nvmlReturn_t activation = NVML_ERROR_UNKNOWN;
    unsigned id = 0;
    CHECK(world.SetMode(1, &activation) == NVML_ERROR_NO_PERMISSION);
    CHECK(world.SetMode(2, &activation) == NVML_ERROR_INVALID_ARGUMENT);
    CHECK(world.Create(9, &id) == NVML_ERROR_NOT_SUPPORTED);
    REQUIRE(PlaceMode(world.edit(), 1, 1, &world.reason) == NVML_SUCCESS);
    REQUIRE(PlaceGpuInstance(world.edit(), 9, 4, &world.reason, &id) == NVML_SUCCESS);
    CHECK(world.SetMode(0, &activation) == NVML_ERROR_NO_PERMISSION);
    CHECK(world.SetMode(1, &activation) == NVML_ERROR_NO_PERMISSION);
    CHECK(activation == NVML_ERROR_UNKNOWN);
    CHECK(world.Create(9, &id) == NVML_ERROR_NOT_SUPPORTED);
    CHECK(DestroyGpuInstance(world.edit(), world.instance(id)) == NVML_ERROR_NOT_SUPPORTED);
    // Compute instances are its own to make.
    unsigned ci = 9, start = 9;
    CHECK(world.CreateCompute(id, 0, &ci, &start) == NVML_SUCCESS);
    CHECK(DestroyComputeInstance(world.edit(), world.instance(id), world.compute(id, ci)) ==
          NVML_SUCCESS);
    CHECK(ResetGpu(world.edit(), &world.reason) == NVML_ERROR_NOT_SUPPORTED);
    CHECK(std::string(world.reason.text).find("host") != std::string::npos);
    CHECK(ReloadDriver(world.image, world.state, &world.reason) == NVML_SUCCESS);
    Reboot(world.image, world.state);
    CheckMode(world, 1, 1);
    CHECK(world.Live() == 1);
    // Rights come first, as with every change.
    world.state.node.rights = kMonitorRight;
    CHECK(world.Create(9, &id) == NVML_ERROR_NO_PERMISSION);
    CHECK(DestroyGpuInstance(world.edit(), world.instance(id)) == NVML_ERROR_NO_PERMISSION);
    world.state.node.rights = kRootRight;
  }
}

TEST_CASE("a watcher makes an Ampere change pending either way, and is no client else") {
  World world({A100()});
  nvmlReturn_t activation = NVML_ERROR_UNKNOWN;
  CHECK(SetMigMode(world.edit(), 1, true, &activation) == NVML_SUCCESS);
  CHECK(activation == NVML_ERROR_IN_USE);
  CheckMode(world, 0, 1);
  world.Enable();
  CHECK(SetMigMode(world.edit(), 1, true, &activation) == NVML_SUCCESS);
  CHECK(activation == NVML_SUCCESS);  // there is nothing to do
  CHECK(SetMigMode(world.edit(), 0, true, &activation) == NVML_SUCCESS);
  CHECK(activation == NVML_ERROR_IN_USE);
  CheckMode(world, 1, 0);
  unsigned id = 0;
  CHECK(world.Create(19, &id) == NVML_SUCCESS);
  CHECK(SetMigMode(world.edit(), 0, true, &activation) == NVML_ERROR_IN_USE);
}

TEST_CASE("persistence and ECC modes") {
  struct Case {
    unsigned platform;
    const char* event;
    bool persists;
    bool applies;
  };
  // Reset, reload, reboot: what becomes of persistence mode, and of an ECC mode that is pending.
  const Case cases[] = {
      {kBareMetal, "reset", true, true},     {kBareMetal, "reload", false, true},
      {kBareMetal, "reboot", false, true},   {kPassthrough, "reset", true, false},
      {kPassthrough, "reload", false, false}, {kPassthrough, "reboot", false, true},
      {kVgpuGuest, "reset", true, false},    {kVgpuGuest, "reload", false, false},
      {kVgpuGuest, "reboot", false, false},
  };
  for (const Case& it : cases) {
    CAPTURE(it.platform);
    CAPTURE(it.event);
    Node node = Driver(550);
    node.platform = it.platform;
    World world({A100()}, node);
    Readings& readings = world.state.gpus[0].readings;
    readings.eccEnabled = 1;
    readings.eccPendingEnabled = 0;
    REQUIRE(SetPersistenceMode(world.edit(), 1) == NVML_SUCCESS);
    CHECK(readings.persistenceMode == 1);
    const std::string event = it.event;
    if (event == "reset") {
      const bool done = ResetGpu(world.edit(), &world.reason) == NVML_SUCCESS;
      CHECK(done == (it.platform == kBareMetal));
    } else if (event == "reload") {
      REQUIRE(ReloadDriver(world.image, world.state, &world.reason) == NVML_SUCCESS);
    } else {
      Reboot(world.image, world.state);
    }
    CHECK(readings.persistenceMode == it.persists);
    CHECK(readings.eccEnabled == !it.applies);
    CHECK(readings.eccPendingEnabled == 0);
  }

  World world({A100()});
  CHECK(SetPersistenceMode(world.edit(), 2) == NVML_ERROR_INVALID_ARGUMENT);
  Readings& readings = world.state.gpus[0].readings;
  readings.persistenceMode = readings.eccEnabled = kNoReading;
  readings.eccPendingEnabled = 1;
  CHECK(SetPersistenceMode(world.edit(), 1) == NVML_ERROR_NOT_SUPPORTED);
  Reboot(world.image, world.state);
  CHECK(readings.persistenceMode == kNoReading);  // what is not there stays so
  CHECK(readings.eccEnabled == kNoReading);
}

TEST_CASE("where a GPU cannot be reset, only a reboot helps one that wants it") {
  World world({A100()}, Passthrough());
  REQUIRE(SetHealth(world.edit(), NVML_ERROR_RESET_REQUIRED, kSimulatorNone, &world.reason) == NVML_SUCCESS);
  CHECK(ResetGpu(world.edit(), &world.reason) == NVML_ERROR_NOT_SUPPORTED);
  REQUIRE(ReloadDriver(world.image, world.state, &world.reason) == NVML_SUCCESS);
  CHECK(world.state.gpus[0].health == NVML_ERROR_RESET_REQUIRED);
  Reboot(world.image, world.state);
  CHECK(world.state.gpus[0].health == 0);
}
