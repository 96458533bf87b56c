// root/: the files of instances come and go with them, wherever the one who shows them dies.
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "loaded_node.h"

namespace nvml_mig::tests {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

constexpr char kCapabilities[] = "/root/proc/driver/nvidia/capabilities";
constexpr char kNodes[] = "/root/dev/nvidia-caps";
constexpr unsigned k3g = 9, k1g = 19;  // profiles of an A100
constexpr unsigned k3gWhole = 2, k1gWhole = 0, k3gPart = 0;

// Two A100 with MIG on, and the directories that a node is made with.
struct RootedNode : InitialisedNode {
  RootedNode() {
    for (unsigned gpu : {0u, 1u}) fs::create_directories(capabilities(gpu));
    fs::create_directories(directory.path() + kNodes);
    Enable(0);
    Enable(1);
  }
  std::string capabilities(unsigned gpu = 0) const {
    return directory.path() + kCapabilities + "/gpu" + std::to_string(gpu) + "/mig";
  }
  // Everything below a directory, as relative paths.
  static Names Below(const std::string& path) {
    Names names;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      names.insert(fs::relative(entry.path(), path).string());
    }
    return names;
  }
  Names shown() const { return Below(directory.path() + kCapabilities); }
  Names nodes() const { return Below(directory.path() + kNodes); }

  // What NVML lists, as capabilities are called.
  Names Listed() const {
    Names names;
    for (unsigned gpu : {0u, 1u}) {
      const std::string of = "gpu" + std::to_string(gpu);
      names.insert({of, of + "/mig"});
      EachInstance(gpu, [&](unsigned id, nvmlGpuInstance_t instance) {
        const std::string gi = of + "/mig/gi" + std::to_string(id);
        names.insert({gi, gi + "/access"});
        for (unsigned compute = 0; compute < 8; compute++) {
          nvmlComputeInstance_t found;
          if (nvmlGpuInstanceGetComputeInstanceById(instance, compute, &found) != NVML_SUCCESS) {
            continue;
          }
          const std::string ci = gi + "/ci" + std::to_string(compute);
          names.insert({ci, ci + "/access"});
        }
      });
    }
    return names;
  }
  template <class Visit>
  void EachInstance(unsigned of, Visit visit) const {
    for (unsigned id = 0; id < 15; id++) {
      nvmlGpuInstance_t instance;
      if (nvmlDeviceGetGpuInstanceById(gpu(of), id, &instance) == NVML_SUCCESS) visit(id, instance);
    }
  }
  void Check() const {
    CHECK(shown() == Listed());
    CHECK_FALSE(fs::exists(directory.path() + "/root/.partial"));
  }
};

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void Touch(const std::string& path) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << "half";
}

}  // namespace

TEST_CASE("an instance has a capability and a node as long as it lives, and the node longer") {
  RootedNode node;
  nvmlComputeInstance_t compute;
  // The driver's choice on an empty A100: memory slice 4, which is instance 2.
  nvmlGpuInstance_t instance = node.Create(k3g, k3gPart, &compute);
  node.Check();
  CHECK(node.shown() == Names{"gpu0", "gpu0/mig", "gpu0/mig/gi2", "gpu0/mig/gi2/access",
                              "gpu0/mig/gi2/ci0", "gpu0/mig/gi2/ci0/access", "gpu1", "gpu1/mig"});
  // Recorded of an H100: instance 2 has minor 21 and its compute instance 0 has 22.
  CHECK(Contents(node.capabilities() + "/gi2/access") ==
        "DeviceFileMinor: 21\nDeviceFileMode: 292\nDeviceFileModify: 1\n");
  CHECK(Contents(node.capabilities() + "/gi2/ci0/access") ==
        "DeviceFileMinor: 22\nDeviceFileMode: 292\nDeviceFileModify: 1\n");
  CHECK(node.nodes() == Names{"nvidia-cap21", "nvidia-cap22"});
  for (const auto& path : {node.capabilities() + "/gi2/access",
                           node.directory.path() + kNodes + "/nvidia-cap22"}) {
    CHECK(static_cast<unsigned>(fs::status(path).permissions()) == 0444);
  }

  nvmlComputeInstance_t second;
  REQUIRE(node.nvmlGpuInstanceCreateComputeInstance(instance, k3gPart, &second) == NVML_SUCCESS);
  node.Check();
  CHECK(node.nodes().count("nvidia-cap23") == 1);
  REQUIRE(node.nvmlComputeInstanceDestroy(compute) == NVML_SUCCESS);
  node.Check();
  REQUIRE(node.nvmlComputeInstanceDestroy(second) == NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceDestroy(instance) == NVML_SUCCESS);
  node.Check();
  CHECK(node.shown() == Names{"gpu0", "gpu0/mig", "gpu1", "gpu1/mig"});
  CHECK(node.nodes() == Names{"nvidia-cap21", "nvidia-cap22", "nvidia-cap23"});
}

