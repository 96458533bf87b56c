// Who else has NVML initialised: an Ampere board's change of mode waits for them. Others are processes
// made by fork, which load the node for themselves.
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

Node Counting() {
  Node node = Driver(550);
  node.countsProcesses = 1;
  return node;
}

// Another process, which does one thing after another as it is told, by its own copy of the library's
// state.
class Other {
 public:
  explicit Other(const LoadedNode& node) {
    int down[2], up[2];
    REQUIRE(pipe2(down, O_CLOEXEC) == 0);
    REQUIRE(pipe2(up, O_CLOEXEC) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(down[1]);
      close(up[0]);
      char order;
      while (read(down[0], &order, 1) == 1) {
        const auto answer = static_cast<char>(Obey(node, order, down[0]));
        if (write(up[1], &answer, 1) != 1) break;
      }
      _exit(0);
    }
    close(down[0]);
    close(up[1]);
    orders_ = down[1];
    answers_ = up[0];
  }
  ~Other() {
    End();
    close(orders_);
    close(answers_);
  }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;

  int Tell(char order) const {
    char answer;
    REQUIRE(write(orders_, &order, 1) == 1);
    REQUIRE(read(answers_, &answer, 1) == 1);
    return answer;
  }
  // Killed, as a client may be at any moment.
  void End() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  static int Obey(const LoadedNode& node, char order, int orders) {
    nvmlReturn_t activation = NVML_SUCCESS;
    nvmlDevice_t device = nullptr;
    switch (order) {
      case 'i':
        return node.nvmlInit_v2();
      case 's':
        return node.nvmlShutdown();
      case '1':
      case '0':
        node.nvmlDeviceGetHandleByIndex_v2(0, &device);
        node.nvmlDeviceSetMigMode(device, static_cast<unsigned>(order - '0'), &activation);
        return activation;
      case 'c': {  // a child of its own, which does nothing and ends with the test
        int isUp[2];
        if (pipe2(isUp, O_CLOEXEC) != 0) return 1;
        const pid_t child = fork();
        if (child == 0) {
          // Only now has it let go of what it inherited.
          if (write(isUp[1], "", 1) != 1) _exit(1);
          pollfd end = {orders, 0, 0};
          while (poll(&end, 1, -1) < 0) {}
          _exit(0);
        }
        char up;
        const bool came = child > 0 && read(isUp[0], &up, 1) == 1;
        for (int end : isUp) close(end);
        return came ? 0 : 1;
      }
      default:
        return 99;
    }
  }

  pid_t pid_;
  int orders_, answers_;
};

struct Ampere : LoadedNode {
  explicit Ampere(const Node& driver = Counting(), const GpuBoard& board = A100())
      : LoadedNode(MakeImage(driver, {board})) {}
  ~Ampere() { nvmlShutdown(); }

  nvmlReturn_t Set(unsigned mode) const {
    nvmlReturn_t activation = NVML_ERROR_UNKNOWN;
    REQUIRE(nvmlDeviceSetMigMode(gpu(), mode, &activation) == NVML_SUCCESS);
    return activation;
  }
  void CheckMode(unsigned current, unsigned pending) const {
    unsigned is = 9, willBe = 9;
    REQUIRE(nvmlDeviceGetMigMode(gpu(), &is, &willBe) == NVML_SUCCESS);
    CHECK(is == current);
    CHECK(willBe == pending);
  }
};

unsigned OpenDescriptors() {
  unsigned open = 0;
  for (int descriptor = 0; descriptor < 256; descriptor++) open += fcntl(descriptor, F_GETFD) >= 0;
  return open;
}

}  // namespace

TEST_CASE("a change waits while another process has NVML initialised") {
  Ampere node;
  Other other(node);
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  REQUIRE(other.Tell('i') == NVML_SUCCESS);
  REQUIRE(other.Tell('i') == NVML_SUCCESS);
  CHECK(node.Set(1) == NVML_ERROR_IN_USE);
  node.CheckMode(0, 1);
  CHECK(other.Tell('1') == NVML_ERROR_IN_USE);  // which this process is to that one
  REQUIRE(other.Tell('s') == NVML_SUCCESS);
  CHECK(node.Set(1) == NVML_ERROR_IN_USE);  // it still has one init left
  SUBCASE("until its last shutdown") { REQUIRE(other.Tell('s') == NVML_SUCCESS); }
  SUBCASE("until it is killed") { other.End(); }
  CHECK(node.Set(1) == NVML_SUCCESS);
  node.CheckMode(1, 1);

  // Off again: pending likewise, where a process that uses the GPU would be a refusal.
  Other third(node);
  REQUIRE(third.Tell('i') == NVML_SUCCESS);
  CHECK(node.Set(0) == NVML_ERROR_IN_USE);
  node.CheckMode(1, 0);
  CHECK(node.Command(kSimulatorReset, {0}) == NVML_SUCCESS);
  node.CheckMode(0, 0);
}

