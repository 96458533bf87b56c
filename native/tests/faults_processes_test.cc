// Faults that outlast or end a process: hanging until released, killing, and clients that may not
// write the image.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "faults.h"
#include "simulator/fault_records.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr const char* kCount = "nvmlDeviceGetCount_v2";
constexpr const char* kInit = "nvmlInit_v2";

nvmlReturn_t Count(const LoadedNode& node) {
  unsigned count = 0;
  return node.nvmlDeviceGetCount_v2(&count);
}

pid_t StartCaller(const LoadedNode& node, nvmlReturn_t expected) {
  return StartChild([&node, expected] {
    if (node.nvmlInit_v2() != NVML_SUCCESS) return 1;
    return Count(node) == expected ? 0 : 2;
  });
}

unsigned LiveInstances(const LoadedNode& node) {
  nvmlGpuInstance_t all[8];
  unsigned count = 8;
  REQUIRE(node.nvmlDeviceGetGpuInstances(node.gpu(), 19, all, &count) == NVML_SUCCESS);
  return count;
}

}  // namespace

TEST_CASE("a call hangs in another process until it is released, and nobody else waits") {
  InitialisedNode node;
  const unsigned fault =
      Inject(node, {.function = kCount, .action = kSimulatorHang, .times = 1});
  const pid_t child = StartCaller(node, NVML_SUCCESS);
  AwaitFired(node, fault);
  CHECK(Count(node) == NVML_SUCCESS);
  node.Enable();
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
  CHECK(waitpid(child, nullptr, WNOHANG) == 0);
  const auto start = std::chrono::steady_clock::now();
  CHECK(node.Command(kSimulatorReleaseFault, {fault, 0}) == NVML_SUCCESS);
  CHECK(ExitedWith(StatusOf(child), 0));
  // 10 ms between two looks; the rest is for a machine that is busy.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(500));
  CHECK(Report(node, fault) == Figures{2, 1});
}

TEST_CASE("nothing hangs any more in what was released, removed or retired") {
  InitialisedNode node;
  const unsigned fault = Inject(node, {.function = kCount, .action = kSimulatorHang});
  SUBCASE("released") {
    const pid_t child = StartCaller(node, NVML_SUCCESS);
    AwaitFired(node, fault);
    CHECK(node.Command(kSimulatorReleaseFault, {fault, 0}) == NVML_SUCCESS);
    CHECK(ExitedWith(StatusOf(child), 0));
    CHECK(Count(node) == NVML_SUCCESS);
    CHECK(Report(node, fault) == Figures{2, 1});
  }
  SUBCASE("removed") {
    const pid_t child = StartCaller(node, NVML_SUCCESS);
    AwaitFired(node, fault);
    CHECK(Remove(node, fault) == Figures{1, 1});
    CHECK(ExitedWith(StatusOf(child), 0));
    CHECK(Count(node) == NVML_SUCCESS);
  }
  SUBCASE("retired") {
    const pid_t child = StartCaller(node, NVML_SUCCESS);
    AwaitFired(node, fault);
    CHECK(node.Command(kSimulatorRetire) == NVML_SUCCESS);
    CHECK(ExitedWith(StatusOf(child), 0));
  }
}

TEST_CASE("a thread that hangs in init keeps nobody out") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  const unsigned fault = Inject(node, {.function = kInit, .action = kSimulatorHang, .times = 1});
  nvmlReturn_t outcome = NVML_ERROR_UNKNOWN;
  std::thread hung([&] { outcome = node.nvmlInit_v2(); });
  AwaitFired(node, fault);
  CHECK(node.nvmlInit_v2() == NVML_SUCCESS);
  CHECK(Count(node) == NVML_SUCCESS);
  CHECK(node.nvmlShutdown() == NVML_SUCCESS);
  CHECK(ExitedWith(StatusOf(StartCaller(node, NVML_SUCCESS)), 0));  // fork goes on, too
  CHECK(Count(node) == NVML_ERROR_UNINITIALIZED);
  CHECK(node.Command(kSimulatorReleaseFault, {fault, 0}) == NVML_SUCCESS);
  hung.join();
  CHECK(outcome == NVML_SUCCESS);
  CHECK(Count(node) == NVML_SUCCESS);
  CHECK(node.nvmlShutdown() == NVML_SUCCESS);
}

TEST_CASE("a call hangs after its effect") {
  InitialisedNode node;
  node.Enable();
  const unsigned fault = Inject(node, {.function = "nvmlDeviceCreateGpuInstance",
                                       .action = kSimulatorHang,
                                       .after = true});
  nvmlGpuInstance_t made = nullptr;
  std::thread hung([&] { node.nvmlDeviceCreateGpuInstance(node.gpu(), 19, &made); });
  AwaitFired(node, fault);
  CHECK(LiveInstances(node) == 1);
  Remove(node, fault);
  hung.join();
  CHECK(made != nullptr);
}