TEST_CASE("the minor number of a GPU counts, not its index") {
  RootedNode node;
  nvmlGpuInstance_t instance;
  REQUIRE(node.nvmlDeviceCreateGpuInstance(node.gpu(1), 0, &instance) == NVML_SUCCESS);
  node.Check();
  // 3 + 135 of the GPU before it.
  CHECK(node.nodes() == Names{"nvidia-cap138"});
}

TEST_CASE("instances that a reset, a reload or a reboot takes are gone; a reboot takes nodes too") {
  const SimulatorCommand commands[] = {kSimulatorReset, kSimulatorReloadDriver, kSimulatorReboot};
  for (const SimulatorCommand command : commands) {
    CAPTURE(command);
    RootedNode node;
    nvmlComputeInstance_t compute;
    node.Create(k3g, k3gWhole, &compute);
    CHECK(node.nodes() == Names{"nvidia-cap21", "nvidia-cap22"});
    REQUIRE(node.Command(command) == NVML_SUCCESS);
    node.Check();
    CHECK(node.nodes().empty() == (command == kSimulatorReboot));
    // Nothing changes any more, and there is nothing left that could linger.
    REQUIRE(node.Command(kSimulatorReboot) == NVML_SUCCESS);
    CHECK(node.nodes().empty());
  }
}

TEST_CASE("nothing is touched when no instance changes") {
  RootedNode node;
  nvmlComputeInstance_t compute;
  node.Create(k3g, k3gWhole, &compute);
  const std::string access = node.capabilities() + "/gi2/access";
  fs::remove(access);  // what was looked at would be put right
  REQUIRE(node.Command(kSimulatorSetReading, {0, 0, 1, 0}) == NVML_SUCCESS);
  REQUIRE(node.Command(kSimulatorStartClient, {0, 2, 0, 7, 0, 0}) == NVML_SUCCESS);
  CHECK_FALSE(fs::exists(access));
}

TEST_CASE("without a usable root/ changes go on, and later all is made up for") {
  RootedNode node;
  nvmlComputeInstance_t compute;
  const std::string root = node.directory.path() + "/root";
  SUBCASE("none at all") { fs::rename(root, root + ".away"); }
  SUBCASE("a file") {
    fs::rename(root, root + ".away");
    std::ofstream(root) << "";
  }
  SUBCASE("nothing in it") {
    fs::rename(root, root + ".away");
    fs::create_directory(root);
  }
  nvmlGpuInstance_t instance = node.Create(k1g, k1gWhole, &compute);
  const bool noticed = fs::is_directory(root);
  fs::remove_all(root);
  fs::rename(root + ".away", root);
  if (!noticed) return;  // nobody keeps up what is not there
  REQUIRE(node.nvmlComputeInstanceDestroy(compute) == NVML_SUCCESS);
  node.Check();
  REQUIRE(node.nvmlGpuInstanceDestroy(instance) == NVML_SUCCESS);
  node.Check();
}

