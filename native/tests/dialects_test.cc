// The dialects of a node, each beside what a node says that speaks none.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "loaded_node.h"
#include "simulator/dialect.h"
#include "world.h"

namespace {

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

Node Speaking(std::uint32_t dialects) {
  Node driver = Driver(550);
  driver.dialects = dialects;
  return driver;
}

struct SpeakingNode : LoadedNode {
  explicit SpeakingNode(std::uint32_t dialects, const GpuBoard& board = A100())
      : LoadedNode(MakeImage(Speaking(dialects), {board})) {
    REQUIRE(nvmlInit_v2() == NVML_SUCCESS);
    Enable();
  }
  ~SpeakingNode() { nvmlShutdown(); }

  // A full MIG device of the smallest profile, at a memory slice.
  unsigned CreateAt(unsigned start) const {
    const nvmlGpuInstancePlacement_t place = {start, 1};
    nvmlGpuInstance_t instance;
    nvmlComputeInstance_t compute;
    nvmlGpuInstanceInfo_t info;
    REQUIRE(nvmlDeviceCreateGpuInstanceWithPlacement(gpu(), 19, &place, &instance) ==
            NVML_SUCCESS);
    REQUIRE(nvmlGpuInstanceCreateComputeInstance(instance, 0, &compute) == NVML_SUCCESS);
    REQUIRE(nvmlGpuInstanceGetInfo(instance, &info) == NVML_SUCCESS);
    return info.id;
  }
  nvmlReturn_t Destroy(unsigned id) const {
    nvmlGpuInstance_t instance;
    nvmlComputeInstance_t compute;
    nvmlReturn_t code = nvmlDeviceGetGpuInstanceById(gpu(), id, &instance);
    if (code == NVML_SUCCESS) {
      code = nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute);
    }
    if (code == NVML_SUCCESS) code = nvmlComputeInstanceDestroy(compute);
    return code == NVML_SUCCESS ? nvmlGpuInstanceDestroy(instance) : code;
  }
  nvmlReturn_t At(unsigned index, nvmlDevice_t* device) const {
    return nvmlDeviceGetMigDeviceHandleByIndex(gpu(), index, device);
  }
  // Ids of the GPU instances that the indices list; kSimulatorNone for an index without a device.
  std::vector<unsigned> Listed() const {
    std::vector<unsigned> ids;
    for (unsigned index = 0; index < 7; index++) {
      nvmlDevice_t device;
      const nvmlReturn_t code = At(index, &device);
      unsigned id = kSimulatorNone, own = 99;
      if (code == NVML_SUCCESS) {
        REQUIRE(nvmlDeviceGetGpuInstanceId(device, &id) == NVML_SUCCESS);
        REQUIRE(nvmlDeviceGetIndex(device, &own) == NVML_SUCCESS);
        CHECK(own == index);
      } else {
        REQUIRE(code == NVML_ERROR_NOT_FOUND);
      }
      ids.push_back(id);
    }
    while (!ids.empty() && ids.back() == kSimulatorNone) ids.pop_back();
    return ids;
  }
};

using Ids = std::vector<unsigned>;
constexpr unsigned kHole = kSimulatorNone;

