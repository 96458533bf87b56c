// Clients that are processes of this machine, and what NVML says of processes.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "loaded_node.h"
#include "simulator/clients.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr unsigned kNone = kSimulatorNone;
// A number that Linux gives to no process, as they end at 2^22.
constexpr unsigned kNobody = (1u << 22) + 71;

// A child that waits until it is killed, under a name of its own.
class Child {
 public:
  explicit Child(const char* name = "child") {
    int ready[2];
    REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_NAME, name);
      [[maybe_unused]] const ssize_t told = write(ready[1], "", 1);
      for (;;) pause();
    }
    char byte;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
  }
  ~Child() { Bury(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  unsigned pid() const { return static_cast<unsigned>(pid_); }
  // Ends it, and leaves it a zombie.
  void Kill() const {
    kill(pid_, SIGKILL);
    siginfo_t ended;
    REQUIRE(waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT) == 0);
  }
  void Bury() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_;
};

nvmlReturn_t Start(LoadedNode& node, unsigned pid, unsigned follow, const char* name = nullptr,
                   unsigned memoryMiB = 0) {
  return node.Command(kSimulatorStartClient, {0, kNone, kNone, pid, 0, memoryMiB, follow}, name);
}

unsigned Listed(LoadedNode& node) {
  nvmlProcessInfo_t rows[kMaxClients];
  unsigned count = kMaxClients;
  REQUIRE(node.nvmlDeviceGetComputeRunningProcesses_v3(node.gpu(), &count, rows) == NVML_SUCCESS);
  return count;
}

std::string NameOf(LoadedNode& node, unsigned pid) {
  char name[64] = "untouched";
  const nvmlReturn_t code = node.nvmlSystemGetProcessName(pid, name, sizeof(name));
  return code == NVML_SUCCESS ? name : "code " + std::to_string(code);
}

}  // namespace

TEST_CASE("a followed process frees what it held when it is killed, buried or not") {
  InitialisedNode node;
  Child child;
  REQUIRE(Start(node, child.pid(), kSimulatorReal, nullptr, 1000) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "followed");
  nvmlMemory_t memory;
  REQUIRE(node.nvmlDeviceGetMemoryInfo(node.gpu(), &memory) == NVML_SUCCESS);
  const unsigned long long held = memory.used;
  CHECK(Listed(node) == 1);
  CHECK(node.Command(kSimulatorReset, {0}) == NVML_ERROR_IN_USE);
  nvmlReturn_t activation = NVML_SUCCESS;
  CHECK(node.nvmlDeviceSetMigMode(node.gpu(), 1, &activation) == NVML_SUCCESS);
  CHECK(activation == NVML_ERROR_IN_USE);

  child.Kill();
  SUBCASE("a zombie") {}
  SUBCASE("gone") { child.Bury(); }
  CHECK(Listed(node) == 0);
  REQUIRE(node.nvmlDeviceGetMemoryInfo(node.gpu(), &memory) == NVML_SUCCESS);
  CHECK(held - memory.used == 1000ull << 20);
  CHECK(node.Command(kSimulatorReset, {0}) == NVML_SUCCESS);
  unsigned current = 0, pending = 0;
  CHECK(node.nvmlDeviceGetMigMode(node.gpu(), &current, &pending) == NVML_SUCCESS);
  CHECK(current == 1);
}

TEST_CASE("the death of a process in an instance frees the instance") {
  InitialisedNode node;
  node.Enable();
  nvmlComputeInstance_t compute;
  const nvmlGpuInstance_t instance = node.Create(9, 2, &compute);  // at 4: id 2
  Child child;
  REQUIRE(node.Command(kSimulatorStartClient, {0, 2, 0, child.pid(), 0, 0, kSimulatorReal}) ==
          NVML_SUCCESS);
  CHECK(node.nvmlComputeInstanceDestroy(compute) == NVML_ERROR_IN_USE);
  CHECK(node.nvmlGpuInstanceDestroy(instance) == NVML_ERROR_IN_USE);
  child.Kill();
  CHECK(node.nvmlComputeInstanceDestroy(compute) == NVML_SUCCESS);
  CHECK(node.nvmlGpuInstanceDestroy(instance) == NVML_SUCCESS);
  CHECK(node.Command(kSimulatorCheck) == NVML_SUCCESS);
}

TEST_CASE("a number that went to another process is another process") {
  const Child child;
  NodeState state = {};
  ClientProcess process;
  Reason reason;
  REQUIRE(DescribeProcess(child.pid(), kSimulatorReal, "", &process, &reason) == NVML_SUCCESS);
  state.clients[3] = {child.pid(), 0, kNone8, kNone8, 0, 0, process.startTime, "it"};
  state.clients[5] = {child.pid(), 0, kNone8, kNone8, 0, 0, process.startTime + 1, "its forerunner"};
  state.clients[7] = {kNobody, 0, kNone8, kNone8, 0, 0, 0, "simulated"};
  state.clients[9] = {kNobody, 0, kNone8, kNone8, 0, 0, 1, "nobody"};
  state.clients[11] = {~0u, 0, kNone8, kNone8, 0, 0, 1, "no number that a process could have"};
  ForgetEndedClients(state);
  CHECK(state.clients[3].pid == child.pid());
  CHECK(state.clients[5].pid == 0);
  CHECK(state.clients[7].pid == kNobody);
  CHECK(state.clients[9].pid == 0);
  CHECK(state.clients[11].pid == 0);
}

