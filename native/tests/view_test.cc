// What a container sees: some GPUs whole, some MIG devices, nothing of the rest.
#include <cstring>

#include "loaded_node.h"
#include "simulator/checksum.h"
#include "simulator/view.h"

namespace nvml_mig::tests {

using namespace simulator;

namespace {

constexpr unsigned k3g = 9, k3gWhole = 2;  // profiles of an A100

GpuBoard Numbered(unsigned number) {
  GpuBoard board = A100();
  board.uuid[4] = static_cast<char>('2' + number);
  std::snprintf(board.busId, sizeof(board.busId), "00000000:%02X:00.0", 0x80 + number);
  board.pciBus = 0x80 + number;
  board.minorNumber = number;
  for (unsigned i = 0; i < sizeof(board.migUuids); i += 16) {
    board.migUuids[i + 1] = static_cast<std::uint8_t>(0xf0 + number);
  }
  return board;
}

struct Seen {
  std::uint32_t gpus = 0;  // bit per GPU
  struct Device {
    unsigned gpu, instance, compute;
  };
  std::vector<Device> devices = {};
  std::uint32_t rights = 0;
  bool othersAbsent = false;
};

View ViewOf(const Seen& seen) {
  View view = {};
  view.magic = kViewMagic;
  view.layoutVersion = kImageLayoutVersion;
  view.rights = seen.rights;
  view.gpus = seen.gpus;
  view.othersAbsent = seen.othersAbsent;
  for (const auto& it : seen.devices) {
    view.devices[it.gpu * kViewIds + it.instance] |= static_cast<std::uint8_t>(1 << it.compute);
  }
  view.checksum = Checksum(&view, offsetof(View, checksum));
  return view;
}

// Four A100 in MIG mode, each with two MIG devices, 1/0 and 2/0.
struct Host : LoadedNode {
  Host()
      : LoadedNode(MakeImage(Driver(575), {Numbered(0), Numbered(1), Numbered(2), Numbered(3)})) {
    REQUIRE(nvmlInit_v2() == NVML_SUCCESS);
    for (unsigned index = 0; index < 4; index++) {
      Enable(index);
      for (unsigned i = 0; i < 2; i++) {
        nvmlGpuInstance_t instance;
        nvmlComputeInstance_t compute;
        REQUIRE(nvmlDeviceCreateGpuInstance(gpu(index), k3g, &instance) == NVML_SUCCESS);
        REQUIRE(nvmlGpuInstanceCreateComputeInstance(instance, k3gWhole, &compute) ==
                NVML_SUCCESS);
      }
    }
  }
  ~Host() { nvmlShutdown(); }