// What another process does that initialises the node's library for itself.
int InAnotherProcess(const LoadedNode& node, const std::function<bool()>& act) {
  const pid_t child = fork();
  if (child == 0) _exit(node.nvmlInit_v2() == NVML_SUCCESS && act() ? 0 : 1);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("MIG indices with holes") {
  SpeakingNode node(kMigIndexHoles);
  // Eighths of a board are GPU instances 7 to 13, in order of address.
  for (const unsigned start : {6u, 0u, 3u}) node.CreateAt(start);
  CHECK(node.Listed() == Ids{13, 7, 10});
  REQUIRE(node.Destroy(7) == NVML_SUCCESS);
  CHECK(node.Listed() == Ids{13, kHole, 10});
  node.CreateAt(5);
  CHECK(node.Listed() == Ids{13, 12, 10});

  SpeakingNode plain(0);
  for (const unsigned start : {6u, 0u, 3u}) plain.CreateAt(start);
  CHECK(plain.Listed() == Ids{7, 10, 13});
  REQUIRE(plain.Destroy(7) == NVML_SUCCESS);
  CHECK(plain.Listed() == Ids{10, 13});
}

// Clients walk to what nvmlDeviceGetMaxMigDeviceCount says, so no index may lie beyond it.
TEST_CASE("an index with holes stays below the most MIG devices, and its device keeps it") {
  for (const GpuBoard& board : {A100(), A30(), H100(), RtxPro6000()}) {
    CAPTURE(board.name);
    World world({board}, Speaking(kMigIndexHoles));
    world.Enable();
    std::mt19937 random(7);
    std::map<std::uint32_t, unsigned> indices;  // by stamp
    for (int step = 0; step < 3000; step++) {
      GpuState& gpu = world.state.gpus[0];
      GpuInstance& instance = gpu.gpuInstances[random() % kMaxGpuInstances];
      const GpuInstance* createdInstance;
      const ComputeInstance* createdCompute;
      if (instance.stamp == 0) {
        const unsigned id = board.profiles[random() % board.profileCount].id;
        (void)CreateGpuInstance(world.edit(), id, nullptr, &createdInstance);
        continue;
      }
      ComputeInstance& compute = instance.computeInstances[random() % kMaxComputeInstances];
      const GpuInstanceProfile& offers = ProfileOf(board, instance);
      if (compute.stamp != 0) {
        indices.erase(compute.stamp);
        REQUIRE(DestroyComputeInstance(world.edit(), instance, compute) == NVML_SUCCESS);
        (void)DestroyGpuInstance(world.edit(), instance);
      } else if (CreateComputeInstance(
                     world.edit(), instance,
                     offers.computeProfiles[random() % offers.computeProfileCount].id, nullptr,
                     &createdCompute) == NVML_SUCCESS) {
        indices[createdCompute->stamp] =
            MigDeviceIndex(world.view(), {&instance, createdCompute});
      }
      std::set<unsigned> seen;
      for (const auto& [stamp, index] : indices) {
        REQUIRE(index < MaxMigDevices(world.view()));
        REQUIRE(seen.insert(index).second);
        MigDevice device;
        REQUIRE(MigDeviceAt(world.view(), index, &device) == NVML_SUCCESS);
        REQUIRE(device.compute->stamp == stamp);
        REQUIRE(MigDeviceIndex(world.view(), device) == index);
      }
    }
    CHECK(!indices.empty());
  }
}

TEST_CASE("profile enumeration that ends with NOT_SUPPORTED") {
  for (const bool open : {false, true}) {
    const nvmlReturn_t end = open ? NVML_ERROR_NOT_SUPPORTED : NVML_ERROR_INVALID_ARGUMENT;
    SpeakingNode node(open * kOpenProfileEnd);
    nvmlGpuInstanceProfileInfo_t profile;
    nvmlComputeInstanceProfileInfo_t part;
    nvmlGpuInstanceProfileInfo_v2_t named = {};
    named.version = nvmlGpuInstanceProfileInfo_v2;
    nvmlComputeInstance_t compute;
    const nvmlGpuInstance_t instance = node.Create(9, 0, &compute);
    // The release knows ten slots and eight; slot 5, of six slices, is one the board does not use.
    CHECK(node.nvmlDeviceGetGpuInstanceProfileInfo(node.gpu(), 9, &profile) == NVML_SUCCESS);
    CHECK(node.nvmlDeviceGetGpuInstanceProfileInfo(node.gpu(), 5, &profile) ==
          NVML_ERROR_NOT_SUPPORTED);
    for (const unsigned slot : {10u, 11u, 31u, ~0u}) {
      CHECK(node.nvmlDeviceGetGpuInstanceProfileInfo(node.gpu(), slot, &profile) == end);
      CHECK(node.nvmlDeviceGetGpuInstanceProfileInfoV(node.gpu(), slot, &named) == end);
    }
    for (const unsigned slot : {8u, 9u, ~0u}) {
      CHECK(node.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, slot, 0, &part) == end);
    }
    CHECK(node.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, 0, 1, &part) ==
          NVML_ERROR_INVALID_ARGUMENT);
  }
}

TEST_CASE("what a compute instance calls its device") {
  for (const bool parent : {false, true}) {
    SpeakingNode node(parent * kComputeInstanceOfParent);
    nvmlComputeInstance_t compute;
    node.Create(9, 2, &compute);
    nvmlComputeInstanceInfo_t info = {};
    const nvmlDevice_t device = parent ? node.gpu() : node.mig(0);
    CHECK(node.nvmlComputeInstanceGetInfo_v2(compute, &info) == NVML_SUCCESS);
    CHECK(info.device == device);
    CHECK(node.nvmlComputeInstanceGetInfo(compute, &info) == NVML_SUCCESS);
    CHECK(info.device == device);
  }
}

