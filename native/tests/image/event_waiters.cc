// Processes that wait for events of one node, while another changes it. IMAGE is the path of a node's
// libnvidia-ml.so.1; its GPU 0 is an A100.
//
//   order     4 processes each hear of 1,000 layout changes by a fifth, none missing and none twice, in
//             order among Xids with running numbers
//   own       only who made a change hears of it; Xids reach everybody
//   none      the GPUs do not have the event
//   killed    processes killed while they wait leave nothing: the node goes on and the others miss nothing
//   timeouts  waits that end by timeout leave no descriptor, mapping or event set
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "abi/simulator_control.h"
#include "nvml.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

constexpr unsigned kWaiters = 4;
constexpr unsigned kChanges = 1000;
constexpr unsigned kKills = 50;
constexpr unsigned kWaits = 1000;
constexpr unsigned kProfile = 19;     // 1g.5gb
constexpr unsigned kPatience = 60'000;
constexpr unsigned long long kTypes = nvmlEventTypeXidCriticalError | nvmlEventMigConfigChange;

#define MUST(call)                                                                              \
  do {                                                                                          \
    const nvmlReturn_t answer = (call);                                                         \
    EXPECT(answer == NVML_SUCCESS, "%s answered %d", #call, int(answer));                       \
  } while (0)

// A process of its own, with NVML initialised.
struct Process {
  explicit Process(const std::string& path) : nvml(Functions(Load(path.c_str()))) {
    MUST(nvml.nvmlInit_v2());
    MUST(nvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu));
  }

  nvmlEventSet_t Listen(unsigned long long types) const {
    nvmlEventSet_t set;
    MUST(nvml.nvmlEventSetCreate(&set));
    MUST(nvml.nvmlDeviceRegisterEvents(gpu, types, set));
    return set;
  }

  nvmlEventData_t MustHear(nvmlEventSet_t set) const {
    nvmlEventData_t data;
    MUST(nvml.nvmlEventSetWait_v2(set, &data, kPatience));
    EXPECT(data.device == gpu, "an event of a GPU that was not registered");
    return data;
  }
  void MustHearChange(nvmlEventSet_t set, unsigned change) const {
    const nvmlEventData_t data = MustHear(set);
    EXPECT(data.eventType == nvmlEventMigConfigChange, "change %u: event %llu with %llu", change,
           data.eventType, data.eventData);
  }
  void MustHearXid(nvmlEventSet_t set, unsigned number) const {
    const nvmlEventData_t data = MustHear(set);
    EXPECT(data.eventType == nvmlEventTypeXidCriticalError && data.eventData == number,
           "xid %u: event %llu with %llu", number, data.eventType, data.eventData);
  }
  void MustHearNothing(nvmlEventSet_t set) const {
    nvmlEventData_t data;
    const nvmlReturn_t answer = nvml.nvmlEventSetWait_v2(set, &data, 0);
    EXPECT(answer == NVML_ERROR_TIMEOUT, "%d instead of nothing more", int(answer));
  }

  void EnableMig() const {
    nvmlReturn_t activation;
    MUST(nvml.nvmlDeviceSetMigMode(gpu, NVML_DEVICE_MIG_ENABLE, &activation));
    MUST(activation);
  }
  void Xid(unsigned number) const {
    const void* table = nullptr;
    MUST(nvml.nvmlInternalGetExportTable(&table, kSimulatorControlGuid));
    const unsigned arguments[kSimulatorMaxArguments] = {
        0, nvmlEventTypeXidCriticalError, number, 0, kSimulatorNone, kSimulatorNone};
    MUST(static_cast<const SimulatorControl*>(table)->command(kSimulatorRaiseEvent, arguments,
                                                              nullptr, nullptr, 0));
  }
  // The layout changes up to a number that begin with another, each with an Xid of its number before it.
  void ChangeLayout(unsigned from, unsigned to) const {
    nvmlGpuInstance_t instance;
    for (unsigned change = from; change <= to; change++) {
      Xid(change);
      if (change % 2 != 0) {
        MUST(nvml.nvmlDeviceCreateGpuInstance(gpu, kProfile, &instance));
      } else {
        MUST(nvml.nvmlGpuInstanceDestroy(instance));
      }
    }
  }

  Nvml nvml;
  nvmlDevice_t gpu;
};

// The children that hear `hear` while the parent does `act`, after all of them have registered.
template <class Hear, class Act>
void WhileListening(const std::string& path, unsigned long long types, Hear hear, Act act) {
  const Event ready;
  pid_t waiters[kWaiters];
  for (pid_t& waiter : waiters) {
    waiter = Spawn([&] {
      const Process process(path);
      const nvmlEventSet_t set = process.Listen(types);
      ready.Signal();
      hear(process, set);
      process.MustHearNothing(set);
      MUST(process.nvml.nvmlShutdown());
    });
  }
  for (unsigned i = 0; i < kWaiters; i++) ready.MustCome("a waiter");
  act();
  for (const pid_t waiter : waiters) MustSucceed(waiter, "a waiter");
}