  std::string uuid(nvmlDevice_t device) const {
    char text[96];
    REQUIRE(nvmlDeviceGetUUID(device, text, sizeof(text)) == NVML_SUCCESS);
    return text;
  }
  std::string migUuid(unsigned index, unsigned mig) const {
    nvmlDevice_t device;
    REQUIRE(nvmlDeviceGetMigDeviceHandleByIndex(gpu(index), mig, &device) == NVML_SUCCESS);
    return uuid(device);
  }
};

struct Box : LoadedNode {
  Box(const Host& host, const Seen& seen) : LoadedNode(host, ViewOf(seen)) {
    REQUIRE(nvmlInit_v2() == NVML_SUCCESS);
  }
  ~Box() { nvmlShutdown(); }
};

constexpr nvmlReturn_t kOk = NVML_SUCCESS, kInvalid = NVML_ERROR_INVALID_ARGUMENT,
                       kNo = NVML_ERROR_NO_PERMISSION, kNone = NVML_ERROR_NOT_FOUND;

}  // namespace

TEST_CASE("GPUs in a container: counted, indexed and found as far as they are seen") {
  const Host host;
  // GPU 1 by one of its MIG devices, GPU 3 whole; 0 and 2 not at all.
  struct Row {
    bool absent;
    unsigned countV1, countV2;
    nvmlReturn_t byIndex[5], byUuid[4], byBusV1[4], byBusV2[4];
    unsigned indices[2], minorsV1[2];
  };
  const Row rows[] = {
      {false, 2, 4, {kNo, kOk, kNo, kOk, kInvalid}, {kNo, kOk, kNo, kOk}, {kNone, kOk, kNone, kOk},
       {kNo, kOk, kNo, kOk}, {1, 3}, {1, 3}},
      {true, 2, 2, {kOk, kOk, kInvalid, kInvalid, kInvalid}, {kNone, kOk, kNone, kOk},
       {kNone, kOk, kNone, kOk}, {kNone, kOk, kNone, kOk}, {0, 1}, {1, 3}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.absent);
    const Box box(host, {.gpus = 1 << 3, .devices = {{1, 2, 0}}, .othersAbsent = row.absent});
    unsigned count = 0;
    CHECK(box.nvmlDeviceGetCount_v2(&count) == kOk);
    CHECK(count == row.countV2);
    CHECK(box.nvmlDeviceGetCount(&count) == kOk);
    CHECK(count == row.countV1);
    nvmlDevice_t device;
    for (unsigned i = 0; i < 5; i++) {
      CHECK(box.nvmlDeviceGetHandleByIndex_v2(i, &device) == row.byIndex[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
      unsigned number;
      REQUIRE(box.nvmlDeviceGetHandleByIndex(i, &device) == kOk);
      CHECK(box.nvmlDeviceGetMinorNumber(device, &number) == kOk);
      CHECK(number == row.minorsV1[i]);
      CHECK(box.nvmlDeviceGetIndex(device, &number) == kOk);
      CHECK(number == row.indices[i]);
    }
    CHECK(box.nvmlDeviceGetHandleByIndex(2, &device) == kInvalid);
    for (unsigned i = 0; i < 4; i++) {
      CAPTURE(i);
      const GpuBoard board = Numbered(i);
      CHECK(box.nvmlDeviceGetHandleByUUID(board.uuid, &device) == row.byUuid[i]);
      CHECK(box.nvmlDeviceGetHandleByPciBusId(board.busId, &device) == row.byBusV1[i]);
      CHECK(box.nvmlDeviceGetHandleByPciBusId_v2(board.busId, &device) == row.byBusV2[i]);
    }
    CHECK(box.nvmlDeviceGetHandleByPciBusId_v2("00000000:99:00.0", &device) == kNone);
    // A handle that somebody outside was given opens nothing here.
    unsigned minor;
    CHECK(box.nvmlDeviceGetMinorNumber(host.gpu(0), &minor) == kInvalid);
    CHECK(box.nvmlDeviceGetMinorNumber(host.gpu(1), &minor) == kOk);
  }
}

TEST_CASE("MIG devices in a container: ranked and found as far as they are seen") {
  const Host host;
  struct Row {
    std::uint32_t rights;
    unsigned visible;  // of GPU 1
    nvmlReturn_t hidden, list, whole;
  };
  const Row rows[] = {{0, 1, kNone, kNo, kNo},
                      {kConfigRight, 2, kOk, kOk, kNo},
                      {kMonitorRight, 2, kOk, kOk, kOk}};
  for (const Row& row : rows) {
    CAPTURE(row.rights);
    const Box box(host, {.devices = {{1, 2, 0}}, .rights = row.rights});
    const nvmlDevice_t gpu = box.gpu(1);
    nvmlDevice_t device, mig;
    for (unsigned i = 0; i < 4; i++) {
      CHECK(box.nvmlDeviceGetMigDeviceHandleByIndex(gpu, i, &device) ==
            (i < row.visible ? kOk : kNone));
    }
    // 2/0 is the second of the GPU, and the first in a container that has it alone.
    REQUIRE(box.nvmlDeviceGetHandleByUUID(host.migUuid(1, 1).c_str(), &mig) == kOk);
    unsigned number;
    CHECK(box.nvmlDeviceGetIndex(mig, &number) == kOk);
    CHECK(number == row.visible - 1);
    CHECK(box.nvmlDeviceGetGpuInstanceId(mig, &number) == kOk);
    CHECK(number == 2);
    CHECK(box.nvmlDeviceGetHandleByUUID(host.migUuid(1, 0).c_str(), &device) == row.hidden);
    const std::string tuple = "MIG-" + host.uuid(host.gpu(1));
    CHECK(box.nvmlDeviceGetHandleByUUID((tuple + "/2/0").c_str(), &device) == kOk);
    CHECK(box.nvmlDeviceGetHandleByUUID((tuple + "/1/0").c_str(), &device) == row.hidden);
    CHECK(box.nvmlDeviceGetHandleByUUID(host.migUuid(0, 0).c_str(), &device) == kNone);
    nvmlUUID_v1_t uuid = {};
    uuid.version = nvmlUUID_v1;
    uuid.type = NVML_UUID_TYPE_BINARY;
    // Of instance 1 and compute slot 0.
    std::memcpy(uuid.value.bytes, Numbered(1).migUuids + 16 * 8 * 1, 16);
    CHECK(box.nvmlDeviceGetHandleByUUIDV(&uuid, &device) == row.hidden);
    nvmlDevice_t outside;
    REQUIRE(host.nvmlDeviceGetMigDeviceHandleByIndex(host.gpu(1), 0, &outside) == kOk);
    CHECK(box.nvmlDeviceGetIndex(outside, &number) == (row.hidden == kOk ? kOk : kInvalid));

    nvmlGpuInstance_t instances[8];
    CHECK(box.nvmlDeviceGetGpuInstances(gpu, k3g, instances, &number) == row.list);
    if (row.list == kOk) CHECK(number == 2);
    CHECK(box.nvmlDeviceGetGpuInstanceById(gpu, 2, instances) == row.list);

    nvmlMemory_t memory;
    nvmlBAR1Memory_t bar1;
    unsigned none = 0;
    CHECK(box.nvmlDeviceGetMemoryInfo(gpu, &memory) == row.whole);
    CHECK(box.nvmlDeviceGetBAR1MemoryInfo(gpu, &bar1) == row.whole);
    CHECK(box.nvmlDeviceGetComputeRunningProcesses_v3(gpu, &none, nullptr) == row.whole);
    CHECK(box.nvmlDeviceGetMemoryInfo(mig, &memory) == kOk);
    CHECK(memory.total == 19968ull << 20);
    CHECK(box.nvmlDeviceGetBAR1MemoryInfo(mig, &bar1) == kOk);
    CHECK(box.nvmlDeviceGetComputeRunningProcesses_v3(mig, &none, nullptr) == kOk);
    CHECK(box.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig, &device) == kOk);
    CHECK(device == gpu);
  }
}

TEST_CASE("a container changes what its capabilities let it, whatever the host's callers may") {
  Host host;
  struct Row {
    std::uint32_t rights;
    nvmlReturn_t change;
  };
  for (const Row& row : {Row{0, kNo}, Row{kMonitorRight, kNo}, Row{kConfigRight, kOk}}) {
    CAPTURE(row.rights);
    const Box box(host, {.gpus = 1 << 3, .devices = {{1, 2, 0}}, .rights = row.rights});
    for (const std::uint32_t hostRights : {std::uint32_t{kRootRight}, 0u}) {
      CAPTURE(hostRights);
      REQUIRE(host.Command(kSimulatorSetRights, {hostRights}) == kOk);
      nvmlReturn_t activation;
      CHECK(box.nvmlDeviceSetMigMode(box.gpu(3), 0, &activation) == kNo);
      for (const unsigned gpu : {1u, 3u}) {
        nvmlGpuInstance_t instance;
        nvmlComputeInstance_t compute;
        REQUIRE(host.Command(kSimulatorSetRights, {kRootRight}) == kOk);
        REQUIRE(host.nvmlDeviceGetGpuInstanceById(host.gpu(gpu), 1, &instance) == kOk);
        REQUIRE(host.nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute) == kOk);
        REQUIRE(host.Command(kSimulatorSetRights, {hostRights}) == kOk);
        CHECK(box.nvmlComputeInstanceDestroy(compute) == row.change);
        CHECK(box.nvmlGpuInstanceCreateComputeInstance(instance, k3gWhole, &compute) ==
              (row.change == kOk ? kOk : kNo));
        // GPU 0 is not this container's.
        nvmlGpuInstance_t made;
        CHECK(box.nvmlDeviceCreateGpuInstance(host.gpu(0), 19, &made) == kNo);
      }
    }
    REQUIRE(host.Command(kSimulatorSetRights, {kRootRight}) == kOk);
  }
}

TEST_CASE("what the host destroys is gone in a container, and what takes its ids is there") {
  const Host host;
  const Box box(host, {.devices = {{1, 2, 0}}});
  const std::string uuid = host.migUuid(1, 1);
  nvmlDevice_t mig, again;
  REQUIRE(box.nvmlDeviceGetHandleByUUID(uuid.c_str(), &mig) == kOk);
  nvmlGpuInstance_t instance;
  nvmlComputeInstance_t compute;
  REQUIRE(host.nvmlDeviceGetGpuInstanceById(host.gpu(1), 2, &instance) == kOk);
  REQUIRE(host.nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute) == kOk);
  REQUIRE(host.nvmlComputeInstanceDestroy(compute) == kOk);
  unsigned number;
  CHECK(box.nvmlDeviceGetIndex(mig, &number) == kInvalid);
  CHECK(box.nvmlDeviceGetHandleByUUID(uuid.c_str(), &again) == kNone);
  CHECK(box.nvmlDeviceGetMigDeviceHandleByIndex(box.gpu(1), 0, &again) == kNone);
  REQUIRE(host.nvmlGpuInstanceCreateComputeInstance(instance, k3gWhole, &compute) == kOk);
  CHECK(box.nvmlDeviceGetHandleByUUID(uuid.c_str(), &again) == kOk);
  CHECK(box.nvmlDeviceGetIndex(mig, &number) == kInvalid);
}

