// Lists of processes, through the exported functions.
#include <cstring>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr unsigned long long kMiB = 1024 * 1024;
constexpr unsigned kNone = kSimulatorNone;

// A compute process on the whole GPU and two graphics ones.
void StartThree(LoadedNode& node) {
  REQUIRE(node.Command(kSimulatorStartClient, {0, kNone, kNone, 71, 0, 100}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorStartClient, {0, kNone, kNone, 72, 1, 200}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorStartClient, {0, kNone, kNone, 73, 1, 300}) == NVML_SUCCESS);
}

}  // namespace

TEST_CASE("a list says how many there are, and gives them to who has room") {
  InitialisedNode node;
  StartThree(node);
  unsigned count = 0;
  CHECK(node.nvmlDeviceGetGraphicsRunningProcesses_v3(node.gpu(), &count, nullptr) ==
        NVML_ERROR_INSUFFICIENT_SIZE);
  CHECK(count == 2);
  nvmlProcessInfo_t rows[3] = {};
  count = 1;
  CHECK(node.nvmlDeviceGetGraphicsRunningProcesses_v3(node.gpu(), &count, rows) ==
        NVML_ERROR_INSUFFICIENT_SIZE);
  CHECK(count == 2);
  CHECK(rows[1].pid == 0);
  count = 3;
  CHECK(node.nvmlDeviceGetGraphicsRunningProcesses_v3(node.gpu(), &count, rows) == NVML_SUCCESS);
  CHECK(count == 2);
  CHECK(rows[0].pid == 72);
  CHECK(rows[0].usedGpuMemory == 200 * kMiB);
  CHECK(rows[1].pid == 73);
  CHECK(rows[0].gpuInstanceId == 0xffffffff);
  CHECK(rows[0].computeInstanceId == 0xffffffff);
  count = 0;
  CHECK(node.nvmlDeviceGetMPSComputeRunningProcesses_v3(node.gpu(), &count, nullptr) ==
        NVML_SUCCESS);
  CHECK(count == 0);
  count = 2;
  CHECK(node.nvmlDeviceGetComputeRunningProcesses(node.gpu(), &count, nullptr) ==
        NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetComputeRunningProcesses(node.gpu(), nullptr, nullptr) ==
        NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("each form has rows of its own length") {
  for (const bool wide : {false, true}) {
    CAPTURE(wide);
    Node driver = Driver(535);
    driver.wideProcessRows = wide;
    LoadedNode node(MakeImage(driver, {A100()}));
    REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
    StartThree(node);
    // Bytes that stay what they were show where the second row ends.
    alignas(8) unsigned char bytes[128];
    const auto second = [&]<class Row>(nvmlReturn_t (*get)(nvmlDevice_t, unsigned*, Row*),
                                       std::size_t stride) {
      std::memset(bytes, 0xee, sizeof(bytes));
      unsigned count = 2;
      CHECK(get(node.gpu(), &count, reinterpret_cast<Row*>(bytes)) == NVML_SUCCESS);
      unsigned pid;
      std::memcpy(&pid, bytes + stride, sizeof(pid));
      CHECK(pid == 73);
      CHECK(bytes[2 * stride] == 0xee);
    };
    second(node.nvmlDeviceGetGraphicsRunningProcesses, 16);
    second(node.nvmlDeviceGetGraphicsRunningProcesses_v2, 24);
    second(node.nvmlDeviceGetGraphicsRunningProcesses_v3, wide ? 32 : 24);
    node.nvmlShutdown();
  }
}

TEST_CASE("the detailed list is of one kind or of all") {
  InitialisedNode node;
  StartThree(node);
  nvmlProcessDetail_v1_t rows[3];
  nvmlProcessDetailList_v1_t list = {nvmlProcessDetailList_v1, NVML_PROCESS_MODE_COMPUTE, 3, rows};
  CHECK(node.nvmlDeviceGetRunningProcessDetailList(node.gpu(), &list) == NVML_SUCCESS);
  CHECK(list.numProcArrayEntries == 1);
  CHECK(rows[0].pid == 71);
  CHECK(rows[0].usedGpuCcProtectedMemory == 0);
  list.mode = NVML_PROCESS_MODE_ALL;
  list.numProcArrayEntries = 3;
  CHECK(node.nvmlDeviceGetRunningProcessDetailList(node.gpu(), &list) == NVML_SUCCESS);
  CHECK(list.numProcArrayEntries == 3);
  list.mode = 4;
  CHECK(node.nvmlDeviceGetRunningProcessDetailList(node.gpu(), &list) ==
        NVML_ERROR_INVALID_ARGUMENT);
  list.version = 1;
  CHECK(node.nvmlDeviceGetRunningProcessDetailList(node.gpu(), &list) ==
        NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
}

TEST_CASE("a partitioned GPU lists all with their instances, a MIG device its own") {
  InitialisedNode node;
  node.Enable();
  nvmlComputeInstance_t compute;
  node.Create(9, 2, &compute);  // the first 3g of a straight A100: at 4, id 2
  node.Create(9, 2, &compute);  // the second: at 0, id 1
  REQUIRE(node.Command(kSimulatorStartClient, {0, 1, 0, 71, 0, 100}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorStartClient, {0, 2, 0, 72, 0, 200}) == NVML_SUCCESS);
  nvmlProcessInfo_t rows[4];
  unsigned count = 4;
  CHECK(node.nvmlDeviceGetComputeRunningProcesses_v3(node.gpu(), &count, rows) == NVML_SUCCESS);
  REQUIRE(count == 2);
  CHECK(rows[0].gpuInstanceId == 1);
  CHECK(rows[0].computeInstanceId == 0);
  CHECK(rows[1].gpuInstanceId == 2);
  count = 4;
  CHECK(node.nvmlDeviceGetComputeRunningProcesses_v3(node.mig(1), &count, rows) == NVML_SUCCESS);
  REQUIRE(count == 1);
  CHECK(rows[0].pid == 72);
  nvmlMemory_t memory;
  CHECK(node.nvmlDeviceGetMemoryInfo(node.mig(1), &memory) == NVML_SUCCESS);
  CHECK(memory.used == (12 + 200) * kMiB);  // at rest, and the process
  CHECK(node.nvmlDeviceGetMemoryInfo(node.gpu(), &memory) == NVML_SUCCESS);
  CHECK(memory.used == (12 + 12 + 100 + 200) * kMiB);

  REQUIRE(node.Command(kSimulatorSetRights, {0}) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetComputeRunningProcesses_v3(node.gpu(), &count, rows) ==
        NVML_ERROR_NO_PERMISSION);
  CHECK(node.nvmlDeviceGetComputeRunningProcesses_v3(node.mig(1), &count, rows) == NVML_SUCCESS);
}

TEST_CASE("a client takes no more memory than there is, and one of three kinds") {
  InitialisedNode node;
  REQUIRE(node.Command(kSimulatorStartClient, {0, kNone, kNone, 71, 0, 40000}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorStartClient, {0, kNone, kNone, 72, 0, 40000}) ==
        NVML_ERROR_INSUFFICIENT_RESOURCES);
  CHECK(std::string(node.text) == "Pid 72 wants 40000 MiB; 960 MiB are free there.");
  // Said again, it is the same client with another figure; of another kind it is in two lists.
  CHECK(node.Command(kSimulatorStartClient, {0, kNone, kNone, 71, 0, 10}) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorStartClient, {0, kNone, kNone, 71, 2, kNone}) == NVML_SUCCESS);
  nvmlProcessInfo_v1_t row;
  unsigned one = 1;
  CHECK(node.nvmlDeviceGetComputeRunningProcesses(node.gpu(), &one, &row) == NVML_SUCCESS);
  CHECK(row.usedGpuMemory == 10 * kMiB);
  CHECK(node.nvmlDeviceGetMPSComputeRunningProcesses(node.gpu(), &one, &row) == NVML_SUCCESS);
  CHECK(row.usedGpuMemory == ~0ull);  // not known
  CHECK(node.Command(kSimulatorStopClient, {0, kNone, kNone, 71, 0}) == NVML_SUCCESS);
  unsigned count = 0;
  CHECK(node.nvmlDeviceGetMPSComputeRunningProcesses(node.gpu(), &count, nullptr) ==
        NVML_ERROR_INSUFFICIENT_SIZE);
  CHECK(count == 1);
  CHECK(node.Command(kSimulatorStartClient, {0, kNone, kNone, 73, 3, 0}) ==
        NVML_ERROR_INVALID_ARGUMENT);
}
