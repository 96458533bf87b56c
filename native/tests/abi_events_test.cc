// Event sets, through the exported functions.
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr unsigned kNone = kSimulatorNone;
constexpr unsigned kNoId = 0xffffffff;
constexpr unsigned kForever = 0xffffffff;
constexpr unsigned kEcc = nvmlEventTypeSingleBitEccError | nvmlEventTypeDoubleBitEccError;
constexpr unsigned kXid = nvmlEventTypeXidCriticalError;
constexpr unsigned kMig = nvmlEventMigConfigChange;
constexpr unsigned kAll = kEcc | kXid | kMig;

constexpr unsigned NumberOf(std::size_t offset) { return static_cast<unsigned>(offset / 8); }

struct EventNode : InitialisedNode {
  using InitialisedNode::InitialisedNode;

  nvmlEventSet_t MakeSet() const {
    nvmlEventSet_t set = nullptr;
    REQUIRE(nvmlEventSetCreate(&set) == NVML_SUCCESS);
    return set;
  }
  nvmlEventSet_t SetFor(unsigned long long types, unsigned index = 0) const {
    const nvmlEventSet_t set = MakeSet();
    REQUIRE(nvmlDeviceRegisterEvents(gpu(index), types, set) == NVML_SUCCESS);
    return set;
  }
  void Xid(unsigned number, unsigned gi = kNone, unsigned ci = kNone, unsigned index = 0) {
    REQUIRE(Command(kSimulatorRaiseEvent, {index, kXid, number, 0, gi, ci}) == NVML_SUCCESS);
  }
  nvmlReturn_t Look(nvmlEventSet_t set, nvmlEventData_t* data) const {
    return nvmlEventSetWait_v2(set, data, 0);
  }
  void MustTell(nvmlEventSet_t set, nvmlEventData_t expected) const {
    nvmlEventData_t data = {};
    REQUIRE(Look(set, &data) == NVML_SUCCESS);
    CHECK(std::memcmp(&data, &expected, sizeof(data)) == 0);
  }
  void MustBeEmpty(nvmlEventSet_t set) const {
    nvmlEventData_t data;
    CHECK(Look(set, &data) == NVML_ERROR_TIMEOUT);
  }
  // As another process of the node: straight in the image.
  template <class Rules>
  void ChangeOutside(Rules rules) {
    Image image;
    Reason reason;
    REQUIRE(image.Open(directory.image_path().c_str(), &reason) == OpenStatus::kOpened);
    CHECK(image.Change([&](State& state) { return rules(state), true; }) == ChangeStatus::kDone);
    image.Close();
  }
};

nvmlEventData_t MigChange(nvmlDevice_t device) { return {device, kMig, 0, kNoId, kNoId}; }

// What a wait without end answers in a thread of its own, when something ends it.
template <class End>
nvmlReturn_t AnswerWhen(const EventNode& node, nvmlEventSet_t set, End end) {
  nvmlReturn_t answer = NVML_SUCCESS;
  std::thread waiter([&] {
    nvmlEventData_t data;
    answer = node.nvmlEventSetWait_v2(set, &data, kForever);
  });
  end();
  waiter.join();
  return answer;
}

std::vector<std::uint8_t> ImageWhere(std::uint32_t migEvents) {
  Node driver = Driver(550);
  driver.migEvents = migEvents;
  return MakeImage(driver, {A100()});
}

}  // namespace