TEST_CASE("counts that NVML misreports change nothing but what it tells") {
  GpuBoard board = A30();
  REQUIRE(board.profiles[1].id == 21);
  board.profiles[1].reportedInstanceCount = 4;
  SpeakingNode node(0, board);
  nvmlGpuInstanceProfileInfo_t v1;
  nvmlGpuInstanceProfileInfo_v2_t v2 = {};
  v2.version = nvmlGpuInstanceProfileInfo_v2;
  nvmlGpuInstanceProfileInfo_v3_t v3 = {};
  v3.version = nvmlGpuInstanceProfileInfo_v3;
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfo(node.gpu(), 7, &v1) == NVML_SUCCESS);
  CHECK(v1.instanceCount == 4);
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfoV(node.gpu(), 7, &v2) == NVML_SUCCESS);
  CHECK(v2.instanceCount == 4);
  CHECK(node.nvmlDeviceGetGpuInstanceProfileInfoV(
            node.gpu(), 7, reinterpret_cast<nvmlGpuInstanceProfileInfo_v2_t*>(&v3)) ==
        NVML_SUCCESS);
  CHECK(v3.instanceCount == 4);
  unsigned count = 99;
  CHECK(node.nvmlDeviceGetGpuInstanceRemainingCapacity(node.gpu(), 21, &count) == NVML_SUCCESS);
  CHECK(count == 1);
  nvmlGpuInstance_t instance;
  CHECK(node.nvmlDeviceCreateGpuInstance(node.gpu(), 21, &instance) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceCreateGpuInstance(node.gpu(), 21, &instance) ==
        NVML_ERROR_INSUFFICIENT_RESOURCES);
}

// NVIDIA/libcudacxx #224: three MIG devices, nvmlInit, one is destroyed by somebody else, and the
// process still gets three.
TEST_CASE("a process that was initialised keeps a MIG device that another one destroyed") {
  for (const bool stale : {false, true}) {
    SpeakingNode node(stale * kStaleMigHandles);
    for (const unsigned start : {0u, 1u, 2u}) node.CreateAt(start);
    node.nvmlShutdown();
    REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
    CHECK(InAnotherProcess(node, [&] { return node.Destroy(8) == NVML_SUCCESS; }) == 0);
    CHECK(node.Listed() == (stale ? Ids{7, 8, 9} : Ids{7, 9}));
    // A process that begins now never saw it.
    CHECK(InAnotherProcess(node, [&] { return node.Listed() == Ids{7, 9}; }) == 0);
    node.nvmlShutdown();
    REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
    CHECK(node.Listed() == Ids{7, 9});
  }
}

TEST_CASE("the handle of a MIG device that is gone answers with what was") {
  SpeakingNode node(kStaleMigHandles);
  node.CreateAt(0);
  nvmlComputeInstance_t compute;
  const nvmlGpuInstance_t instance = node.Create(9, 0, &compute);
  const nvmlDevice_t mig = node.mig(1);  // the first that this process saw stays the first
  const auto text = [&](nvmlReturn_t (*get)(nvmlDevice_t, char*, unsigned)) {
    char out[96];
    REQUIRE(get(mig, out, sizeof(out)) == NVML_SUCCESS);
    return std::string(out);
  };
  const std::string uuid = text(node.nvmlDeviceGetUUID);
  REQUIRE(node.nvmlComputeInstanceDestroy(compute) == NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceDestroy(instance) == NVML_SUCCESS);

  unsigned value = 99;
  nvmlDevice_t parent;
  nvmlDeviceAttributes_t attributes;
  nvmlMemory_t memory;
  CHECK(text(node.nvmlDeviceGetUUID) == uuid);
  CHECK(text(node.nvmlDeviceGetName) == "NVIDIA A100-SXM4-40GB MIG 1c.3g.20gb");
  CHECK(node.nvmlDeviceIsMigDeviceHandle(mig, &value) == NVML_SUCCESS);
  CHECK(value == 1);
  CHECK(node.nvmlDeviceGetGpuInstanceId(mig, &value) == NVML_SUCCESS);
  CHECK(value == 2);
  CHECK(node.nvmlDeviceGetComputeInstanceId(mig, &value) == NVML_SUCCESS);
  CHECK(value == 0);
  CHECK(node.nvmlDeviceGetAttributes_v2(mig, &attributes) == NVML_SUCCESS);
  CHECK(attributes.gpuInstanceSliceCount == 3);
  CHECK(node.nvmlDeviceGetMemoryInfo(mig, &memory) == NVML_SUCCESS);
  CHECK(memory.total == 19968ull * 1024 * 1024);
  CHECK(node.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig, &parent) == NVML_SUCCESS);
  CHECK(parent == node.gpu());
  CHECK(node.mig(1) == mig);

  // What asks the driver anew, and the handles of the instances themselves, know better.
  nvmlGpuInstance_t found;
  nvmlGpuInstanceInfo_t info;
  CHECK(node.nvmlDeviceGetGpuInstanceById(node.gpu(), 2, &found) == NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlDeviceGetHandleByUUID(uuid.c_str(), &parent) == NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlGpuInstanceGetInfo(instance, &info) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
}

