// Devices and MIG devices through the exported functions.
#include <cstring>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr unsigned long long kMiB = 1024 * 1024;

std::string Text(nvmlReturn_t (*get)(nvmlDevice_t, char*, unsigned), nvmlDevice_t device) {
  char text[128];
  REQUIRE(get(device, text, sizeof(text)) == NVML_SUCCESS);
  return text;
}

}  // namespace

TEST_CASE("a GPU is found by index, UUID and PCI address") {
  InitialisedNode node;
  const nvmlDevice_t gpu = node.gpu(1);
  nvmlDevice_t found = nullptr;
  unsigned value = 9;
  CHECK(gpu != node.gpu(0));
  CHECK(node.nvmlDeviceGetCount(&value) == NVML_SUCCESS);
  CHECK(value == 2);
  CHECK(node.nvmlDeviceGetHandleByIndex(1, &found) == NVML_SUCCESS);
  CHECK(found == gpu);
  CHECK(node.nvmlDeviceGetHandleByIndex_v2(2, &found) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetHandleByIndex_v2(0, nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  const std::string uuid = Text(node.nvmlDeviceGetUUID, gpu);
  CHECK(uuid == "GPU-21111111-2222-3333-4444-555555555555");
  CHECK(node.nvmlDeviceGetHandleByUUID(uuid.c_str(), &found) == NVML_SUCCESS);
  CHECK(found == gpu);
  CHECK(node.nvmlDeviceGetHandleByUUID("GPU-00000000-0000-0000-0000-000000000000", &found) ==
        NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlDeviceGetHandleByUUID("GPU-0", &found) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetHandleByUUID(nullptr, &found) == NVML_ERROR_INVALID_ARGUMENT);
  for (const char* address : {"00000000:8A:00.0", "0000:8a:00.0", "8a:00.0"}) {
    CHECK(node.nvmlDeviceGetHandleByPciBusId_v2(address, &found) == NVML_SUCCESS);
    CHECK(found == gpu);
    CHECK(node.nvmlDeviceGetHandleByPciBusId(address, &found) == NVML_SUCCESS);
  }
  CHECK(node.nvmlDeviceGetHandleByPciBusId_v2("0000:8b:00.0", &found) == NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlDeviceGetHandleByPciBusId_v2("0000:8a:00.1", &found) == NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlDeviceGetHandleByPciBusId_v2("eth0", &found) == NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("what a GPU says of itself") {
  InitialisedNode node;
  const nvmlDevice_t gpu = node.gpu(1);
  unsigned value = 0;
  int major = 0, minor = 0;
  nvmlPciInfo_t pci = {};
  CHECK(Text(node.nvmlDeviceGetName, gpu) == "NVIDIA A100-SXM4-40GB");
  CHECK(Text(node.nvmlDeviceGetSerial, gpu) == "1320021000001");
  char small[4];
  CHECK(node.nvmlDeviceGetName(gpu, small, 4) == NVML_ERROR_INSUFFICIENT_SIZE);
  CHECK(node.nvmlDeviceGetName(gpu, nullptr, 96) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetIndex(gpu, &value) == NVML_SUCCESS);
  CHECK(value == 1);
  CHECK(node.nvmlDeviceGetMinorNumber(gpu, &value) == NVML_SUCCESS);
  CHECK(value == 1);
  CHECK(node.nvmlDeviceGetArchitecture(gpu, &value) == NVML_SUCCESS);
  CHECK(value == NVML_DEVICE_ARCH_AMPERE);
  CHECK(node.nvmlDeviceGetCudaComputeCapability(gpu, &major, &minor) == NVML_SUCCESS);
  CHECK(major == 8);
  CHECK(minor == 0);
  CHECK(node.nvmlDeviceGetPciInfo_v3(gpu, &pci) == NVML_SUCCESS);
  CHECK(std::string(pci.busId) == "00000000:8A:00.0");
  CHECK(std::string(pci.busIdLegacy) == "0000:8A:00.0");
  CHECK(pci.bus == 0x8a);
}

// The device table that the A100 guide opens with has these columns; its figures are R450's, this
// board's memory R525's.
TEST_CASE("what a MIG device says of itself") {
  InitialisedNode node;
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  node.Create(9, 0, &compute);
  const nvmlDevice_t mig = node.mig(0);
  nvmlDevice_t found = nullptr;
  unsigned value = 0;
  CHECK(Text(node.nvmlDeviceGetName, mig) == "NVIDIA A100-SXM4-40GB MIG 1c.3g.20gb");
  const std::string uuid = Text(node.nvmlDeviceGetUUID, mig);
  // GPU instance 2, first slot 0: the sixteen bytes at place 2 * 8 + 0 of the board.
  CHECK(uuid == "MIG-10203040-5060-7080-90a0-b0c0d0e0f000");
  CHECK(node.nvmlDeviceGetHandleByUUID(uuid.c_str(), &found) == NVML_SUCCESS);
  CHECK(found == mig);
  CHECK(node.nvmlDeviceGetHandleByUUID("MIG-GPU-11111111-2222-3333-4444-555555555555/2/0",
                                       &found) == NVML_SUCCESS);
  CHECK(found == mig);
  CHECK(node.nvmlDeviceGetHandleByUUID("MIG-GPU-21111111-2222-3333-4444-555555555555/2/0",
                                       &found) == NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlDeviceGetHandleByUUID("MIG-GPU-11111111-2222-3333-4444-555555555555/2/1",
                                       &found) == NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlDeviceIsMigDeviceHandle(mig, &value) == NVML_SUCCESS);
  CHECK(value == 1);
  CHECK(node.nvmlDeviceIsMigDeviceHandle(node.gpu(), &value) == NVML_SUCCESS);
  CHECK(value == 0);
  CHECK(node.nvmlDeviceGetIndex(mig, &value) == NVML_SUCCESS);
  CHECK(value == 0);
  CHECK(node.nvmlDeviceGetGpuInstanceId(mig, &value) == NVML_SUCCESS);
  CHECK(value == 2);
  CHECK(node.nvmlDeviceGetComputeInstanceId(mig, &value) == NVML_SUCCESS);
  CHECK(value == 0);
  CHECK(node.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig, &found) == NVML_SUCCESS);
  CHECK(found == node.gpu());
  CHECK(node.nvmlDeviceGetMaxMigDeviceCount(node.gpu(0), &value) == NVML_SUCCESS);
  CHECK(value == 7);
  CHECK(node.nvmlDeviceGetMaxMigDeviceCount(node.gpu(1), &value) == NVML_SUCCESS);
  CHECK(value == 0);
  CHECK(node.nvmlDeviceGetMigDeviceHandleByIndex(node.gpu(), 1, &found) == NVML_ERROR_NOT_FOUND);
  CHECK(node.nvmlDeviceGetMigDeviceHandleByIndex(node.gpu(1), 0, &found) == NVML_ERROR_NOT_FOUND);

  nvmlDeviceAttributes_t attributes = {};
  CHECK(node.nvmlDeviceGetAttributes_v2(mig, &attributes) == NVML_SUCCESS);
  CHECK(attributes.multiprocessorCount == 14);
  CHECK(attributes.gpuInstanceSliceCount == 3);
  CHECK(attributes.computeInstanceSliceCount == 1);
  CHECK(attributes.memorySizeMB == 19968);
  std::memset(&attributes, 0xee, sizeof(attributes));
  CHECK(node.nvmlDeviceGetAttributes(mig, &attributes) == NVML_SUCCESS);
  CHECK(attributes.sharedOfaCount == 0);
  CHECK(attributes.gpuInstanceSliceCount == 0xeeeeeeee);  // the first form ends before it
}

TEST_CASE("MIG devices of the releases before R470 are named by their parent") {
  Node driver = Driver(460);
  driver.legacyMigUuids = 1;
  LoadedNode node(MakeImage(driver, {A100OfR460()}));
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  node.Create(19, 0, &compute);
  const std::string uuid = Text(node.nvmlDeviceGetUUID, node.mig(0));
  CHECK(uuid == "MIG-GPU-11111111-2222-3333-4444-555555555555/13/0");
  nvmlDevice_t found = nullptr;
  CHECK(node.nvmlDeviceGetHandleByUUID(uuid.c_str(), &found) == NVML_SUCCESS);
  CHECK(found == node.mig(0));
  node.nvmlShutdown();
}

TEST_CASE("a versioned UUID as text or as bytes") {
  InitialisedNode node(575);
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  node.Create(9, 2, &compute);
  nvmlUUID_v1_t uuid = {};
  nvmlDevice_t found = nullptr;
  CHECK(node.nvmlDeviceGetHandleByUUIDV(&uuid, &found) == NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  uuid.version = nvmlUUID_v1;
  CHECK(node.nvmlDeviceGetHandleByUUIDV(&uuid, &found) == NVML_ERROR_INVALID_ARGUMENT);
  uuid.type = NVML_UUID_TYPE_ASCII;
  std::memcpy(uuid.value.str, Text(node.nvmlDeviceGetUUID, node.mig(0)).c_str(), 41);
  CHECK(node.nvmlDeviceGetHandleByUUIDV(&uuid, &found) == NVML_SUCCESS);
  CHECK(found == node.mig(0));
  std::memset(uuid.value.str, 'G', sizeof(uuid.value.str));
  CHECK(node.nvmlDeviceGetHandleByUUIDV(&uuid, &found) == NVML_ERROR_INVALID_ARGUMENT);
  uuid.type = NVML_UUID_TYPE_BINARY;
  for (unsigned i = 0; i < 16; i++) uuid.value.bytes[i] = static_cast<unsigned char>(i * 16 + 16);
  CHECK(node.nvmlDeviceGetHandleByUUIDV(&uuid, &found) == NVML_SUCCESS);
  CHECK(found == node.mig(0));
  std::memset(uuid.value.bytes, 0x11, 4);
  std::memset(uuid.value.bytes + 4, 0x22, 2);
  std::memset(uuid.value.bytes + 6, 0x33, 2);
  std::memset(uuid.value.bytes + 8, 0x44, 2);
  std::memset(uuid.value.bytes + 10, 0x55, 6);
  CHECK(node.nvmlDeviceGetHandleByUUIDV(&uuid, &found) == NVML_SUCCESS);
  CHECK(found == node.gpu(0));
}

TEST_CASE("calls that are for the other kind of device") {
  InitialisedNode node;
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  node.Create(9, 2, &compute);
  const nvmlDevice_t gpu = node.gpu(), mig = node.mig(0);
  unsigned value = 0, other = 0;
  int major = 0, minor = 0;
  char text[96];
  nvmlDevice_t device = nullptr;
  nvmlPciInfo_t pci;
  nvmlDeviceAttributes_t attributes;
  nvmlReturn_t activation;
  nvmlGpuInstance_t instance = nullptr;
  const nvmlReturn_t unsupported[] = {
      node.nvmlDeviceGetGpuInstanceId(gpu, &value),
      node.nvmlDeviceGetComputeInstanceId(gpu, &value),
      node.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(gpu, &device),
      node.nvmlDeviceGetAttributes_v2(gpu, &attributes),
      node.nvmlDeviceGetSerial(mig, text, 96),
      node.nvmlDeviceGetMinorNumber(mig, &value),
      node.nvmlDeviceGetPciInfo_v3(mig, &pci),
      node.nvmlDeviceGetArchitecture(mig, &value),
      node.nvmlDeviceGetCudaComputeCapability(mig, &major, &minor)};
  for (const nvmlReturn_t code : unsupported) CHECK(code == NVML_ERROR_NOT_SUPPORTED);
  const nvmlReturn_t invalid[] = {
      node.nvmlDeviceGetMigMode(mig, &value, &other),
      node.nvmlDeviceSetMigMode(mig, 0, &activation),
      node.nvmlDeviceGetMaxMigDeviceCount(mig, &value),
      node.nvmlDeviceGetMigDeviceHandleByIndex(mig, 0, &device),
      node.nvmlDeviceCreateGpuInstance(mig, 19, &instance)};
  for (const nvmlReturn_t code : invalid) CHECK(code == NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("memory and BAR1 of GPUs and MIG devices") {
  InitialisedNode node;
  nvmlMemory_t memory = {};
  nvmlMemory_v2_t memory2 = {};
  nvmlBAR1Memory_t bar1 = {};
  CHECK(node.nvmlDeviceGetMemoryInfo(node.gpu(), &memory) == NVML_SUCCESS);
  CHECK(memory.total == 40960 * kMiB);
  CHECK(memory.free + memory.used == memory.total);
  CHECK(node.nvmlDeviceGetMemoryInfo_v2(node.gpu(), &memory2) ==
        NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  memory2.version = 0x02000028;
  CHECK(node.nvmlDeviceGetMemoryInfo_v2(node.gpu(), &memory2) == NVML_SUCCESS);
  CHECK(memory2.total == memory.total);
  CHECK(memory2.version == 0x02000028);
  CHECK(node.nvmlDeviceGetBAR1MemoryInfo(node.gpu(), &bar1) == NVML_SUCCESS);
  CHECK(bar1.bar1Total == 65536 * kMiB);

  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  node.Create(9, 2, &compute);
  node.Create(19, 0, &compute);
  CHECK(node.nvmlDeviceGetMemoryInfo(node.gpu(), &memory) == NVML_SUCCESS);
  CHECK(memory.used == 24 * kMiB);  // what the two instances use
  CHECK(node.nvmlDeviceGetMemoryInfo(node.mig(0), &memory) == NVML_SUCCESS);
  CHECK(memory.total == 19968 * kMiB);
  CHECK(memory.used == 12 * kMiB);
  CHECK(node.nvmlDeviceGetBAR1MemoryInfo(node.mig(0), &bar1) == NVML_SUCCESS);
  CHECK(bar1.bar1Total == 32767 * kMiB);
  CHECK(node.nvmlDeviceGetBAR1MemoryInfo(node.mig(1), &bar1) == NVML_SUCCESS);
  CHECK(bar1.bar1Total == 8191 * kMiB);

  CHECK(node.Command(kSimulatorSetRights, {0}) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetMemoryInfo(node.gpu(0), &memory) == NVML_ERROR_NO_PERMISSION);
  CHECK(node.nvmlDeviceGetMemoryInfo(node.gpu(1), &memory) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetMemoryInfo(node.mig(0), &memory) == NVML_SUCCESS);
}