TEST_CASE("whatever one left who died, the next change puts right") {
  RootedNode node;
  nvmlComputeInstance_t compute;
  node.Create(k3g, k3gWhole, &compute);  // 2/0
  const std::string mig = node.capabilities();
  SUBCASE("a file that has no place yet") { Touch(node.directory.path() + "/root/.partial"); }
  SUBCASE("an instance half made") { fs::create_directory(mig + "/gi1"); }
  SUBCASE("an instance half removed") { fs::create_directories(mig + "/gi9/ci7"); }
  SUBCASE("an instance not removed") {
    Touch(mig + "/gi7/access");
    Touch(mig + "/gi7/ci0/access");
  }
  SUBCASE("a compute instance not removed") { Touch(mig + "/gi2/ci3/access"); }
  SUBCASE("a compute instance not made") { fs::remove_all(mig + "/gi2/ci0"); }
  SUBCASE("an instance not made") { fs::remove_all(mig + "/gi2"); }
  SUBCASE("nodes not made") { fs::remove(node.directory.path() + kNodes + "/nvidia-cap22"); }

  // The change that the dead one made and did not show.
  simulator::Image image;
  simulator::Reason reason;
  REQUIRE(image.Open(node.directory.image_path().c_str(), &reason) ==
          simulator::OpenStatus::kOpened);
  const auto unseen = [](simulator::State& state) {
    state.gpus[1].readings.displayMode ^= 1;
    return true;
  };
  REQUIRE(image.Change(unseen) == simulator::ChangeStatus::kDone);
  image.Close();
  REQUIRE(node.Command(kSimulatorSetReading, {0, 0, 1, 0}) == NVML_SUCCESS);
  node.Check();
  CHECK(Contents(mig + "/gi2/ci0/access").substr(0, 19) == "DeviceFileMinor: 22");
  CHECK(node.nodes() == Names{"nvidia-cap21", "nvidia-cap22"});
}

namespace {

// Runs `act`, after `prepare`, in a child that is killed where it enters or leaves a system call, the
// n-th of these moments; false when it has fewer.
bool IsKilledAt(unsigned n, const std::function<void()>& prepare,
                const std::function<void()>& act) {
  const pid_t child = fork();
  if (child == 0) {
    prepare();
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    act();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSTOPPED(status));
  for (unsigned i = 0; i < n; i++) {
    REQUIRE(ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
    REQUIRE(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status)) {
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 0);
      return false;
    }
  }
  kill(child, SIGKILL);
  REQUIRE(waitpid(child, &status, 0) == child);
  return true;
}

}  // namespace

TEST_CASE("killed at any system call of a change, the next change leaves root/ as NVML lists it") {
  for (const std::string change : {"create", "destroy", "reset"}) {
    CAPTURE(change);
    RootedNode node;
    nvmlComputeInstance_t compute;
    unsigned stops = 0;
    for (bool more = true; more; stops++) {
      REQUIRE(node.Command(kSimulatorReset, {0}) == NVML_SUCCESS);
      node.Check();
      const bool creates = change == "create";
      nvmlGpuInstance_t instance = creates ? nullptr : node.Create(k3g, k3gWhole, &compute);
      more = IsKilledAt(
          stops + 1, [&] { REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS); },
          [&] {
            if (creates) {
              node.Create(k3g, k3gWhole, &compute);
            } else if (change == "destroy") {
              node.nvmlComputeInstanceDestroy(compute);
              node.nvmlGpuInstanceDestroy(instance);
            } else {
              node.Command(kSimulatorReset, {0});
            }
          });
      CAPTURE(stops);
      nvmlGpuInstance_t other;
      REQUIRE(node.nvmlDeviceCreateGpuInstance(node.gpu(1), 0, &other) == NVML_SUCCESS);
      node.Check();
      REQUIRE(node.nvmlGpuInstanceDestroy(other) == NVML_SUCCESS);
      node.Check();
    }
    // Each opens two things, asks about one, locks, removes four entries or makes as many, unlocks
    // and closes both: eleven system calls at least, with two stops each.
    CHECK(stops > 22);
    MESSAGE(change << ": killed at " << stops - 1 << " places");
  }
}

}  // namespace nvml_mig::tests