TEST_CASE("what was seen gives way to what lives") {
  SpeakingNode node(kStaleMigHandles);
  for (const unsigned start : {0u, 1u}) node.CreateAt(start);
  CHECK(node.Listed() == Ids{7, 8});
  const nvmlDevice_t first = node.mig(0);
  REQUIRE(node.Destroy(7) == NVML_SUCCESS);
  node.CreateAt(4);
  CHECK(node.Listed() == Ids{7, 8, 11});
  CHECK(node.mig(0) == first);

  // The same place and ids again: the new device has the index, and the old handle is nobody's.
  node.CreateAt(0);
  CHECK(node.Listed() == Ids{7, 8, 11});
  unsigned value;
  CHECK(node.mig(0) != first);
  CHECK(node.nvmlDeviceGetIndex(first, &value) == NVML_ERROR_INVALID_ARGUMENT);

  // Seven are the most: then a new one takes the lowest index of those that are dead.
  for (const unsigned start : {2u, 3u, 5u, 6u}) node.CreateAt(start);
  CHECK(node.Listed() == Ids{7, 8, 11, 9, 10, 12, 13});
  for (unsigned id = 8; id < 14; id++) REQUIRE(node.Destroy(id) == NVML_SUCCESS);
  CHECK(node.Listed() == Ids{7, 8, 11, 9, 10, 12, 13});
  nvmlComputeInstance_t compute;
  const nvmlGpuInstance_t half = node.Create(9, 2, &compute);
  CHECK(node.Listed() == Ids{7, 2, 11, 9, 10, 12, 13});

  // With MIG off nothing is left, and nothing comes back.
  REQUIRE(node.Destroy(7) == NVML_SUCCESS);
  REQUIRE(node.nvmlComputeInstanceDestroy(compute) == NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceDestroy(half) == NVML_SUCCESS);
  nvmlReturn_t activation;
  REQUIRE(node.nvmlDeviceSetMigMode(node.gpu(), 0, &activation) == NVML_SUCCESS);
  CHECK(node.Listed() == Ids{});
  node.Enable();
  CHECK(node.Listed() == Ids{});
}

TEST_CASE("every live MIG device has an index below the most, however many have died") {
  SpeakingNode node(kStaleMigHandles);
  std::mt19937 random(11);
  std::set<unsigned> live;
  for (int step = 0; step < 400; step++) {
    const unsigned start = static_cast<unsigned>(random() % 7);
    if (live.count(7 + start) != 0) {
      REQUIRE(node.Destroy(7 + start) == NVML_SUCCESS);
      live.erase(7 + start);
    } else {
      live.insert(node.CreateAt(start));
    }
    const Ids listed = node.Listed();
    for (const unsigned id : live) {
      CHECK(std::count(listed.begin(), listed.end(), id) == 1);
    }
  }
}

// For TSan: clients that list and follow handles while others create, destroy and begin anew.
TEST_CASE("many threads on a node with stale handles") {
  SpeakingNode node(kStaleMigHandles | kMigIndexHoles);
  std::atomic<bool> done{false};
  std::atomic<unsigned> answered{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; i++) {
    readers.emplace_back([&] {
      while (!done) {
        for (unsigned index = 0; index < 7; index++) {
          nvmlDevice_t device;
          char uuid[96];
          if (node.At(index, &device) == NVML_SUCCESS &&
              node.nvmlDeviceGetUUID(device, uuid, sizeof(uuid)) == NVML_SUCCESS) {
            answered++;
          }
        }
      }
    });
  }
  readers.emplace_back([&] {
    while (!done) {
      node.nvmlInit_v2();
      node.nvmlShutdown();
    }
  });
  for (int round = 0; round < 60; round++) {
    for (unsigned start = 0; start < 7; start++) node.CreateAt(start);
    for (unsigned id = 7; id < 14; id++) REQUIRE(node.Destroy(id) == NVML_SUCCESS);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(answered > 0);
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
}