TEST_CASE("whatever a process calls itself, it is found and named so") {
  InitialisedNode node;
  for (const char* name : {"plain", "with space", "a) Z 1 (b", ")", "((", "0123456789abcde"}) {
    CAPTURE(name);
    const Child child(name);
    REQUIRE(Start(node, child.pid(), kSimulatorReal) == NVML_SUCCESS);
    CHECK(NameOf(node, child.pid()) == name);
    CHECK(Listed(node) == 1);
    REQUIRE(node.Command(kSimulatorStopClient, {0, kNone, kNone, child.pid(), 0}) == NVML_SUCCESS);
  }
}

TEST_CASE("who must live, may live, or is only played") {
  InitialisedNode node;
  CHECK(Start(node, kNobody, kSimulatorReal) == NVML_ERROR_NOT_FOUND);
  CHECK(std::string(node.text) == "There is no process 4194375 to follow: /proc/4194375 has none "
                                  "that runs.");
  CHECK(Listed(node) == 0);
  CHECK(Start(node, kNobody, kSimulatorRealIfItLives) == NVML_SUCCESS);
  CHECK(node.text[0] == '\0');
  CHECK(Start(node, kNobody, 3) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(Listed(node) == 1);

  Child child;
  CHECK(Start(node, child.pid(), kSimulatorRealIfItLives) == NVML_SUCCESS);
  CHECK(std::string(node.text) == "followed");
  CHECK(Listed(node) == 2);
  // What is said last of a process holds: from here on it is only played, under the name it has.
  CHECK(Start(node, child.pid(), kSimulatorSimulated) == NVML_SUCCESS);
  child.Kill();
  CHECK(Listed(node) == 2);
  CHECK(Start(node, child.pid(), kSimulatorReal) == NVML_ERROR_NOT_FOUND);  // a zombie
  CHECK(Start(node, child.pid(), kSimulatorRealIfItLives) == NVML_SUCCESS);
  CHECK(node.text[0] == '\0');
}

TEST_CASE("names of processes") {
  InitialisedNode node;
  const std::string longest(39, 'n');
  CHECK(Start(node, kNobody, 0, longest.c_str()) == NVML_SUCCESS);
  CHECK(NameOf(node, kNobody) == longest);
  CHECK(Start(node, kNobody, 0, (longest + "n").c_str()) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(node.text) == "A client's name has at most 39 bytes; this one has 40.");
  CHECK(Start(node, kNobody, 0) == NVML_SUCCESS);
  CHECK(NameOf(node, kNobody) == longest);  // it keeps the one it had
  CHECK(Start(node, kNobody + 1, 0) == NVML_SUCCESS);
  CHECK(NameOf(node, kNobody + 1) == "client-4194376");
  // One process, whatever it does and wherever it runs.
  CHECK(node.Command(kSimulatorStartClient, {1, kNone, kNone, kNobody, 1, 0}, "other") ==
        NVML_SUCCESS);
  CHECK(NameOf(node, kNobody) == "other");

  // Cut to the room there is, as the header says.
  char name[4] = "xyz";
  CHECK(node.nvmlSystemGetProcessName(kNobody, name, 4) == NVML_SUCCESS);
  CHECK(std::string(name) == "oth");
  CHECK(node.nvmlSystemGetProcessName(kNobody, name, 1) == NVML_SUCCESS);
  CHECK(name[0] == '\0');
  CHECK(name[1] == 't');
  CHECK(node.nvmlSystemGetProcessName(kNobody, name, 0) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlSystemGetProcessName(kNobody, nullptr, 4) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlSystemGetProcessName(0, name, 4) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlSystemGetProcessName(kNobody + 2, name, 4) == NVML_ERROR_NOT_FOUND);

  Child child;
  REQUIRE(Start(node, child.pid(), kSimulatorReal, "mine") == NVML_SUCCESS);
  CHECK(NameOf(node, child.pid()) == "mine");
  child.Kill();
  CHECK(node.nvmlSystemGetProcessName(child.pid(), name, 4) == NVML_ERROR_NOT_FOUND);
}

TEST_CASE("a process that cannot be read may still be there") {
  const Child child;
  NodeState state = {};
  ClientProcess process;
  Reason reason;
  REQUIRE(DescribeProcess(child.pid(), kSimulatorReal, "", &process, &reason) == NVML_SUCCESS);
  state.clients[0] = {child.pid(), 0, kNone8, kNone8, 0, 0, process.startTime, "it"};
  // A child of this one, so that its descriptors are all gone and ours are not.
  const pid_t reader = fork();
  if (reader == 0) {
    while (dup(0) >= 0) {}
    ForgetEndedClients(state);
    const bool kept = state.clients[0].pid == child.pid();
    const nvmlReturn_t code =
        DescribeProcess(child.pid(), kSimulatorReal, "", &process, &reason);
    _exit(kept && code == NVML_ERROR_NO_PERMISSION ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(reader, &status, 0) == reader);
  CHECK(status == 0);
}