TEST_CASE("a container without GPUs initialises: they are denied, or there are none") {
  const Host host;
  for (const bool absent : {false, true}) {
    const Box box(host, {.othersAbsent = absent});
    unsigned count = 9;
    CHECK(box.nvmlDeviceGetCount_v2(&count) == kOk);
    CHECK(count == (absent ? 0 : 4));
    nvmlDevice_t device;
    CHECK(box.nvmlDeviceGetHandleByIndex_v2(0, &device) == (absent ? kInvalid : kNo));
  }
}

TEST_CASE("a view that is damaged, of another version or with too many rights is refused") {
  const Host host;
  const auto refused = [&](auto damage) {
    View view = ViewOf({.gpus = 1});
    damage(view);
    LoadedNode box(host, view);
    CHECK(box.nvmlInit_v2() == NVML_ERROR_UNKNOWN);
    CHECK(box.Command(kSimulatorCheck) == NVML_ERROR_UNKNOWN);
    CHECK(std::strstr(box.text, "node.view is not what a container") != nullptr);
  };
  const auto seal = [](View& view) { view.checksum = Checksum(&view, offsetof(View, checksum)); };
  refused([](View& view) { view.gpus = 2; });
  refused([&](View& view) { view.magic++, seal(view); });
  refused([&](View& view) { view.layoutVersion++, seal(view); });
  refused([&](View& view) { view.rights = kRootRight, seal(view); });

  for (const std::size_t bytes : {std::size_t{0}, sizeof(View) - 1, sizeof(View) + 1}) {
    CAPTURE(bytes);
    LoadedNode box(host, ViewOf({.gpus = 1}));
    std::filesystem::resize_file(box.directory.path() + "/node.view", bytes);
    CHECK(box.nvmlInit_v2() == NVML_ERROR_UNKNOWN);
  }
  LoadedNode box(host, ViewOf({.gpus = 1}));
  std::filesystem::remove(box.directory.path() + "/node.view");
  std::filesystem::create_directory(box.directory.path() + "/node.view");
  CHECK(box.nvmlInit_v2() == NVML_ERROR_UNKNOWN);
}