TEST_CASE("the types that a GPU is registered for are those it can have") {
  EventNode node;
  unsigned long long types = 0;
  CHECK(node.nvmlDeviceGetSupportedEventTypes(node.gpu(), nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  REQUIRE(node.nvmlDeviceGetSupportedEventTypes(node.gpu(), &types) == NVML_SUCCESS);
  CHECK(types == kAll);
  // Of nvmlEventTypeAll as the oldest header with MIG has it.
  CHECK((types & ~0x19full) == 0);

  REQUIRE(node.Command(kSimulatorSetReading,
                       {0, NumberOf(offsetof(Readings, eccEnabled)), kNone, kNone}) ==
          NVML_SUCCESS);
  REQUIRE(node.nvmlDeviceGetSupportedEventTypes(node.gpu(), &types) == NVML_SUCCESS);
  CHECK(types == (kXid | kMig));

  node.Enable(1);
  nvmlGpuInstance_t instance = nullptr;
  nvmlComputeInstance_t compute = nullptr;
  REQUIRE(node.nvmlDeviceCreateGpuInstance(node.gpu(1), 19, &instance) == NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceCreateComputeInstance(instance, 0, &compute) == NVML_SUCCESS);
  nvmlDevice_t mig = nullptr;
  REQUIRE(node.nvmlDeviceGetMigDeviceHandleByIndex(node.gpu(1), 0, &mig) == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetSupportedEventTypes(mig, &types) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(node.nvmlDeviceRegisterEvents(mig, kXid, node.MakeSet()) == NVML_ERROR_NOT_SUPPORTED);
}

TEST_CASE("a registration holds from when it was made, and one of an unsupported type not at all") {
  EventNode node;
  const nvmlEventSet_t set = node.MakeSet();
  node.Xid(1);
  CHECK(node.nvmlDeviceRegisterEvents(node.gpu(), kXid | 0x10, set) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(node.nvmlDeviceRegisterEvents(nullptr, kXid, set) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceRegisterEvents(node.gpu(), kXid, nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  node.Xid(2);
  node.MustBeEmpty(set);
  REQUIRE(node.nvmlDeviceRegisterEvents(node.gpu(), kXid, set) == NVML_SUCCESS);
  node.Xid(3);
  node.Enable();
  REQUIRE(node.nvmlDeviceRegisterEvents(node.gpu(), kXid | kMig, set) == NVML_SUCCESS);
  node.Xid(4);
  node.MustTell(set, {node.gpu(), kXid, 3, kNoId, kNoId});
  node.MustTell(set, {node.gpu(), kXid, 4, kNoId, kNoId});
  node.MustBeEmpty(set);
}

TEST_CASE("a set tells what it was registered for, of the GPU it was registered for, in order") {
  EventNode node;
  const nvmlEventSet_t all = node.SetFor(kAll);
  const nvmlEventSet_t xids = node.SetFor(kXid, 1);
  node.Xid(31);
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  node.Create(19, 0, &compute);  // two changes
  unsigned gi = 0;
  REQUIRE(node.nvmlDeviceGetGpuInstanceId(node.mig(0), &gi) == NVML_SUCCESS);
  node.Xid(43, gi);
  node.Xid(94, gi, 0);
  node.Xid(79, kNone, kNone, 1);
  REQUIRE(node.nvmlComputeInstanceDestroy(compute) == NVML_SUCCESS);

  node.MustTell(all, {node.gpu(), kXid, 31, kNoId, kNoId});
  for (int change = 0; change < 3; change++) node.MustTell(all, MigChange(node.gpu()));
  node.MustTell(all, {node.gpu(), kXid, 43, gi, kNoId});
  // The compute instance is gone by now.
  node.MustTell(all, {node.gpu(), kXid, 94, gi, 0});
  node.MustTell(all, MigChange(node.gpu()));
  node.MustBeEmpty(all);
  node.MustTell(xids, {node.gpu(1), kXid, 79, kNoId, kNoId});
  node.MustBeEmpty(xids);
}

TEST_CASE("what changes no layout is no MIG change") {
  EventNode node;
  const nvmlEventSet_t set = node.SetFor(kMig);
  REQUIRE(node.Command(kSimulatorSetReading, {0, 0, 5, 0}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorStartClient, {0, kNone, kNone, 77, 0, 0}) == NVML_SUCCESS);
  node.MustBeEmpty(set);
  nvmlReturn_t activation = NVML_SUCCESS;
  REQUIRE(node.nvmlDeviceSetMigMode(node.gpu(), 1, &activation) == NVML_SUCCESS);
  CHECK(activation == NVML_ERROR_IN_USE);
  node.MustBeEmpty(set);
  REQUIRE(node.Command(kSimulatorReboot) == NVML_SUCCESS);  // completes the pending mode
  node.MustTell(set, MigChange(node.gpu()));
  node.MustBeEmpty(set);
}

TEST_CASE("the older wait writes the older struct") {
  EventNode node;
  const nvmlEventSet_t set = node.SetFor(kXid);
  node.Xid(62);
  nvmlEventData_t data;
  std::memset(&data, 0x5a, sizeof(data));
  auto* const older = reinterpret_cast<nvmlEventData_v1_t*>(&data);
  REQUIRE(node.nvmlEventSetWait(set, older, 0) == NVML_SUCCESS);
  CHECK(data.device == node.gpu());
  CHECK(data.eventType == kXid);
  CHECK(data.eventData == 62);
  CHECK(data.gpuInstanceId == 0x5a5a5a5a);
  CHECK(data.computeInstanceId == 0x5a5a5a5a);
  CHECK(node.nvmlEventSetWait(set, older, 0) == NVML_ERROR_TIMEOUT);
  CHECK(node.nvmlEventSetWait(set, nullptr, 0) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlEventSetWait_v2(set, nullptr, 0) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlEventSetWait_v2(nullptr, &data, 0) == NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("a memory error is counted where it is told") {
  EventNode node;
  const nvmlEventSet_t set = node.SetFor(kEcc);
  const auto raise = [&](unsigned type, unsigned gi = kNone) {
    return node.Command(kSimulatorRaiseEvent, {0, type, 9, 0, gi, kNone});
  };
  CHECK(raise(nvmlEventTypeSingleBitEccError) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(std::string(node.text) == "GPU 0 has no ECC that is on, so it notices no memory error.");
  node.MustBeEmpty(set);
  REQUIRE(node.Command(kSimulatorSetReading,
                       {0, NumberOf(offsetof(Readings, eccEnabled)), 1, 0}) == NVML_SUCCESS);
  CHECK(raise(nvmlEventTypeSingleBitEccError, 1) == NVML_ERROR_INVALID_ARGUMENT);
  REQUIRE(raise(nvmlEventTypeSingleBitEccError) == NVML_SUCCESS);
  REQUIRE(raise(nvmlEventTypeDoubleBitEccError) == NVML_SUCCESS);
  REQUIRE(raise(nvmlEventTypeDoubleBitEccError) == NVML_SUCCESS);
  // Other types than an Xid carry no data.
  node.MustTell(set, {node.gpu(), nvmlEventTypeSingleBitEccError, 0, kNoId, kNoId});
  node.MustTell(set, {node.gpu(), nvmlEventTypeDoubleBitEccError, 0, kNoId, kNoId});
  node.MustTell(set, {node.gpu(), nvmlEventTypeDoubleBitEccError, 0, kNoId, kNoId});
  const auto count = [&](nvmlMemoryErrorType_t type, nvmlEccCounterType_t since) {
    unsigned long long errors = ~0ull;
    CHECK(node.nvmlDeviceGetMemoryErrorCounter(node.gpu(), type, since,
                                               NVML_MEMORY_LOCATION_DRAM, &errors) == NVML_SUCCESS);
    return errors;
  };
  CHECK(count(NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC) == 1);
  CHECK(count(NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_AGGREGATE_ECC) == 1);
  CHECK(count(NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC) == 2);
  CHECK(count(NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_AGGREGATE_ECC) == 2);
}

TEST_CASE("what cannot be raised is a sentence, and nothing happens") {
  EventNode node;
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  node.Create(19, 0, &compute);
  unsigned gi = 0;
  REQUIRE(node.nvmlDeviceGetGpuInstanceId(node.mig(0), &gi) == NVML_SUCCESS);
  const nvmlEventSet_t set = node.SetFor(kAll);
  const auto refuses = [&](std::initializer_list<unsigned> arguments, nvmlReturn_t code,
                           const std::string& sentence) {
    CHECK(node.Command(kSimulatorRaiseEvent, arguments) == code);
    CHECK(node.text == sentence);
    node.MustBeEmpty(set);
  };
  refuses({2, kXid, 1, 0, kNone, kNone}, NVML_ERROR_INVALID_ARGUMENT,
          "The node has 2 GPUs; there is no GPU 2.");
  refuses({0, kMig, 1, 0, kNone, kNone}, NVML_ERROR_INVALID_ARGUMENT,
          "No event of type 256 can be raised: an Xid or a memory error is.");
  refuses({0, kXid, 1, 0, gi + 1, kNone}, NVML_ERROR_NOT_FOUND,
          "GPU 0 has no GPU instance " + std::to_string(gi + 1) + ".");
  refuses({0, kXid, 1, 0, gi, 1}, NVML_ERROR_NOT_FOUND,
          "GPU instance " + std::to_string(gi) + " of GPU 0 has no compute instance 1.");
  refuses({0, kXid, 1, 0, kNone, 0}, NVML_ERROR_INVALID_ARGUMENT,
          "A compute instance is named by its GPU instance's id and its own; the first is missing.");
}

TEST_CASE("who has no rights hears of whole GPUs only") {
  EventNode node;
  node.Enable();
  nvmlComputeInstance_t compute = nullptr;
  node.Create(19, 0, &compute);
  unsigned gi = 0;
  REQUIRE(node.nvmlDeviceGetGpuInstanceId(node.mig(0), &gi) == NVML_SUCCESS);
  const nvmlEventSet_t set = node.SetFor(kAll);
  REQUIRE(node.Command(kSimulatorSetRights, {0}) == NVML_SUCCESS);
  node.Xid(1, gi);
  node.Xid(2);
  REQUIRE(node.Command(kSimulatorReset, {0}) == NVML_SUCCESS);
  node.MustTell(set, {node.gpu(), kXid, 2, kNoId, kNoId});
  node.MustTell(set, MigChange(node.gpu()));
  node.MustBeEmpty(set);
  REQUIRE(node.Command(kSimulatorSetRights, {kMonitorRight}) == NVML_SUCCESS);
  node.Xid(3);
  node.MustTell(set, {node.gpu(), kXid, 3, kNoId, kNoId});
}

TEST_CASE("a node may tell of MIG changes to who made them, or to nobody") {
  for (const std::uint32_t migEvents : {kMigEventsOwn, kMigEventsNone}) {
    LoadedNode node(ImageWhere(migEvents));
    REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
    unsigned long long types = 0;
    REQUIRE(node.nvmlDeviceGetSupportedEventTypes(node.gpu(), &types) == NVML_SUCCESS);
    CHECK(types == (migEvents == kMigEventsOwn ? kAll : kEcc | kXid));
    nvmlEventSet_t set = nullptr;
    REQUIRE(node.nvmlEventSetCreate(&set) == NVML_SUCCESS);
    REQUIRE(node.nvmlDeviceRegisterEvents(node.gpu(), types, set) == NVML_SUCCESS);

    const pid_t other = fork();
    if (other == 0) {
      nvmlReturn_t activation = NVML_ERROR_UNKNOWN;
      const bool done = node.nvmlInit_v2() == NVML_SUCCESS &&
                        node.nvmlDeviceSetMigMode(node.gpu(), 1, &activation) == NVML_SUCCESS;
      _exit(done && activation == NVML_SUCCESS ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(other, &status, 0) == other);
    REQUIRE(status == 0);
    nvmlEventData_t data;
    CHECK(node.nvmlEventSetWait_v2(set, &data, 0) == NVML_ERROR_TIMEOUT);
    nvmlGpuInstance_t instance = nullptr;
    REQUIRE(node.nvmlDeviceCreateGpuInstance(node.gpu(), 19, &instance) == NVML_SUCCESS);
    CHECK(node.nvmlEventSetWait_v2(set, &data, 0) ==
          (migEvents == kMigEventsOwn ? NVML_SUCCESS : NVML_ERROR_TIMEOUT));
    CHECK(node.nvmlEventSetWait_v2(set, &data, 0) == NVML_ERROR_TIMEOUT);
    node.nvmlShutdown();
  }
}

TEST_CASE("a set that falls behind the ring loses the oldest events") {
  EventNode node;
  const nvmlEventSet_t set = node.SetFor(kXid);
  constexpr unsigned kLost = 10;
  for (unsigned number = 1; number <= kEventRing + kLost; number++) node.Xid(number);
  for (unsigned number = kLost + 1; number <= kEventRing + kLost; number++) {
    nvmlEventData_t data = {};
    REQUIRE(node.Look(set, &data) == NVML_SUCCESS);
    REQUIRE(data.eventData == number);
  }
  node.MustBeEmpty(set);
}

TEST_CASE("threads that wait on one set share its events, and another set has them all") {
  EventNode node;
  constexpr unsigned kEvents = 1000;
  const nvmlEventSet_t shared = node.SetFor(kXid);
  const nvmlEventSet_t own = node.SetFor(kXid);
  std::atomic<unsigned> times[kEvents + 1] = {};
  std::atomic<unsigned> told{0};
  std::thread threads[4];
  for (std::thread& thread : threads) {
    thread = std::thread([&] {
      nvmlEventData_t data;
      while (node.nvmlEventSetWait_v2(shared, &data, kForever) == NVML_SUCCESS) {
        times[std::min<unsigned long long>(data.eventData, kEvents)]++;
        told++;
      }
    });
  }
  for (unsigned number = 0; number < kEvents; number++) node.Xid(number);
  while (told < kEvents) std::this_thread::yield();
  CHECK(node.nvmlEventSetFree(shared) == NVML_SUCCESS);
  for (std::thread& thread : threads) thread.join();
  CHECK(std::all_of(times, times + kEvents, [](const auto& it) { return it == 1; }));
  CHECK(times[kEvents] == 0);
  for (unsigned number = 0; number < kEvents; number++) {
    nvmlEventData_t data = {};
    REQUIRE(node.Look(own, &data) == NVML_SUCCESS);
    REQUIRE(data.eventData == number);
  }
}

TEST_CASE("what ends a wait") {
  EventNode node;
  const nvmlEventSet_t set = node.SetFor(kXid, 1);
  CHECK(AnswerWhen(node, set, [&] { node.Xid(5, kNone, kNone, 1); }) == NVML_SUCCESS);
  CHECK(AnswerWhen(node, set, [&] { node.nvmlEventSetFree(set); }) == NVML_ERROR_INVALID_ARGUMENT);

  const nvmlEventSet_t lost = node.SetFor(kXid, 1);
  const nvmlEventSet_t other = node.SetFor(kXid, 0);
  node.Xid(79, kNone, kNone, 1);
  node.ChangeOutside([](State& state) { state.gpus[1].health = NVML_ERROR_GPU_IS_LOST; });
  nvmlEventData_t data = {};
  CHECK(node.Look(lost, &data) == NVML_SUCCESS);
  CHECK(data.eventData == 79);
  CHECK(node.Look(lost, &data) == NVML_ERROR_GPU_IS_LOST);
  node.MustBeEmpty(other);
  node.ChangeOutside([](State& state) { state.gpus[1].health = 0; });
  CHECK(AnswerWhen(node, lost, [&] {
          node.ChangeOutside([](State& state) { state.gpus[1].health = NVML_ERROR_GPU_IS_LOST; });
        }) == NVML_ERROR_GPU_IS_LOST);

  CHECK(AnswerWhen(node, other, [&] { node.nvmlShutdown(); }) == NVML_ERROR_UNINITIALIZED);
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  CHECK(node.Look(other, &data) == NVML_ERROR_INVALID_ARGUMENT);
  const nvmlEventSet_t last = node.SetFor(kXid);
  node.Xid(6);
  CHECK(node.Look(last, &data) == NVML_SUCCESS);
  CHECK(AnswerWhen(node, last, [&] { node.Command(kSimulatorRetire); }) == NVML_ERROR_DRIVER_NOT_LOADED);
}

TEST_CASE("a signal ends a wait as if its time were up") {
  EventNode node;
  const nvmlEventSet_t set = node.SetFor(kXid);
  struct sigaction handled = {}, former;
  handled.sa_handler = [](int) {};
  REQUIRE(sigaction(SIGUSR1, &handled, &former) == 0);
  std::atomic<bool> ended{false};
  nvmlReturn_t answer = NVML_SUCCESS;
  std::thread waiter([&] {
    nvmlEventData_t data;
    answer = node.nvmlEventSetWait_v2(set, &data, kForever);
    ended = true;
  });
  while (!ended) {
    pthread_kill(waiter.native_handle(), SIGUSR1);
    std::this_thread::yield();
  }
  waiter.join();
  sigaction(SIGUSR1, &former, nullptr);
  CHECK(answer == NVML_ERROR_TIMEOUT);
}
