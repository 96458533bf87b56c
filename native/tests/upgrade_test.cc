// A driver upgrade: a library of another release than the loaded module, and the reload that puts
// another image in a node's place. That clients on both sides of it see the right thing is shown again
// by test/simulator/upgrade.test.ts, through whole node directories.
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "loaded_node.h"
#include "simulator/words.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr char kMarker[] = "nvml-mig: a library of release:";
constexpr std::size_t kVersionBytes = 80;

// The built library as a copy for a node of that release.
Bytes StampedLibrary(const char* driver, const char* nvml) {
  std::ifstream file(SIMULATOR_LIBRARY, std::ios::binary);
  Bytes library(std::istreambuf_iterator<char>(file), {});
  const auto find = [&](Bytes::iterator from) {
    return std::search(from, library.end(), std::begin(kMarker), std::end(kMarker));
  };
  const auto at = find(library.begin());
  REQUIRE(at != library.end());
  REQUIRE(find(at + 1) == library.end());
  std::strcpy(reinterpret_cast<char*>(&*at) + sizeof(kMarker), driver);
  std::strcpy(reinterpret_cast<char*>(&*at) + sizeof(kMarker) + kVersionBytes, nvml);
  return library;
}

Bytes NodeOf(unsigned branch) { return MakeImage(Driver(branch), {A100(), H100()}); }

// What an upgrade lays beside an image. Its live part is none that anybody could read.
std::string LaySuccessor(const LoadedNode& node, Bytes image) {
  HeaderOf(image).nodeId[0]++;
  SealHeader(image);
  for (const unsigned slot : {0u, 1u}) {
    std::memset(SlotOf(image, slot), 0x5a, HeaderOf(image).slotBytes);
  }
  const std::string path = node.directory.image_path() + ".next";
  WriteFile(path, image);
  return path;
}

struct Opened {
  explicit Opened(const LoadedNode& node) {
    Reason reason;
    REQUIRE(image.Open(node.directory.image_path().c_str(), &reason) == OpenStatus::kOpened);
  }
  ~Opened() { image.Close(); }
  State state() const {
    State it;
    image.Read(&it);
    return it;
  }
  Image image;
};

std::string Loaded(LoadedNode& node) {
  REQUIRE(node.Command(kSimulatorDescribe) == NVML_SUCCESS);
  return node.text;
}

}  // namespace

TEST_CASE("a library serves the modules of its own release alone") {
  const std::string module = Driver(550).driverVersion;
  const Bytes same = StampedLibrary(module.c_str(), Driver(550).nvmlVersion);
  LoadedNode fitting(NodeOf(550), &same);
  CHECK(fitting.nvmlInit_v2() == NVML_SUCCESS);
  CHECK(fitting.nvmlShutdown() == NVML_SUCCESS);

  const Bytes other = StampedLibrary(Driver(570).driverVersion, Driver(570).nvmlVersion);
  LoadedNode newer(NodeOf(550), &other);
  char text[80] = "";
  for (int i = 0; i < 2; i++) {
    CHECK(newer.nvmlInit_v2() == NVML_ERROR_LIB_RM_VERSION_MISMATCH);
    CHECK(newer.nvmlSystemGetDriverVersion(text, sizeof(text)) == NVML_ERROR_UNINITIALIZED);
    CHECK(newer.nvmlSystemGetNVMLVersion(text, sizeof(text)) == NVML_SUCCESS);
    CHECK(std::string(text) == Driver(570).nvmlVersion);
  }
  CHECK(newer.nvmlShutdown() == NVML_SUCCESS);
  CHECK(std::string(newer.nvmlErrorString(NVML_ERROR_LIB_RM_VERSION_MISMATCH)) ==
        "Driver/library version mismatch");
  CHECK(Loaded(newer) == module);
  CHECK(newer.Command(kSimulatorReset, {0}) == NVML_SUCCESS);

  LaySuccessor(newer, NodeOf(570));
  CHECK(newer.Command(kSimulatorReloadDriver) == NVML_SUCCESS);
  CHECK(Loaded(newer) == Driver(570).driverVersion);
  CHECK(newer.nvmlInit_v2() == NVML_SUCCESS);
  newer.nvmlShutdown();
}

