// Faults: which calls they strike, what the call then does, and what they are refused for.
#include "faults.h"

#include <chrono>
#include <thread>
#include <vector>

#include "simulator/fault_records.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr const char* kCount = "nvmlDeviceGetCount_v2";

nvmlReturn_t Count(const LoadedNode& node) {
  unsigned count = 0;
  return node.nvmlDeviceGetCount_v2(&count);
}

// The numbers of those calls, from 1 on, that answered with the code.
std::vector<unsigned> Struck(const LoadedNode& node, unsigned calls, nvmlReturn_t code) {
  std::vector<unsigned> numbers;
  for (unsigned number = 1; number <= calls; number++) {
    if (Count(node) == code) numbers.push_back(number);
  }
  return numbers;
}

double MillisecondsSince(std::chrono::steady_clock::time_point start) {
  const auto took = std::chrono::steady_clock::now() - start;
  return std::chrono::duration<double, std::milli>(took).count();
}

}  // namespace

TEST_CASE("the n-th call, so many times, and then no more") {
  InitialisedNode node;
  const unsigned fault =
      Inject(node, {.function = kCount, .value = NVML_ERROR_TIMEOUT, .first = 3, .times = 2});
  CHECK(Struck(node, 10, NVML_ERROR_TIMEOUT) == std::vector<unsigned>{3, 4});
  CHECK(Report(node, fault) == Figures{10, 2});
  unsigned mode, pending;
  CHECK(node.nvmlDeviceGetMigMode(node.gpu(), &mode, &pending) == NVML_SUCCESS);
  CHECK(Report(node, fault) == Figures{10, 2});
  CHECK(Remove(node, fault) == Figures{10, 2});
  CHECK(node.Command(kSimulatorReportFault, {fault, 0}) == NVML_ERROR_NOT_FOUND);
  CHECK(std::string(node.text) == "There is no fault 1, or no more.");
  CHECK(node.Command(kSimulatorRemoveFault, {fault, 0}) == NVML_ERROR_NOT_FOUND);
}

TEST_CASE("the calls of all processes are counted together, unless the fault is for one") {
  InitialisedNode node;
  const unsigned all = Inject(node, {.function = kCount, .value = NVML_ERROR_TIMEOUT, .first = 3});
  CHECK(Struck(node, 2, NVML_ERROR_TIMEOUT).empty());
  CHECK(ExitedWith(StatusOf(StartChild([&] {
                     if (node.nvmlInit_v2() != NVML_SUCCESS) return 1;
                     return Count(node) == NVML_ERROR_TIMEOUT ? 0 : 2;
                   })), 0));
  CHECK(Remove(node, all) == Figures{3, 1});

  const auto self = static_cast<unsigned>(getpid());
  const unsigned own = Inject(node, {.function = kCount, .value = NVML_ERROR_MEMORY, .pid = self});
  CHECK(ExitedWith(StatusOf(StartChild([&] {
                     if (node.nvmlInit_v2() != NVML_SUCCESS) return 1;
                     return Count(node) == NVML_SUCCESS ? 0 : 2;
                   })), 0));
  CHECK(Report(node, own) == Figures{0, 0});
  CHECK(Count(node) == NVML_ERROR_MEMORY);
  CHECK(Report(node, own) == Figures{1, 1});
}

