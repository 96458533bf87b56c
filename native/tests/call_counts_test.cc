// How often functions were called: that no call of any thread or process is lost or counted twice,
// whatever happens to the node meanwhile.
#include <grp.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "faults.h"
#include "simulator/image.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr const char* kCount = "nvmlDeviceGetCount_v2";
constexpr const char* kInit = "nvmlInit_v2";

nvmlReturn_t Count(const LoadedNode& node) {
  unsigned count = 0;
  return node.nvmlDeviceGetCount_v2(&count);
}

unsigned long long CountsOf(const LoadedNode& node) { return node.control().calls(kCount); }

// An image that takes this one's place at the next reload.
void LaySuccessor(const LoadedNode& node, unsigned branch) {
  std::vector<std::uint8_t> image = MakeImage(Driver(branch), {A100()});
  HeaderOf(image).nodeId[0]++;
  SealHeader(image);
  WriteFile(node.directory.image_path() + ".next", image);
}

// Threads that call until `meanwhile` is over. Returns how often they did.
unsigned long long CallBeside(const LoadedNode& node, const std::function<void()>& meanwhile) {
  std::atomic<bool> over{false};
  std::atomic<unsigned long long> called{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; i++) {
    threads.emplace_back([&] {
      for (; !over; called++) Count(node);
    });
  }
  while (called == 0) usleep(100);
  meanwhile();
  over = true;
  for (std::thread& thread : threads) thread.join();
  return called;
}

}  // namespace

TEST_CASE("calls before init are counted, and those of every process") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  CHECK(Count(node) == NVML_ERROR_UNINITIALIZED);
  CHECK(CountsOf(node) == 1);
  for (int i = 0; i < 2; i++) {
    const pid_t child = StartChild([&] {
      Count(node);
      return node.nvmlInit_v2() == NVML_SUCCESS && Count(node) == NVML_SUCCESS ? 0 : 1;
    });
    CHECK(ExitedWith(StatusOf(child), 0));
  }
  CHECK(CountsOf(node) == 5);
  CHECK(node.control().calls(kInit) == 2);
}

TEST_CASE("none is lost while the library is initialised and shut down beside them") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  const unsigned long long called = CallBeside(node, [&] {
    for (int i = 0; i < 200; i++) {
      REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
      REQUIRE(node.nvmlShutdown() == NVML_SUCCESS);
      if (i % 20 == 0) CHECK(ExitedWith(StatusOf(StartChild([] { return 0; })), 0));
    }
  });
  CHECK(CountsOf(node) == called);
  CHECK(node.control().calls(kInit) == 200);
}

TEST_CASE("none is lost while another driver is loaded beside them") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  unsigned long long called = 0;
  for (const unsigned branch : {570u, 550u, 570u, 550u, 570u}) {
    REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
    LaySuccessor(node, branch);
    called += CallBeside(node, [&] {
      REQUIRE_MESSAGE(node.Command(kSimulatorReloadDriver) == NVML_SUCCESS, node.text);
    });
    CHECK(CountsOf(node) == called);
    CHECK(Count(node) == NVML_ERROR_LIB_RM_VERSION_MISMATCH);
    const auto seenByChild = [&] {
      return ExitedWith(StatusOf(StartChild([&] { return CountsOf(node) == called ? 0 : 1; })), 0);
    };
    // Until the parent hands its call over, which is none of the child's.
    CHECK(seenByChild());
    called++;
    REQUIRE(node.nvmlShutdown() == NVML_SUCCESS);
    CHECK(seenByChild());
    CHECK(CountsOf(node) == called);
  }
}

TEST_CASE("what is counted stays where it was when a successor cannot take the place") {
  InitialisedNode node;
  CHECK(Count(node) == NVML_SUCCESS);
  Image image, successor;
  Reason reason;
  const std::string path = node.directory.image_path();
  REQUIRE(image.Open(path.c_str(), &reason) == OpenStatus::kOpened);
  std::vector<std::uint8_t> next = MakeImage(Driver(570), {A100(), A100()});
  WriteFile(path + ".next", next);
  REQUIRE(successor.OpenSuccessorOf(image, &reason) == OpenStatus::kOpened);
  REQUIRE(std::filesystem::remove(path + ".next"));
  CHECK(image.Change([](State&, Outbox&) { return true; }, [](const State&, std::uint64_t) {},
                     &successor) == ChangeStatus::kSystem);
  CHECK(CountsOf(node) == 1);
  CHECK(Count(node) == NVML_SUCCESS);
  CHECK(CountsOf(node) == 2);
  const pid_t other = StartChild([&] { return CountsOf(node) == 2 ? 0 : 1; });
  CHECK(ExitedWith(StatusOf(other), 0));
  successor.Close();
  image.Close();
}

TEST_CASE("a process that may not write the image counts for itself") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  CHECK(Count(node) == NVML_ERROR_UNINITIALIZED);
  REQUIRE(chmod(node.directory.path().c_str(), 0755) == 0);
  REQUIRE(chmod(node.directory.image_path().c_str(), 0444) == 0);
  // A copy of the library that has nothing mapped yet: this process's own may write.
  const std::string copy = node.directory.path() + "/libother.so.1";
  std::filesystem::copy_file(SIMULATOR_LIBRARY, copy);
  const pid_t child = StartChild([&] {
    constexpr uid_t nobody = 65534;
    if (geteuid() == 0 &&
        (setgroups(0, nullptr) != 0 || setgid(nobody) != 0 || setuid(nobody) != 0)) {
      return 1;
    }
    void* const library = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return 2;
    const auto find = [&]<class Function>(Function, const char* name) {
      return reinterpret_cast<Function>(dlsym(library, name));
    };
    const void* table = nullptr;
    unsigned gpus;
    const auto count = find(node.nvmlDeviceGetCount_v2, kCount);
    if (find(node.nvmlInit_v2, kInit)() != NVML_SUCCESS || count(&gpus) != NVML_SUCCESS ||
        count(&gpus) != NVML_SUCCESS ||
        find(node.nvmlInternalGetExportTable, "nvmlInternalGetExportTable")(
            &table, kSimulatorControlGuid) != NVML_SUCCESS) {
      return 3;
    }
    return static_cast<const SimulatorControl*>(table)->calls(kCount) == 3 ? 0 : 4;
  });
  CHECK(ExitedWith(StatusOf(child), 0));
  CHECK(CountsOf(node) == 1);
}
