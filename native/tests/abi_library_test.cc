// The library as a whole, through dlopen: what it exports, init and its end, fork, versions, the
// control table, and how it meets bad or vanished images.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr const char* kUnmodelled[] = {
#define UNMODELLED(name) #name,
#include "simulator/unmodelled.inc"
};

nvmlReturn_t CallPlain(const LoadedNode& node, const char* name) {
  void* const found = node.symbol(name);
  REQUIRE_MESSAGE(found != nullptr, name);
  return reinterpret_cast<nvmlReturn_t (*)()>(found)();
}

template <class Body>
int InChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("what is not modelled is there, and says so once the library is initialised") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  for (const char* name : kUnmodelled) CHECK(CallPlain(node, name) == NVML_ERROR_UNINITIALIZED);
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  for (const char* name : kUnmodelled) {
    CHECK(CallPlain(node, name) == NVML_ERROR_NOT_SUPPORTED);
    CHECK(node.control().calls(name) == 2);
  }
  CHECK(node.control().calls("nvmlInit_v2") == 1);
  CHECK(node.control().calls("nvmlDeviceGetName") == 0);
  CHECK(node.control().calls("nvmlNoSuchFunction") == ~0ull);
  CHECK(node.control().calls(nullptr) == ~0ull);
  CHECK(node.symbol("_ZN8nvml_mig9simulator8ShutdownEv") == nullptr);
  node.nvmlShutdown();
}

TEST_CASE("init is counted, and one shutdown too many succeeds") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  unsigned count = 0;
  CHECK(node.nvmlDeviceGetCount_v2(&count) == NVML_ERROR_UNINITIALIZED);
  CHECK(node.nvmlShutdown() == NVML_SUCCESS);  // as drivers were observed to answer
  CHECK(node.nvmlInit() == NVML_SUCCESS);
  CHECK(node.nvmlInit_v2() == NVML_SUCCESS);
  CHECK(node.nvmlInitWithFlags(0xff) == NVML_SUCCESS);
  CHECK(node.nvmlShutdown() == NVML_SUCCESS);
  CHECK(node.nvmlShutdown() == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetCount_v2(&count) == NVML_SUCCESS);
  CHECK(count == 1);
  const nvmlDevice_t device = node.gpu();
  CHECK(node.nvmlShutdown() == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetCount_v2(&count) == NVML_ERROR_UNINITIALIZED);
  CHECK(node.nvmlInit_v2() == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetIndex(device, &count) == NVML_SUCCESS);  // GPU handles outlive it
  CHECK(node.nvmlShutdown() == NVML_SUCCESS);
}

TEST_CASE("a forked child is not initialised until it does so itself") {
  InitialisedNode node;
  const nvmlDevice_t device = node.gpu();
  const int outcome = InChild([&] {
    unsigned count = 0;
    char text[96];
    if (node.nvmlDeviceGetCount_v2(&count) != NVML_ERROR_UNINITIALIZED) return 1;
    if (node.nvmlDeviceGetName(device, text, 96) != NVML_ERROR_UNINITIALIZED) return 2;
    if (node.nvmlInit_v2() != NVML_SUCCESS) return 3;
    nvmlReturn_t activation;
    if (node.nvmlDeviceSetMigMode(device, 1, &activation) != NVML_SUCCESS) return 4;
    return node.nvmlShutdown() == NVML_SUCCESS ? 0 : 5;
  });
  CHECK(outcome == 0);
  unsigned current = 0, pending = 0;
  CHECK(node.nvmlDeviceGetMigMode(device, &current, &pending) == NVML_SUCCESS);
  CHECK(current == 1);  // the same node
}

