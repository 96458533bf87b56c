// GPU instances, compute instances and MIG devices, one state at a time. Codes come from recorded runs
// and NVML's documentation; what is derived says so.
#include <doctest/doctest.h>

#include <string>

#include "world.h"

using namespace nvml_mig::tests;

TEST_CASE("codes of GPU instance calls") {
  World world({A100()});
  const GpuInstanceProfile* profile;
  const GpuInstance* live[kMaxGpuInstances];
  const GpuInstance* found;
  unsigned count = 77, id = 0;
  // MIG off: what describes the board works, what needs instances does not.
  CHECK(GpuProfileBySlot(world.view(), 0, &profile) == NVML_SUCCESS);
  CHECK(profile->id == 19);
  CHECK(GpuPlacements(world.view(), 9, &profile) == NVML_SUCCESS);
  CHECK(GpuInstanceCapacity(world.view(), 19, &count) == NVML_SUCCESS);
  CHECK(count == 0);
  CHECK(world.Create(19, &id) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(ListGpuInstances(world.view(), 19, live, &count) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(GpuInstanceById(world.view(), 1, &found) == NVML_ERROR_NOT_SUPPORTED);

  world.Enable();
  CHECK(GpuProfileBySlot(world.view(), 5, &profile) == NVML_ERROR_NOT_SUPPORTED);  // no 8-slice
  CHECK(GpuProfileBySlot(world.view(), 9, &profile) == NVML_SUCCESS);
  CHECK(GpuProfileBySlot(world.view(), 10, &profile) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(GpuPlacements(world.view(), 1234, &profile) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(GpuInstanceCapacity(world.view(), 1234, &count) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(ListGpuInstances(world.view(), 1234, live, &count) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(world.Create(1234, &id) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(GpuInstanceById(world.view(), 1, &found) == NVML_ERROR_NOT_FOUND);

  CHECK(world.CreateAt(9, {2, 4}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(world.CreateAt(9, {4, 3}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(world.CreateAt(9, {4, 4}) == NVML_SUCCESS);
  CHECK(world.CreateAt(9, {4, 4}) == NVML_ERROR_INSUFFICIENT_RESOURCES);
  CHECK(world.CreateAt(14, {4, 2}) == NVML_ERROR_INSUFFICIENT_RESOURCES);
  CHECK(GpuInstanceById(world.view(), 2, &found) == NVML_SUCCESS);
  CHECK(found->start == 4);
  CHECK(world.Create(20, &id) == NVML_SUCCESS);
  CHECK(world.Create(20, &id) == NVML_ERROR_INSUFFICIENT_RESOURCES);  // gh200-cgi-me-full
}

TEST_CASE("lists are in order of ids, whatever the order of creation") {
  World world({A100()});
  world.Enable();
  unsigned id = 0;
  for (unsigned start : {3u, 0u, 5u}) REQUIRE(world.CreateAt(19, {start, 1}) == NVML_SUCCESS);
  REQUIRE(DestroyGpuInstance(world.edit(), world.instance(10)) == NVML_SUCCESS);
  REQUIRE(world.CreateAt(19, {1, 1}) == NVML_SUCCESS);
  REQUIRE(world.Create(14, &id) == NVML_SUCCESS);
  const GpuInstance* live[kMaxGpuInstances];
  unsigned count = 0;
  REQUIRE(ListGpuInstances(world.view(), 19, live, &count) == NVML_SUCCESS);
  REQUIRE(count == 3);
  CHECK(live[0]->id == 7);
  CHECK(live[1]->id == 8);
  CHECK(live[2]->id == 12);
}

TEST_CASE("what holds an instance") {
  World world({A100()});
  world.Enable();
  unsigned gi = 0, ci = 0, start = 0;
  REQUIRE(world.Create(9, &gi) == NVML_SUCCESS);
  REQUIRE(world.CreateCompute(gi, 0, &ci, &start) == NVML_SUCCESS);
  CHECK(DestroyGpuInstance(world.edit(), world.instance(gi)) == NVML_ERROR_IN_USE);
  REQUIRE(world.Start(40, gi, ci) == NVML_SUCCESS);
  CHECK(DestroyComputeInstance(world.edit(), world.instance(gi), world.compute(gi, ci)) ==
        NVML_ERROR_IN_USE);
  REQUIRE(world.Stop(40, gi, ci) == NVML_SUCCESS);
  REQUIRE(DestroyComputeInstance(world.edit(), world.instance(gi), world.compute(gi, ci)) ==
          NVML_SUCCESS);
  REQUIRE(world.Start(41, gi) == NVML_SUCCESS);
  CHECK(DestroyGpuInstance(world.edit(), world.instance(gi)) == NVML_ERROR_IN_USE);
  REQUIRE(world.Stop(41, gi) == NVML_SUCCESS);
  CHECK(DestroyGpuInstance(world.edit(), world.instance(gi)) == NVML_SUCCESS);
  CHECK(world.state.node.created == 2);
  CHECK(world.state.node.destroyed == 2);
}

TEST_CASE("clients are of something that exists") {
  World world({A100()});
  world.Enable();
  CHECK(world.Start(0) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(world.Start(1, kSimulatorNone, 0) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(world.Start(1, 3) == NVML_ERROR_NOT_FOUND);
  CHECK(world.Start(1, 255) == NVML_ERROR_NOT_FOUND);
  unsigned gi = 0;
  REQUIRE(world.Create(9, &gi) == NVML_SUCCESS);
  CHECK(world.Start(1, gi, 0) == NVML_ERROR_NOT_FOUND);
  CHECK(world.Stop(1) == NVML_ERROR_NOT_FOUND);
  CHECK(world.Stop(0) == NVML_ERROR_NOT_FOUND);
  for (unsigned pid = 1; pid <= kMaxClients; pid++) REQUIRE(world.Start(pid) == NVML_SUCCESS);
  CHECK(world.Start(1) == NVML_SUCCESS);  // it is there already
  CHECK(world.Start(kMaxClients + 1) == NVML_ERROR_INSUFFICIENT_RESOURCES);
  CHECK(world.Stop(1, 255) == NVML_ERROR_NOT_FOUND);
  CHECK(world.Stop(1) == NVML_SUCCESS);
}

TEST_CASE("compute instances slide on A100") {
  World world({A100()});
  world.Enable();
  unsigned gi = 0, ci = 0, start = 0, count = 0;
  REQUIRE(world.Create(9, &gi) == NVML_SUCCESS);
  for (unsigned i = 0; i < 3; i++) {  // a100-40-cci-1c-x3-lci: ids 0, 1, 2 at 0, 1, 2
    REQUIRE(world.CreateCompute(gi, 0, &ci, &start) == NVML_SUCCESS);
    CHECK(ci == i);
    CHECK(start == i);
  }
  CHECK(world.CreateCompute(gi, 0, &ci, &start) == NVML_ERROR_INSUFFICIENT_RESOURCES);
  REQUIRE(DestroyComputeInstance(world.edit(), world.instance(gi), world.compute(gi, 1)) ==
          NVML_SUCCESS);
  CHECK(ComputeInstanceCapacity(world.view(), world.instance(gi), 0, &count) == NVML_SUCCESS);
  CHECK(count == 1);
  CHECK(ComputeInstanceCapacity(world.view(), world.instance(gi), 1, &count) == NVML_SUCCESS);
  CHECK(count == 0);  // two slots side by side are not free
  REQUIRE(world.CreateCompute(gi, 0, &ci, &start) == NVML_SUCCESS);
  CHECK(ci == 1);
  CHECK(start == 1);
}

TEST_CASE("free compute instances as a100-40-lcip-2g-steps prints them") {
  World world({A100()});
  world.Enable();
  unsigned gi = 0, ci = 0, start = 0, part = 0, whole = 0;
  REQUIRE(world.Create(14, &gi) == NVML_SUCCESS);
  const unsigned expected[][2] = {{2, 1}, {1, 0}, {0, 0}};
  for (const auto& free : expected) {
    CHECK(ComputeInstanceCapacity(world.view(), world.instance(gi), 0, &part) == NVML_SUCCESS);
    CHECK(ComputeInstanceCapacity(world.view(), world.instance(gi), 1, &whole) == NVML_SUCCESS);
    CHECK(part == free[0]);
    CHECK(whole == free[1]);
    if (part != 0) REQUIRE(world.CreateCompute(gi, 0, &ci, &start) == NVML_SUCCESS);
  }
}

// Derived by hand from the rule. In a 7g.80gb a 1c at slot 6 spoils nothing but the whole, as slot 7
// is only of use to profiles that need slots 4 to 7; then 5 and 4, whose quarter is spoilt already.
TEST_CASE("compute instances of aligned boards go where they cost the least") {
  World world({H100()});
  world.Enable();
  unsigned gi = 0, ci = 0, start = 0;
  REQUIRE(world.Create(0, &gi) == NVML_SUCCESS);
  REQUIRE(world.CreateCompute(gi, 0, &ci, &start) == NVML_SUCCESS);
  CHECK(start == 6);
  REQUIRE(world.CreateCompute(gi, 0, &ci, &start) == NVML_SUCCESS);
  CHECK(start == 4);
  REQUIRE(world.CreateCompute(gi, 0, &ci, &start) == NVML_SUCCESS);
  CHECK(start == 5);

  World whole({H100()});
  whole.Enable();
  REQUIRE(whole.Create(9, &gi) == NVML_SUCCESS);
  REQUIRE(whole.CreateCompute(gi, 2, &ci, &start) == NVML_SUCCESS);
  CHECK(start == 0);
  CHECK(whole.compute(gi, ci).size == 4);  // recorded: the full 3g compute instance is 0:4
}

TEST_CASE("codes of compute instance calls") {
  World world({A100()});
  world.Enable();
  unsigned gi = 0, count = 0;
  REQUIRE(world.Create(9, &gi) == NVML_SUCCESS);
  GpuInstance& instance = world.instance(gi);
  const ComputeProfile* profile;
  const ComputeInstance* live[kMaxComputeInstances];
  const ComputeInstance* made;
  CHECK(ComputeProfileBySlot(world.view(), instance, 2, 0, &profile) == NVML_SUCCESS);
  CHECK(std::string(profile->name) == "MIG 3g.20gb");
  CHECK(ComputeProfileBySlot(world.view(), instance, 3, 0, &profile) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(ComputeProfileBySlot(world.view(), instance, 8, 0, &profile) ==
        NVML_ERROR_INVALID_ARGUMENT);
  CHECK(ComputeProfileBySlot(world.view(), instance, 2, 1, &profile) ==
        NVML_ERROR_INVALID_ARGUMENT);
  CHECK(ComputePlacements(world.view(), instance, 3, &profile) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(ComputeInstanceCapacity(world.view(), instance, 3, &count) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(ListComputeInstances(world.view(), instance, 3, live, &count) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(ComputeInstanceById(world.view(), instance, 0, &made) == NVML_ERROR_NOT_FOUND);
  const auto createAt = [&](unsigned id, Placement place) {
    return CreateComputeInstance(world.edit(), instance, id, &place, &made);
  };
  CHECK(createAt(3, {0, 4}) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(createAt(1, {2, 2}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(createAt(1, {0, 1}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(createAt(1, {1, 2}) == NVML_SUCCESS);
  CHECK(createAt(0, {2, 1}) == NVML_ERROR_INSUFFICIENT_RESOURCES);
  CHECK(createAt(0, {0, 1}) == NVML_SUCCESS);
  REQUIRE(ListComputeInstances(world.view(), instance, 0, live, &count) == NVML_SUCCESS);
  REQUIRE(count == 1);
  CHECK(live[0]->id == 1);
}

TEST_CASE("without privilege only what describes the board, and MIG devices, are open") {
  for (const unsigned branch : {470u, 550u}) {
    CAPTURE(branch);
    World world({A100()}, Driver(branch));
    world.Enable();
    unsigned gi = 0, ci = 0, start = 0, count = 0;
    REQUIRE(world.Create(9, &gi) == NVML_SUCCESS);
    REQUIRE(world.CreateCompute(gi, 2, &ci, &start) == NVML_SUCCESS);
    world.state.node.rights = 0;
    const auto info = branch < 510 ? NVML_ERROR_NO_PERMISSION : NVML_SUCCESS;
    GpuInstance& instance = world.instance(gi);
    const GpuInstanceProfile* profile;
    const ComputeProfile* computeProfile;
    const GpuInstance* live[kMaxGpuInstances];
    const ComputeInstance* computes[kMaxComputeInstances];
    nvmlReturn_t activation;
    MigDevice device;
    CHECK(GpuProfileBySlot(world.view(), 0, &profile) == info);
    CHECK(ComputeProfileBySlot(world.view(), instance, 0, 0, &computeProfile) == info);
    const nvmlReturn_t refused[] = {
        world.SetMode(0, &activation),
        GpuPlacements(world.view(), 9, &profile),
        GpuInstanceCapacity(world.view(), 9, &count),
        ListGpuInstances(world.view(), 9, live, &count),
        GpuInstanceById(world.view(), gi, live),
        world.Create(9, &gi),
        DestroyGpuInstance(world.edit(), instance),
        ComputePlacements(world.view(), instance, 0, &computeProfile),
        ComputeInstanceCapacity(world.view(), instance, 0, &count),
        ListComputeInstances(world.view(), instance, 0, computes, &count),
        ComputeInstanceById(world.view(), instance, ci, computes),
        world.CreateCompute(instance.id, 0, &ci, &start),
        DestroyComputeInstance(world.edit(), instance, world.compute(instance.id, 0))};
    for (const nvmlReturn_t code : refused) CHECK(code == NVML_ERROR_NO_PERMISSION);
    CHECK_FALSE(MayReadWhole(world.view()));
    CHECK(MigDeviceAt(world.view(), 0, &device) == NVML_SUCCESS);
    CHECK(device.compute->id == 0);
  }
}

TEST_CASE("MIG devices are ranked by GPU instance id, then compute instance id") {
  World world({A30()});
  world.Enable();
  unsigned ci = 0, start = 0;
  MigDevice device;
  CHECK(MaxMigDevices(world.view()) == 4);
  CHECK(MigDeviceAt(world.view(), 0, &device) == NVML_ERROR_NOT_FOUND);
  REQUIRE(world.CreateAt(14, {0, 1}) == NVML_SUCCESS);  // GI 3
  REQUIRE(world.CreateCompute(3, 0, &ci, &start) == NVML_SUCCESS);
  REQUIRE(MigDeviceAt(world.view(), 0, &device) == NVML_SUCCESS);
  CHECK(device.instance->id == 3);
  const std::uint8_t* const uuid = MigDeviceUuid(world.view().board, device);
  // a30-mig-devices: a lower id appears and GI 3 moves from Dev 0 on.
  REQUIRE(world.CreateAt(5, {2, 2}) == NVML_SUCCESS);  // GI 2
  for (unsigned i = 0; i < 2; i++) {
    REQUIRE(world.CreateCompute(2, 0, &ci, &start) == NVML_SUCCESS);
  }
  const unsigned expected[][2] = {{2, 0}, {2, 1}, {3, 0}};
  for (unsigned i = 0; i < 3; i++) {
    REQUIRE(MigDeviceAt(world.view(), i, &device) == NVML_SUCCESS);
    CHECK(device.instance->id == expected[i][0]);
    CHECK(device.compute->id == expected[i][1]);
    CHECK(MigDeviceIndex(world.view(), device) == i);
  }
  CHECK(MigDeviceUuid(world.view().board, device) == uuid);  // it belongs to the place
  CHECK(MigDeviceAt(world.view(), 3, &device) == NVML_ERROR_NOT_FOUND);
}

// Recorded: A100-40GB 8191 MiB for 1g and 32767 for 3g, A30 8191 for 1g and 16383 for 2g.
TEST_CASE("BAR1 of an instance is its share less 1 MiB") {
  GpuInstance instance = {};
  const auto share = [&](const GpuBoard& board, std::uint8_t size) {
    World world({board});
    instance.size = size;
    return InstanceBar1(world.view(), instance).total;
  };
  CHECK(share(A100(), 1) == 8191);
  CHECK(share(A100(), 4) == 32767);
  CHECK(share(A30(), 1) == 8191);
  CHECK(share(A30(), 2) == 16383);
}

TEST_CASE("a board without MIG says so") {
  GpuBoard plain = A100();
  plain.profileCount = 0;
  World world({plain});
  unsigned current = 0, pending = 0;
  nvmlReturn_t activation;
  MigDevice device;
  CHECK(GetMigMode(world.view(), &current, &pending) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(world.SetMode(1, &activation) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(MigDeviceAt(world.view(), 0, &device) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(MaxMigDevices(world.view()) == 0);
}