TEST_CASE("a process is not another one to itself") {
  Ampere node;
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  // The library once more, by another name, as a program may have it: it counts for itself.
  const std::string copy = node.directory.path() + "/copy.so.1";
  std::filesystem::copy_file(node.path(), copy);
  void* const library = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  const auto init = reinterpret_cast<nvmlReturn_t (*)()>(dlsym(library, "nvmlInit_v2"));
  const auto shutdown = reinterpret_cast<nvmlReturn_t (*)()>(dlsym(library, "nvmlShutdown"));
  REQUIRE(init() == NVML_SUCCESS);
  CHECK(node.Set(1) == NVML_SUCCESS);
  shutdown();
  dlclose(library);
  CHECK(node.Set(0) == NVML_SUCCESS);
  node.nvmlShutdown();
}

TEST_CASE("boards that need no reset, and nodes that do not count, do not wait") {
  Ampere hopper(Counting(), H100());
  Ampere apart(Driver(550));
  for (Ampere* node : {&hopper, &apart}) {
    REQUIRE(node->nvmlInit_v2() == NVML_SUCCESS);
    Other other(*node);
    REQUIRE(other.Tell('i') == NVML_SUCCESS);
    CHECK(node->Set(1) == NVML_SUCCESS);
    node->CheckMode(1, 1);
  }
}

TEST_CASE("a child is nobody until it initialises NVML itself, and does not speak for its parent") {
  Ampere node;
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  Other child(node);  // made while this process had NVML initialised
  CHECK(node.Set(1) == NVML_SUCCESS);
  REQUIRE(child.Tell('i') == NVML_SUCCESS);
  CHECK(node.Set(0) == NVML_ERROR_IN_USE);
  REQUIRE(child.Tell('s') == NVML_SUCCESS);
  CHECK(node.Set(0) == NVML_SUCCESS);
  // Its own child lives on and has nothing of what it had.
  REQUIRE(child.Tell('i') == NVML_SUCCESS);
  REQUIRE(child.Tell('c') == 0);
  CHECK(node.Set(1) == NVML_ERROR_IN_USE);
  child.End();
  CHECK(node.Set(1) == NVML_SUCCESS);
}

TEST_CASE("who may only read the node counts as well") {
  if (geteuid() != 0) return;  // somebody else can only be played by root
  Ampere node;
  REQUIRE(chmod(node.directory.path().c_str(), 0755) == 0);
  REQUIRE(chmod(node.directory.image_path().c_str(), 0644) == 0);
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  int down[2], up[2];
  REQUIRE(pipe2(down, O_CLOEXEC) == 0);
  REQUIRE(pipe2(up, O_CLOEXEC) == 0);
  const pid_t reader = fork();
  if (reader == 0) {
    close(down[1]);
    const bool is = setuid(65534) == 0 && node.nvmlInit_v2() == NVML_SUCCESS;
    const char answer = is ? 'y' : 'n';
    char end;
    if (write(up[1], &answer, 1) == 1) [[maybe_unused]] const ssize_t over = read(down[0], &end, 1);
    _exit(0);
  }
  char answer;
  REQUIRE(read(up[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  CHECK(node.Set(1) == NVML_ERROR_IN_USE);
  close(down[1]);
  waitpid(reader, nullptr, 0);
  CHECK(node.Set(1) == NVML_SUCCESS);
  for (int end : {down[0], up[0], up[1]}) close(end);
}

TEST_CASE("init and shutdown leave no descriptor, and close none that is not theirs") {
  Ampere node;
  const unsigned before = OpenDescriptors();
  for (int i = 0; i < 3; i++) {
    REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
    CHECK(OpenDescriptors() == before + 1);
    node.nvmlShutdown();
    CHECK(OpenDescriptors() == before);
  }
  // A daemon that closes what it does not know, and then opens something of its own.
  int lowest = 0;
  while (fcntl(lowest, F_GETFD) >= 0) lowest++;
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  close(lowest);
  REQUIRE(open("/dev/null", O_RDONLY | O_CLOEXEC) == lowest);
  node.nvmlShutdown();
  CHECK(fcntl(lowest, F_GETFD) >= 0);
  close(lowest);
}

TEST_CASE("a process without a free descriptor is initialised all the same") {
  Ampere node;
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);  // the image is mapped; what follows needs no opening
  node.nvmlShutdown();
  const pid_t child = fork();
  if (child == 0) {
    while (dup(0) >= 0) {}
    unsigned count = 0;
    _exit(node.nvmlInit_v2() == NVML_SUCCESS && node.nvmlDeviceGetCount_v2(&count) == NVML_SUCCESS &&
                  node.nvmlShutdown() == NVML_SUCCESS
              ? 0
              : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