TEST_CASE("threads initialise, read and change at once") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  node.Enable();
  std::vector<std::thread> threads;
  std::atomic<unsigned> wrong{0};
  for (unsigned i = 0; i < 4; i++) {
    threads.emplace_back([&, i] {
      for (unsigned round = 0; round < 200; round++) {
        wrong += node.nvmlInit_v2() != NVML_SUCCESS;
        nvmlDevice_t device = nullptr;
        wrong += node.nvmlDeviceGetHandleByIndex_v2(0, &device) != NVML_SUCCESS;
        nvmlGpuInstance_t instance = nullptr;
        const nvmlGpuInstancePlacement_t own = {i, 1};
        wrong += node.nvmlDeviceCreateGpuInstanceWithPlacement(device, 19, &own, &instance) !=
                 NVML_SUCCESS;
        nvmlGpuInstanceInfo_t info = {};
        wrong += node.nvmlGpuInstanceGetInfo(instance, &info) != NVML_SUCCESS ||
                 info.placement.start != i;
        wrong += node.nvmlGpuInstanceDestroy(instance) != NVML_SUCCESS;
        wrong += node.nvmlShutdown() != NVML_SUCCESS;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
  node.nvmlShutdown();
}

TEST_CASE("two nodes in one process know nothing of each other") {
  InitialisedNode one;
  InitialisedNode other;
  one.Enable();
  unsigned current = 1, pending = 1;
  CHECK(other.nvmlDeviceGetMigMode(other.gpu(), &current, &pending) == NVML_SUCCESS);
  CHECK(current == 0);
}

TEST_CASE("versions and words by driver release") {
  LoadedNode old(MakeImage(Driver(470), {A100()}));
  LoadedNode young(MakeImage(Driver(550), {A100()}));
  char text[80];
  int cuda = 0;
  CHECK(old.nvmlSystemGetNVMLVersion(text, 80) == NVML_ERROR_UNINITIALIZED);
  CHECK(young.nvmlSystemGetNVMLVersion(text, 80) == NVML_SUCCESS);
  CHECK(std::string(text) == "12.550.1");
  CHECK(young.nvmlSystemGetNVMLVersion(text, 8) == NVML_ERROR_INSUFFICIENT_SIZE);
  CHECK(young.nvmlSystemGetDriverVersion(text, 80) == NVML_ERROR_UNINITIALIZED);
  CHECK(std::string(old.nvmlErrorString(NVML_ERROR_INSUFFICIENT_RESOURCES)) ==
        "Insufficient Resources");
  CHECK(std::string(old.nvmlErrorString(NVML_ERROR_ARGUMENT_VERSION_MISMATCH)) == "Unknown Error");
  CHECK(std::string(young.nvmlErrorString(NVML_ERROR_ARGUMENT_VERSION_MISMATCH)) ==
        "Argument version mismatch");
  CHECK(std::string(young.nvmlErrorString(static_cast<nvmlReturn_t>(12345))) == "Unknown Error");
  CHECK(std::string(young.nvmlErrorString(static_cast<nvmlReturn_t>(-1))) == "Unknown Error");
  REQUIRE(old.nvmlInit_v2() == NVML_SUCCESS);
  CHECK(old.nvmlSystemGetNVMLVersion(text, 80) == NVML_SUCCESS);
  CHECK(old.nvmlSystemGetDriverVersion(text, 80) == NVML_SUCCESS);
  CHECK(std::string(text) == "470.1");
  CHECK(old.nvmlSystemGetDriverVersion(text, 5) == NVML_ERROR_INSUFFICIENT_SIZE);
  CHECK(old.nvmlSystemGetDriverVersion(text, 6) == NVML_SUCCESS);
  CHECK(old.nvmlSystemGetDriverVersion(nullptr, 80) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(old.nvmlSystemGetCudaDriverVersion(&cuda) == NVML_SUCCESS);
  CHECK(old.nvmlSystemGetCudaDriverVersion_v2(&cuda) == NVML_SUCCESS);
  CHECK(cuda == 12040);
  CHECK(old.nvmlSystemGetCudaDriverVersion_v2(nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(old.nvmlErrorString(NVML_SUCCESS)) == "Success");
  old.nvmlShutdown();
}

TEST_CASE("the control table acts on the node without initialising it") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  CHECK(node.control().bytes == sizeof(SimulatorControl));
  CHECK(node.Command(kSimulatorStartClient, {0, kSimulatorNone, kSimulatorNone, 77}) ==
        NVML_SUCCESS);
  CHECK(node.Command(kSimulatorReset, {0}) == NVML_ERROR_IN_USE);
  CHECK(std::string(node.text) == "GPU 0 is in use by pid 77: stop what runs there first.");
  CHECK(node.Command(kSimulatorReset, {1}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(node.text) == "The node has 1 GPUs; there is no GPU 1.");
  CHECK(node.Command(kSimulatorReloadDriver) == NVML_ERROR_IN_USE);
  CHECK(node.Command(kSimulatorReboot) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorReset, {0}) == NVML_SUCCESS);
  CHECK(node.text[0] == '\0');
  CHECK(node.Command(kSimulatorStopClient, {0, kSimulatorNone, kSimulatorNone, 77}) ==
        NVML_ERROR_NOT_FOUND);
  CHECK(node.Command(static_cast<SimulatorCommand>(99)) == NVML_ERROR_INVALID_ARGUMENT);
  constexpr unsigned none[kSimulatorMaxArguments] = {};
  CHECK(node.control().command(kSimulatorCheck, none, nullptr, nullptr, 0) == NVML_SUCCESS);
  unsigned count = 0;
  CHECK(node.nvmlDeviceGetCount_v2(&count) == NVML_ERROR_UNINITIALIZED);

  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  nvmlReturn_t activation;
  CHECK(node.Command(kSimulatorSetRights, {0}) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceSetMigMode(node.gpu(), 1, &activation) == NVML_ERROR_NO_PERMISSION);
  CHECK(node.Command(kSimulatorSetRights, {kRootRight}) == NVML_SUCCESS);
  node.Enable();
  CHECK(node.Command(kSimulatorRetire) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceSetMigMode(node.gpu(), 0, &activation) == NVML_ERROR_DRIVER_NOT_LOADED);
  CHECK(node.Command(kSimulatorReboot) == NVML_ERROR_DRIVER_NOT_LOADED);
  CHECK(std::string(node.text) == "The node was closed.");
  node.nvmlShutdown();
}

TEST_CASE("any other table is empty") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  unsigned char guid[16] = {1, 2, 3};
  const void* table = nullptr;
  CHECK(node.nvmlInternalGetExportTable(&table, guid) == NVML_SUCCESS);
  CHECK(*static_cast<const unsigned long long*>(table) == 8);
  CHECK(node.nvmlInternalGetExportTable(nullptr, guid) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlInternalGetExportTable(&table, nullptr) == NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("a bad image makes init fail and is explained") {
  std::vector<std::uint8_t> bytes = MakeImage(Driver(550), {A100()});
  StateOf(bytes, 0).gpus[0].migCurrent = 3;
  SealSlot(bytes, 0);
  LoadedNode node(bytes);
  CHECK(node.nvmlInit_v2() == NVML_ERROR_UNKNOWN);
  CHECK(node.Command(kSimulatorCheck) == NVML_ERROR_UNKNOWN);
  CHECK(std::string(node.text) == "GPU 0: MIG mode 3 with 0 pending is not possible.");
  CHECK(std::string(node.nvmlErrorString(NVML_ERROR_UNKNOWN)) == "Unknown Error");

  bytes = MakeImage(Driver(550), {A100()});
  HeaderOf(bytes).layoutVersion = 9;
  node.directory.Write(bytes);
  CHECK(node.nvmlInit_v2() == NVML_ERROR_UNKNOWN);
  CHECK(node.Command(kSimulatorCheck) == NVML_ERROR_UNKNOWN);
  CHECK(std::string(node.text) ==
        "The image has layout version 9; this library reads version 3.");

  std::filesystem::remove(node.directory.image_path());
  CHECK(node.nvmlInit_v2() == NVML_ERROR_DRIVER_NOT_LOADED);
  unsigned count = 0;
  CHECK(node.nvmlDeviceGetCount_v2(&count) == NVML_ERROR_UNINITIALIZED);
  node.directory.Write(MakeImage(Driver(550), {A100()}));
  CHECK(node.nvmlInit_v2() == NVML_SUCCESS);
  node.nvmlShutdown();
}

TEST_CASE("a node that was replaced is read until the next init, which meets the new one") {
  InitialisedNode node;
  node.Enable();
  node.directory.Replace(MakeImage(Driver(535), {A30()}));
  unsigned current = 0, pending = 0;
  nvmlReturn_t activation;
  CHECK(node.nvmlDeviceGetMigMode(node.gpu(), &current, &pending) == NVML_SUCCESS);
  CHECK(current == 1);
  CHECK(node.nvmlDeviceSetMigMode(node.gpu(), 0, &activation) == NVML_ERROR_DRIVER_NOT_LOADED);
  node.nvmlShutdown();
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  char name[96];
  CHECK(node.nvmlDeviceGetName(node.gpu(), name, 96) == NVML_SUCCESS);
  CHECK(std::string(name) == "NVIDIA A30");
  std::filesystem::remove_all(node.directory.path());
  CHECK(node.nvmlDeviceGetName(node.gpu(), name, 96) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceSetMigMode(node.gpu(), 1, &activation) == NVML_ERROR_DRIVER_NOT_LOADED);
}