TEST_CASE("a container's changes are made to the node that its link leads to") {
  const Host host;
  const Box box(host, {.gpus = 15, .rights = kConfigRight});
  std::filesystem::create_directories(host.directory.path() + "/root/dev/nvidia-caps");
  std::filesystem::create_directories(host.directory.path() +
                                      "/root/proc/driver/nvidia/capabilities/gpu2/mig");
  nvmlGpuInstance_t instance;
  REQUIRE(box.nvmlDeviceGetGpuInstanceById(box.gpu(2), 2, &instance) == kOk);
  nvmlComputeInstance_t compute;
  REQUIRE(box.nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute) == kOk);
  REQUIRE(box.nvmlComputeInstanceDestroy(compute) == kOk);
  REQUIRE(box.nvmlGpuInstanceDestroy(instance) == kOk);
  REQUIRE(box.nvmlDeviceCreateGpuInstance(box.gpu(2), k3g, &instance) == kOk);
  REQUIRE(box.nvmlGpuInstanceCreateComputeInstance(instance, k3gWhole, &compute) == kOk);
  CHECK(std::filesystem::exists(host.directory.path() +
                                "/root/proc/driver/nvidia/capabilities/gpu2/mig/gi2/ci0/access"));
  nvmlDevice_t mig;
  CHECK(host.nvmlDeviceGetMigDeviceHandleByIndex(host.gpu(2), 1, &mig) == kOk);

  // As another image in the node's place: the container's next init meets it.
  host.directory.Replace(MakeImage(Driver(535), {A30()}));
  CHECK(box.nvmlComputeInstanceDestroy(compute) == NVML_ERROR_DRIVER_NOT_LOADED);
  box.nvmlShutdown();
  REQUIRE(box.nvmlInit_v2() == kOk);
  char version[80];
  CHECK(box.nvmlSystemGetDriverVersion(version, sizeof(version)) == kOk);
  CHECK(std::strncmp(version, "535", 3) == 0);
}

}  // namespace nvml_mig::tests