void HearAll(const Process& process, nvmlEventSet_t set) {
  for (unsigned change = 1; change <= kChanges; change++) {
    process.MustHearXid(set, change);
    process.MustHearChange(set, change);
  }
}

void Order(const std::string& path) {
  const Process mover(path);
  mover.EnableMig();
  const double began = Milliseconds();
  WhileListening(path, kTypes, HearAll, [&] { mover.ChangeLayout(1, kChanges); });
  Figure("waiters", kWaiters);
  Figure("layout_changes", kChanges);
  Figure("milliseconds", Milliseconds() - began);
}

void Own(const std::string& path) {
  const Process mover(path);
  mover.EnableMig();
  const nvmlEventSet_t set = mover.Listen(kTypes);
  const auto hearXids = [](const Process& process, nvmlEventSet_t others) {
    for (unsigned change = 1; change <= kChanges; change++) process.MustHearXid(others, change);
  };
  WhileListening(path, kTypes, hearXids, [&] { mover.ChangeLayout(1, kChanges); });
  HearAll(mover, set);
  mover.MustHearNothing(set);
}

void None(const std::string& path) {
  const Process process(path);
  unsigned long long types;
  MUST(process.nvml.nvmlDeviceGetSupportedEventTypes(process.gpu, &types));
  EXPECT((types & nvmlEventMigConfigChange) == 0, "the types are %llu", types);
  const nvmlEventSet_t set = process.Listen(types);
  process.EnableMig();
  process.MustHearNothing(set);
  const nvmlReturn_t answer =
      process.nvml.nvmlDeviceRegisterEvents(process.gpu, nvmlEventMigConfigChange, set);
  EXPECT(answer == NVML_ERROR_NOT_SUPPORTED, "registering answered %d", int(answer));
}

unsigned CountFiles(const std::filesystem::path& folder) {
  return static_cast<unsigned>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

unsigned CountMappings() {
  std::ifstream maps("/proc/self/maps");
  unsigned lines = 0;
  for (std::string line; std::getline(maps, line);) lines++;
  return lines;
}

void Killed(const std::string& path, Random random) {
  const Process mover(path);
  mover.EnableMig();
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const unsigned files = CountFiles(folder);
  constexpr unsigned kEach = kChanges / kKills;
  WhileListening(path, kTypes, HearAll, [&] {
    for (unsigned kill = 0; kill < kKills; kill++) {
      const Event ready;
      const pid_t victim = Spawn([&] {
        const Process process(path);
        const nvmlEventSet_t set = process.Listen(kTypes);
        ready.Signal();
        for (nvmlEventData_t data;;) process.nvml.nvmlEventSetWait_v2(set, &data, kPatience);
      });
      ready.MustCome("a waiter");
      // Somewhere in its wait or between two, while the layout changes.
      std::thread killer([&, turns = random.Below(200)] {
        for (std::uint64_t turn = 0; turn < turns; turn++) std::this_thread::yield();
        Kill(victim);
      });
      mover.ChangeLayout(kill * kEach + 1, (kill + 1) * kEach);
      killer.join();
    }
  });
  EXPECT(CountFiles(folder) == files, "the node's directory has other files than before");
  Figure("waiters_killed", kKills);
}

void Timeouts(const std::string& path) {
  const Process process(path);
  const auto waitAll = [&] {
    for (unsigned wait = 0; wait < kWaits; wait++) {
      const nvmlEventSet_t set = process.Listen(kTypes);
      nvmlEventData_t data;
      const nvmlReturn_t answer = process.nvml.nvmlEventSetWait_v2(set, &data, wait % 8 == 0);
      EXPECT(answer == NVML_ERROR_TIMEOUT, "a wait answered %d", int(answer));
      // The others are gone with the shutdown; all together are more than a process may have.
      if (wait % 2 == 0) MUST(process.nvml.nvmlEventSetFree(set));
    }
    MUST(process.nvml.nvmlShutdown());
    MUST(process.nvml.nvmlInit_v2());
  };
  waitAll();
  const unsigned descriptors = CountFiles("/proc/self/fd"), mappings = CountMappings();
  for (int round = 0; round < 3; round++) waitAll();
  EXPECT(CountFiles("/proc/self/fd") == descriptors, "waits left descriptors");
  EXPECT(CountMappings() == mappings, "waits left mappings");
  const double began = Milliseconds();
  nvmlEventData_t data;
  const nvmlReturn_t answer =
      process.nvml.nvmlEventSetWait_v2(process.Listen(kTypes), &data, 120);
  const double waited = Milliseconds() - began;
  EXPECT(answer == NVML_ERROR_TIMEOUT && waited >= 120, "a wait of 120 ms answered %d after %g ms",
         int(answer), waited);
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  using namespace nvml_mig::image_tests;
  const Options options = ReadOptions(count, arguments);
  GiveUpAfter(100);
  if (options.has("order")) Order(options.image);
  if (options.has("own")) Own(options.image);
  if (options.has("none")) None(options.image);
  if (options.has("killed")) Killed(options.image, Random(options.seed));
  if (options.has("timeouts")) Timeouts(options.image);
  return 0;
}