TEST_CASE("a process exits while a thread of it hangs") {
  for (const char* function : {kCount, kInit}) {
    CAPTURE(function);
    LoadedNode node(MakeImage(Driver(550), {A100()}));
    const unsigned fault = Inject(node, {.function = function, .action = kSimulatorHang});
    std::cout.flush();  // or the child, which exits as programs do, would write it, too
    const pid_t child = fork();
    if (child == 0) {
      const bool inInit = function == kInit;
      if (!inInit && node.nvmlInit_v2() != NVML_SUCCESS) _exit(1);
      std::thread([&] { inInit ? node.nvmlInit_v2() : Count(node); }).detach();
      AwaitFired(node, fault);
      // What exit() would do of the library's: it ends while the thread is in it.
      std::exit(7);
    }
    CHECK(ExitedWith(StatusOf(child), 7));
  }
}

TEST_CASE("a process is killed before the effect or after it") {
  InitialisedNode node;
  node.Enable();
  nvmlGpuInstance_t made = nullptr;
  nvmlReturn_t activation;
  unsigned mode, pending;
  const auto killed = [&](const char* function, bool after, auto call) {
    const unsigned fault =
        Inject(node, {.function = function, .action = kSimulatorKill, .after = after});
    const pid_t child = StartChild([&] {
      if (node.nvmlInit_v2() != NVML_SUCCESS) return 1;
      call();
      return 2;
    });
    CHECK(WasKilled(StatusOf(child)));
    CHECK(Remove(node, fault) == Figures{1, 1});
    CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
  };
  const auto create = [&] { node.nvmlDeviceCreateGpuInstance(node.gpu(), 19, &made); };
  killed("nvmlDeviceCreateGpuInstance", false, create);
  CHECK(LiveInstances(node) == 0);
  killed("nvmlDeviceCreateGpuInstance", true, create);
  CHECK(LiveInstances(node) == 1);

  unsigned count = 1;
  REQUIRE(node.nvmlDeviceGetGpuInstances(node.gpu(), 19, &made, &count) == NVML_SUCCESS);
  const auto destroy = [&] { node.nvmlGpuInstanceDestroy(made); };
  killed("nvmlGpuInstanceDestroy", false, destroy);
  CHECK(LiveInstances(node) == 1);
  killed("nvmlGpuInstanceDestroy", true, destroy);
  CHECK(LiveInstances(node) == 0);

  const auto enable = [&] { node.nvmlDeviceSetMigMode(node.gpu(1), 1, &activation); };
  killed("nvmlDeviceSetMigMode", false, enable);
  CHECK(node.nvmlDeviceGetMigMode(node.gpu(1), &mode, &pending) == NVML_SUCCESS);
  CHECK(pending == 0);
  killed("nvmlDeviceSetMigMode", true, enable);
  CHECK(node.nvmlDeviceGetMigMode(node.gpu(1), &mode, &pending) == NVML_SUCCESS);
  CHECK(pending == 1);
}

TEST_CASE("a client that may not write the image counts for itself") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  const unsigned fault =
      Inject(node, {.function = kCount, .value = NVML_ERROR_TIMEOUT, .first = 2, .times = 1});
  const unsigned hang =
      Inject(node, {.function = "nvmlSystemGetDriverVersion", .action = kSimulatorHang});
  REQUIRE(chmod(node.directory.path().c_str(), 0755) == 0);
  REQUIRE(chmod(node.directory.image_path().c_str(), 0444) == 0);
  // A copy of the library that has nothing mapped yet: this process's own may write.
  const std::string copy = node.directory.path() + "/libother.so.1";
  std::filesystem::copy_file(SIMULATOR_LIBRARY, copy);
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = StartChild([&] {
    constexpr uid_t nobody = 65534;
    if (geteuid() == 0 &&
        (setgroups(0, nullptr) != 0 || setgid(nobody) != 0 || setuid(nobody) != 0)) {
      return 1;
    }
    void* const library = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return 2;
    const auto init = reinterpret_cast<decltype(node.nvmlInit_v2)>(dlsym(library, kInit));
    const auto count =
        reinterpret_cast<decltype(node.nvmlDeviceGetCount_v2)>(dlsym(library, kCount));
    const auto version = reinterpret_cast<decltype(node.nvmlSystemGetDriverVersion)>(
        dlsym(library, "nvmlSystemGetDriverVersion"));
    unsigned gpus;
    char text[80];
    if (init() != NVML_SUCCESS) return 3;
    if (count(&gpus) != NVML_SUCCESS || count(&gpus) != NVML_ERROR_TIMEOUT ||
        count(&gpus) != NVML_SUCCESS) {
      return 4;
    }
    if (write(ready[1], "", 1) != 1) return 5;
    return version(text, sizeof(text)) == NVML_SUCCESS ? 0 : 6;
  });
  char byte;
  close(ready[1]);
  REQUIRE(read(ready[0], &byte, 1) == 1);
  close(ready[0]);
  CHECK(Report(node, fault) == Figures{0, 0});
  REQUIRE(chmod(node.directory.image_path().c_str(), 0644) == 0);
  CHECK(node.Command(kSimulatorReleaseFault, {hang, 0}) == NVML_SUCCESS);
  CHECK(ExitedWith(StatusOf(child), 0));
}