TEST_CASE("a library knows the words of its own release, and before init what that release tells") {
  const Bytes library = StampedLibrary("450.248.02", "11.450.248.02");
  const LoadedNode older(NodeOf(550), &library);
  char text[80] = "";
  CHECK(older.nvmlSystemGetNVMLVersion(text, sizeof(text)) == NVML_ERROR_UNINITIALIZED);
  CHECK(std::string(older.nvmlErrorString(NVML_ERROR_FREQ_NOT_SUPPORTED)) == "Unknown Error");
}

TEST_CASE("a reload loads the installed driver, and carries over what outlives it") {
  LoadedNode node(NodeOf(550));
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  node.Enable(0);
  node.Enable(1);
  nvmlGpuInstance_t instance = nullptr;
  REQUIRE(node.nvmlDeviceCreateGpuInstance(node.gpu(), 19, &instance) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorSetReading, {1, 0, 321'000, 0}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorSetRights, {kRootRight | kConfigRight}) == NVML_SUCCESS);
  Opened before(node);
  REQUIRE(before.image.ChangeCommons([](Commons& commons) {
    Shared<std::uint64_t>(&commons.lastFault).store(7);
    Shared<std::uint64_t>(&commons.faults[3].fired).store(5);
    Shared<std::uint64_t>(&commons.activities[143].rates[15]).store(9);
  }) == ChangeStatus::kDone);
  const std::string next = LaySuccessor(node, NodeOf(570));

  CHECK(Loaded(node) == Driver(550).driverVersion);
  unsigned count = 0;
  CHECK(node.nvmlDeviceGetCount_v2(&count) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorStartClient, {1, kSimulatorNone, kSimulatorNone, 71, 0, 0}) ==
          NVML_SUCCESS);
  CHECK(node.Command(kSimulatorReloadDriver) == NVML_ERROR_IN_USE);
  CHECK(std::string(node.text).find("pid 71") != std::string::npos);
  CHECK(Loaded(node) == Driver(550).driverVersion);
  REQUIRE(node.Command(kSimulatorStopClient, {1, kSimulatorNone, kSimulatorNone, 71, 0}) ==
          NVML_SUCCESS);
  CHECK(access(next.c_str(), F_OK) == 0);

  const State old = before.state();
  const std::uint64_t change = before.image.current();
  REQUIRE(node.Command(kSimulatorReloadDriver) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "");
  CHECK(access(next.c_str(), F_OK) != 0);
  CHECK(before.image.retired() == kRetiredReplaced);
  CHECK(Loaded(node) == Driver(570).driverVersion);
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);

  const Opened after(node);
  CHECK(after.image.IsSound());
  CHECK(after.image.retired() == 0);
  CHECK(after.image.current() > change);
  const State now = after.state();
  CHECK(now.node.rights == (kRootRight | kConfigRight));
  CHECK(now.node.lastStamp == old.node.lastStamp);
  CHECK(now.node.created == old.node.created);
  CHECK(now.node.destroyed == old.node.destroyed + 1);
  CHECK(now.node.events >= old.node.events);
  CHECK(now.gpus[0].migCurrent == 1);
  CHECK(now.gpus[1].migCurrent == 0);
  CHECK(now.gpus[0].gpuInstances[0].stamp == 0);
  CHECK(now.gpus[1].readings.powerMilliwatts == 321'000);
  CHECK(after.image.commons().lastFault == 7);
  CHECK(after.image.commons().faults[3].fired == 5);
  CHECK(after.image.commons().activities[143].rates[15] == 9);
  node.nvmlShutdown();
}

TEST_CASE("who was initialised for the module before has no driver any more") {
  LoadedNode node(NodeOf(550));
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  const nvmlDevice_t gpu = node.gpu();
  nvmlEventSet_t set = nullptr;
  REQUIRE(node.nvmlEventSetCreate(&set) == NVML_SUCCESS);
  nvmlReturn_t waited = NVML_SUCCESS;
  std::thread waiter([&] {
    nvmlEventData_t event;
    waited = node.nvmlEventSetWait_v2(set, &event, 600'000);
  });
  LaySuccessor(node, NodeOf(570));
  const nvmlReturn_t rebooted = node.Command(kSimulatorReboot);
  waiter.join();
  REQUIRE(rebooted == NVML_SUCCESS);

  constexpr nvmlReturn_t gone = NVML_ERROR_LIB_RM_VERSION_MISMATCH;
  CHECK(waited == gone);
  unsigned value = 0;
  nvmlReturn_t activation;
  nvmlDevice_t device;
  char text[96] = "";
  CHECK(node.nvmlDeviceGetCount_v2(&value) == gone);
  CHECK(node.nvmlDeviceGetHandleByIndex_v2(0, &device) == gone);
  CHECK(node.nvmlDeviceGetName(gpu, text, sizeof(text)) == gone);
  CHECK(node.nvmlDeviceSetMigMode(gpu, 1, &activation) == gone);
  CHECK(node.nvmlSystemGetDriverVersion(text, sizeof(text)) == gone);
#define UNMODELLED(name) \
  CHECK(reinterpret_cast<nvmlReturn_t (*)()>(node.symbol(#name))() == gone);
#include "simulator/unmodelled.inc"
  CHECK(std::string(node.nvmlErrorString(gone)) == "Driver/library version mismatch");
  CHECK(node.nvmlInit_v2() == gone);
  // The control table is of the node, whichever driver it has.
  CHECK(node.Command(kSimulatorSetReading, {0, 0, 5, 0}) == NVML_SUCCESS);
  CHECK(Opened(node).state().gpus[0].readings.powerMilliwatts == 5);

  CHECK(node.nvmlShutdown() == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetCount_v2(&value) == NVML_ERROR_UNINITIALIZED);
  // This copy has no stamp, so it goes with any module; handles of the one before mean nothing to it.
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetIndex(gpu, &value) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlSystemGetDriverVersion(text, sizeof(text)) == NVML_SUCCESS);
  CHECK(std::string(text) == Driver(570).driverVersion);
  node.nvmlShutdown();
}

TEST_CASE("an image that was replaced takes no change") {
  LoadedNode node(NodeOf(550));
  Opened before(node);
  LaySuccessor(node, NodeOf(570));
  REQUIRE(node.Command(kSimulatorReloadDriver) == NVML_SUCCESS);
  const auto bump = [](State& state) { return ++state.node.created != 0; };
  CHECK(before.image.Change(bump) == ChangeStatus::kSuperseded);
  CHECK(before.image.ChangeCommons([](Commons&) {}) == ChangeStatus::kSuperseded);
  CHECK(before.state().node.created == 0);
}

TEST_CASE("a successor that will not do changes nothing") {
  LoadedNode node(NodeOf(550));
  const auto refused = [&](Bytes image, nvmlReturn_t code, const char* words) {
    const std::string path = LaySuccessor(node, std::move(image));
    CHECK(node.Command(kSimulatorReloadDriver) == code);
    CAPTURE(node.text);
    CHECK(std::string(node.text).find(words) != std::string::npos);
    CHECK(Loaded(node) == Driver(550).driverVersion);
    CHECK(access(path.c_str(), F_OK) == 0);
    unlink(path.c_str());
  };
  refused(MakeImage(Driver(570), {A100()}), NVML_ERROR_UNKNOWN, "has 1 GPUs; the node has 2");
  Bytes damaged = NodeOf(570);
  BoardOf(damaged, 0).memorySlices++;
  refused(damaged, NVML_ERROR_UNKNOWN, "boards are damaged");
  Bytes described = NodeOf(570);
  HeaderOf(described).descriptionBytes = 5;
  SealHeader(described);
  refused(described, NVML_ERROR_UNKNOWN, "cannot be read");
  CHECK(node.Command(kSimulatorReloadDriver) == NVML_SUCCESS);
}

TEST_CASE("where the new image cannot be named, the old one stays") {
  const LoadedNode node(NodeOf(550));
  const std::string next = LaySuccessor(node, NodeOf(570));
  for (const std::string& file : {node.directory.image_path(), next}) {
    REQUIRE(chmod(file.c_str(), 0666) == 0);
  }
  REQUIRE(chmod(node.directory.path().c_str(), 0555) == 0);
  const pid_t child = fork();
  if (child == 0) {
    // Root may name everything, so somebody else tries.
    if (geteuid() == 0 && setuid(65534) != 0) _exit(1);
    Image image;
    Image installed;
    Reason reason;
    const bool opened =
        image.Open(node.directory.image_path().c_str(), &reason) == OpenStatus::kOpened &&
        installed.OpenSuccessorOf(image, &reason) == OpenStatus::kOpened;
    if (!opened) _exit(2);
    const auto rules = [](State&, Outbox&) { return true; };
    const auto published = [](const State&, std::uint64_t) {};
    if (image.Change(rules, published, &installed) != ChangeStatus::kReadOnly) _exit(3);
    _exit(image.retired() == 0 ? 0 : 4);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(chmod(node.directory.path().c_str(), 0755) == 0);
  CHECK(status == 0);
  CHECK(access(next.c_str(), F_OK) == 0);
}

namespace {

// A reload that takes the successor, in a child that is killed where it enters or leaves its n-th
// system call from the start of the change. False when it ended before.
bool KillReloadAt(const LoadedNode& node, int stops) {
  const pid_t child = fork();
  if (child == 0) {
    Image image;
    Image next;
    Reason reason;
    const bool opened =
        image.Open(node.directory.image_path().c_str(), &reason) == OpenStatus::kOpened &&
        next.OpenSuccessorOf(image, &reason) == OpenStatus::kOpened;
    if (!opened || ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
    raise(SIGSTOP);
    const auto rules = [](State& state, Outbox&) {
      state.node.rights = kRootRight | kMonitorRight;
      return true;
    };
    const auto published = [](const State&, std::uint64_t) {};
    _exit(image.Change(rules, published, &next) == ChangeStatus::kDone ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE_MESSAGE(WIFSTOPPED(status), "ptrace is not permitted here");
  for (int i = 0; i < stops && !WIFEXITED(status); i++) {
    REQUIRE(ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
    REQUIRE(waitpid(child, &status, 0) == child);
  }
  if (WIFEXITED(status)) {
    CHECK(WEXITSTATUS(status) == 0);
    return false;
  }
  kill(child, SIGKILL);
  REQUIRE(waitpid(child, &status, 0) == child);
  return true;
}

}  // namespace

TEST_CASE("a reload killed at any system call leaves the old driver or the new one") {
  const std::string older = Driver(550).driverVersion;
  const std::string newer = Driver(570).driverVersion;
  int kept = 0, unfinished = 0, taken = 0;
  for (int stops = 1;; stops++) {
    CAPTURE(stops);
    LoadedNode node(NodeOf(550));
    const Opened before(node);
    const std::string next = LaySuccessor(node, NodeOf(570));
    const bool killed = KillReloadAt(node, stops);
    const bool committed = before.image.retired() == kRetiredReplaced;
    unfinished += committed && before.image.IsInPlace();
    taken += committed;
    kept += !committed;
    // Whoever comes next finds one or the other, whole, and puts right what was left.
    REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
    node.nvmlShutdown();
    CHECK(Loaded(node) == (committed ? newer : older));
    CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
    const bool changed = Opened(node).state().node.rights == (kRootRight | kMonitorRight);
    CHECK(changed == committed);
    CHECK((access(next.c_str(), F_OK) == 0) == !committed);
    REQUIRE(node.Command(kSimulatorReloadDriver) == NVML_SUCCESS);
    CHECK(Loaded(node) == newer);
    CHECK(access(next.c_str(), F_OK) != 0);
    if (!killed) break;
  }
  MESSAGE("killed reloads: ", kept, " kept the old driver, ", taken, " loaded the new one, of which ",
          unfinished, " were finished by the next process");
  CHECK(kept > 0);
  CHECK(unfinished > 0);
  CHECK(taken > unfinished);
}

TEST_CASE("a replacement that nobody can finish leaves no driver, and says so") {
  LoadedNode node(NodeOf(550));
  Bytes bytes = NodeOf(550);
  HeaderOf(bytes).retired = kRetiredReplaced;
  node.directory.Replace(bytes);
  CHECK(node.nvmlInit_v2() == NVML_ERROR_LIB_RM_VERSION_MISMATCH);
  CHECK(node.Command(kSimulatorDescribe) == NVML_ERROR_LIB_RM_VERSION_MISMATCH);
  CHECK(std::string(node.text) == "A driver of another release is being loaded.");
}