TEST_CASE("a chance strikes what its seed says, each time the same") {
  // The first output of splitmix64 for the states 0 and 1, as its authors' implementation gives it.
  CHECK(Draw(0, 0) == 0xe220a839);
  CHECK(Draw(0, 1) == 0x910a2dec);
  constexpr unsigned quarter = 1u << 30;
  constexpr unsigned calls = 4'000;
  InitialisedNode node;
  const auto strike = [&](unsigned seed, unsigned chance) {
    const unsigned fault = Inject(
        node, {.function = kCount, .value = NVML_ERROR_UNKNOWN, .chance = chance, .seed = seed});
    const std::vector<unsigned> struck = Struck(node, calls, NVML_ERROR_UNKNOWN);
    CHECK(Remove(node, fault) == Figures{calls, struck.size()});
    return struck;
  };
  const std::vector<unsigned> seven = strike(7, quarter);
  std::vector<unsigned> said;
  for (unsigned number = 1; number <= calls; number++) {
    if (Draw(7, number) < quarter) said.push_back(number);
  }
  CHECK(seven == said);
  // Five standard deviations of a quarter of 4,000.
  CHECK(seven.size() > 1'000 - 137);
  CHECK(seven.size() < 1'000 + 137);
  CHECK(strike(7, quarter) == seven);
  CHECK(strike(8, quarter) != seven);
  CHECK(strike(7, 0).empty());
  CHECK(strike(7, kSimulatorNone).size() == calls);
}

TEST_CASE("of several faults all delay, and the oldest that stands answers") {
  InitialisedNode node;
  const unsigned first = Inject(node, {.function = kCount, .value = NVML_ERROR_TIMEOUT});
  const unsigned second = Inject(node, {.value = NVML_ERROR_MEMORY});
  const unsigned delay = Inject(node, {.action = kSimulatorDelay, .value = 3});
  const unsigned after = Inject(node, {.value = NVML_ERROR_IN_USE, .after = true});
  const auto start = std::chrono::steady_clock::now();
  CHECK(Count(node) == NVML_ERROR_TIMEOUT);
  CHECK(MillisecondsSince(start) >= 3);
  CHECK(Report(node, first) == Figures{1, 1});
  CHECK(Report(node, second) == Figures{1, 0});  // its turn did not come
  CHECK(Report(node, delay) == Figures{1, 1});
  CHECK(Report(node, after) == Figures{1, 0});  // there was no effect
  Remove(node, first);
  const unsigned newest = Inject(node, {.function = kCount, .value = NVML_ERROR_NO_DATA});
  CHECK(Count(node) == NVML_ERROR_MEMORY);
  CHECK(Report(node, newest) == Figures{1, 0});
  Remove(node, second);
  Remove(node, newest);
  CHECK(Count(node) == NVML_ERROR_IN_USE);
  CHECK(Report(node, after).fired == 1);
}

TEST_CASE("instead of the effect, or after it") {
  InitialisedNode node;
  node.Enable();
  nvmlGpuInstance_t made = nullptr;
  const auto create = [&] { return node.nvmlDeviceCreateGpuInstance(node.gpu(), 19, &made); };
  const auto created = [&] {
    nvmlGpuInstance_t all[8];
    unsigned count = 8;
    REQUIRE(node.nvmlDeviceGetGpuInstances(node.gpu(), 19, all, &count) == NVML_SUCCESS);
    return count;
  };
  constexpr const char* name = "nvmlDeviceCreateGpuInstance";
  const unsigned code = 999;
  const unsigned instead = Inject(node, {.function = name, .value = code});
  CHECK(create() == code);
  CHECK(created() == 0);
  Remove(node, instead);
  const unsigned after = Inject(node, {.function = name, .value = code, .after = true});
  CHECK(create() == code);
  CHECK(created() == 1);
  CHECK(made != nullptr);
  Remove(node, after);
  // A code that this release does not know, and one that says that nothing went wrong.
  const unsigned unknown = Inject(node, {.function = name, .value = 77});
  CHECK(create() == static_cast<nvmlReturn_t>(77));
  Remove(node, unknown);
  Inject(node, {.function = name, .value = NVML_SUCCESS});
  CHECK(create() == NVML_SUCCESS);
  CHECK(created() == 1);
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
}

TEST_CASE("before init") {
  LoadedNode node(MakeImage(Driver(550), {A100()}));
  char version[80];
  SUBCASE("init itself") {
    const unsigned fault =
        Inject(node, {.function = "nvmlInit_v2", .value = NVML_ERROR_NO_PERMISSION, .times = 1});
    CHECK(node.nvmlInit_v2() == NVML_ERROR_NO_PERMISSION);
    CHECK(Count(node) == NVML_ERROR_UNINITIALIZED);
    CHECK(node.nvmlInit_v2() == NVML_SUCCESS);
    CHECK(Report(node, fault) == Figures{2, 1});
  }
  SUBCASE("after init succeeded") {
    Inject(node, {.function = "nvmlInitWithFlags", .value = NVML_ERROR_IRQ_ISSUE, .after = true});
    CHECK(node.nvmlInitWithFlags(0) == NVML_ERROR_IRQ_ISSUE);
    CHECK(Count(node) == NVML_SUCCESS);
    CHECK(node.nvmlShutdown() == NVML_SUCCESS);
  }
  SUBCASE("the others that answer then, and those that do not") {
    Inject(node, {.function = "nvmlSystemGetNVMLVersion", .value = NVML_ERROR_MEMORY, .times = 1});
    CHECK(node.nvmlSystemGetNVMLVersion(version, 80) == NVML_ERROR_MEMORY);
    CHECK(node.nvmlSystemGetNVMLVersion(version, 80) == NVML_SUCCESS);
    Inject(node, {.function = "nvmlShutdown", .value = NVML_ERROR_MEMORY, .times = 1});
    CHECK(node.nvmlShutdown() == NVML_ERROR_MEMORY);
    Inject(node, {.function = kCount, .value = NVML_ERROR_MEMORY, .times = 1});
    CHECK(Count(node) == NVML_ERROR_MEMORY);
    CHECK(Count(node) == NVML_ERROR_UNINITIALIZED);
  }
  SUBCASE("words are no code") {
    CHECK(TryInject(node, {.function = "nvmlErrorString", .value = 1}) ==
          NVML_ERROR_INVALID_ARGUMENT);
    CHECK(std::string(node.text) ==
          "nvmlErrorString answers with words, so no code can be returned in its place.");
    const unsigned any = Inject(node, {.value = NVML_ERROR_MEMORY});
    const unsigned delay =
        Inject(node, {.function = "nvmlErrorString", .action = kSimulatorDelay, .value = 1});
    CHECK(std::string(node.nvmlErrorString(NVML_ERROR_TIMEOUT)) == "Timeout");
    CHECK(Report(node, any) == Figures{0, 0});
    CHECK(Report(node, delay) == Figures{1, 1});
  }
}

TEST_CASE("the control table is reached whatever is asked to go wrong") {
  InitialisedNode node;
  const unsigned any = Inject(node, {.value = NVML_ERROR_MEMORY});
  const unsigned table =
      Inject(node, {.function = "nvmlInternalGetExportTable", .value = NVML_ERROR_NO_DATA});
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
  CHECK(Report(node, any) == Figures{0, 0});
  CHECK(node.control().calls("nvmlInternalGetExportTable") == 0);
  const unsigned char guid[16] = {1};
  const void* found = nullptr;
  CHECK(node.nvmlInternalGetExportTable(&found, guid) == NVML_ERROR_MEMORY);
  Remove(node, any);
  CHECK(node.nvmlInternalGetExportTable(&found, guid) == NVML_ERROR_NO_DATA);
  CHECK(node.nvmlInternalGetExportTable(&found, nullptr) == NVML_ERROR_NO_DATA);
  CHECK(Report(node, table) == Figures{3, 2});
  CHECK(node.control().calls("nvmlInternalGetExportTable") == 3);
}

TEST_CASE("what no fault can be") {
  InitialisedNode node;
  CHECK(TryInject(node, {.function = "nvmlNoSuch"}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(node.text) == "The simulator has no function 'nvmlNoSuch'.");
  for (const Wanted& wrong : {Wanted{.first = 0}, Wanted{.times = 0},
                              Wanted{.action = SimulatorFaultAction{}},
                              Wanted{.action = static_cast<SimulatorFaultAction>(6)}}) {
    CHECK(TryInject(node, wrong) == NVML_ERROR_INVALID_ARGUMENT);
  }
  CHECK(node.Command(kSimulatorInject, {2, 0, 1, 1, 1, 0, 1, 0, 0}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.Command(kSimulatorInject, {1, 0, 1, 1, 1, 0, 1, 0, 2}) == NVML_ERROR_INVALID_ARGUMENT);
  const unsigned first = Inject(node, {.function = kCount, .value = 1, .first = 1'000});
  for (unsigned i = 1; i < kMaxFaults; i++) Inject(node, {.function = kCount, .first = 1'000});
  CHECK(TryInject(node, {.function = kCount}) == NVML_ERROR_INSUFFICIENT_RESOURCES);
  CHECK(std::string(node.text) ==
        "32 faults stand in this node, which is all there is room for: remove one first.");
  CHECK(Count(node) == NVML_SUCCESS);
  CHECK(Remove(node, first) == Figures{1, 0});
  CHECK(Inject(node, {.function = kCount, .value = NVML_ERROR_TIMEOUT}) == 33);
  CHECK(Count(node) == NVML_ERROR_TIMEOUT);
  CHECK(node.Command(kSimulatorReleaseFault, {33, 0}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(node.text) == "Nothing hangs in fault 33, so nothing can be released.");
  CHECK(node.Command(kSimulatorReleaseFault, {99, 0}) == NVML_ERROR_NOT_FOUND);
}

TEST_CASE("faults come and go while threads call") {
  InitialisedNode node;
  std::atomic<bool> over{false};
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 2; i++) {
    threads.emplace_back([&] {
      while (!over) {
        const nvmlReturn_t code = Count(node);
        wrong += code != NVML_SUCCESS && code != NVML_ERROR_TIMEOUT && code != NVML_ERROR_MEMORY;
      }
    });
  }
  for (unsigned round = 0; round < 300; round++) {
    const unsigned one = Inject(node, {.function = kCount, .value = NVML_ERROR_TIMEOUT});
    const unsigned other = Inject(node, {.value = NVML_ERROR_MEMORY, .after = true});
    AwaitFired(node, one);
    Remove(node, one);
    AwaitFired(node, other);
    const Figures figures = Remove(node, other);
    CHECK(figures.fired <= figures.matched);
  }
  over = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(Count(node) == NVML_SUCCESS);
}
