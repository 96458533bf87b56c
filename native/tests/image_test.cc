// The mapped image: reading, changing, and every way a change can be refused. That a killed process
// leaves a whole state is shown by the torture tests; here a single process goes through the cases.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include "boards.h"
#include "node_directory.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

std::vector<std::uint8_t> TwoA100s() { return MakeImage(Driver(550), {A100(), A100()}); }

struct Opened {
  explicit Opened(const NodeDirectory& directory) {
    Reason reason;
    REQUIRE(image.Open(directory.image_path().c_str(), &reason) == OpenStatus::kOpened);
  }
  ~Opened() { image.Close(); }
  Image image;
};

// A change that shows: `created` counts up.
ChangeStatus Bump(Image& image) {
  return image.Change([](State& state) {
    state.node.created++;
    return true;
  });
}

std::uint64_t Created(const Image& image) {
  State state;
  image.Read(&state);
  return state.node.created;
}

// Runs in a child process and returns its exit status.
template <class Body>
int InChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a change is read by every image of the file, and counted") {
  const NodeDirectory directory(TwoA100s());
  Opened one(directory);
  Opened other(directory);
  const std::uint64_t before = other.image.current();
  CHECK(Bump(one.image) == ChangeStatus::kDone);
  CHECK(other.image.current() == before + 1);
  CHECK(Created(other.image) == 1);
  CHECK(Bump(other.image) == ChangeStatus::kDone);
  CHECK(Created(one.image) == 2);
  CHECK(one.image.IsSound());
}

TEST_CASE("what the rules decline or leave as it was is not published") {
  const NodeDirectory directory(TwoA100s());
  Opened opened(directory);
  const std::uint64_t before = opened.image.current();
  CHECK(opened.image.Change([](State& state) {
    state.node.created = 99;
    return false;
  }) == ChangeStatus::kDeclined);
  CHECK(opened.image.Change([](State&) { return true; }) == ChangeStatus::kDone);
  CHECK(opened.image.current() == before);
  CHECK(Created(opened.image) == 0);
}

TEST_CASE("one GPU's part is read from the same moment as the node's") {
  const NodeDirectory directory(TwoA100s());
  Opened opened(directory);
  REQUIRE(opened.image.Change([](State& state) {
    state.node.lastStamp = 7;
    state.gpus[1].migCurrent = 1;
    return true;
  }) == ChangeStatus::kDone);
  NodeState node;
  GpuState gpu;
  CHECK(opened.image.ReadGpu(1, &node, &gpu) == opened.image.current());
  CHECK(node.lastStamp == 7);
  CHECK(gpu.migCurrent == 1);
  opened.image.ReadGpu(0, &node, &gpu);
  CHECK(gpu.migCurrent == 0);
}

TEST_CASE("readers in threads see whole states while others change them") {
  const NodeDirectory directory(TwoA100s());
  Opened opened(directory);
  constexpr unsigned changes = 2000;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (unsigned i = 0; i < changes; i++) {
      CHECK(opened.image.Change([](State& state) {
        state.node.created++;
        state.node.destroyed = state.node.created;
        state.gpus[1].migCurrent = static_cast<std::uint32_t>(state.node.created);
        return true;
      }) == ChangeStatus::kDone);
    }
    done = true;
  });
  unsigned torn = 0;
  while (!done) {
    State state;
    opened.image.Read(&state);
    torn += state.node.created != state.node.destroyed ||
            state.gpus[1].migCurrent != state.node.created;
  }
  writer.join();
  CHECK(torn == 0);
  CHECK(Created(opened.image) == changes);
}

TEST_CASE("a torn active slot gives way to the other one") {
  std::vector<std::uint8_t> bytes = TwoA100s();
  // Slot 0 is named by current and broken; slot 1 holds the change before it, or the one after it
  // that was never named.
  HeaderOf(bytes).current = 2;
  reinterpret_cast<Slot*>(SlotOf(bytes, 0))->seq = 2;
  for (std::uint64_t seq : {1u, 3u}) {
    CAPTURE(seq);
    reinterpret_cast<Slot*>(SlotOf(bytes, 1))->seq = seq;
    StateOf(bytes, 1).node.created = 5;
    SealSlot(bytes, 1);
    StateOf(bytes, 0).node.created = 6;  // not sealed
    const NodeDirectory directory(bytes);
    {
      Opened opened(directory);
      CHECK(opened.image.current() == 3);
      CHECK(Created(opened.image) == 5);
      CHECK(Bump(opened.image) == ChangeStatus::kDone);
    }
    Opened again(directory);
    CHECK(Created(again.image) == 6);
  }
}

TEST_CASE("an image damaged in both slots, or one that may not be repaired, is refused") {
  std::vector<std::uint8_t> bytes = TwoA100s();
  StateOf(bytes, 0).node.created = 6;
  const auto refused = [&](const std::vector<std::uint8_t>& it) {
    const NodeDirectory directory(it);
    Image image;
    Reason reason;
    CHECK(image.Open(directory.image_path().c_str(), &reason) == OpenStatus::kRefused);
    return std::string(reason.text);
  };
  // A fresh image's second slot is no neighbour of change 0.
  CHECK(refused(bytes).find("both of its slots") != std::string::npos);
  reinterpret_cast<Slot*>(SlotOf(bytes, 1))->seq = 1;
  StateOf(bytes, 1).node.created = 6;
  CHECK(refused(bytes).find("both of its slots") != std::string::npos);
}

TEST_CASE("a retired node is read and no longer changed") {
  const NodeDirectory directory(TwoA100s());
  Opened opened(directory);
  Opened other(directory);
  CHECK(other.image.Retire() == ChangeStatus::kDone);
  CHECK(opened.image.retired());
  CHECK(Bump(opened.image) == ChangeStatus::kRetired);
  CHECK(Created(opened.image) == 0);
}

TEST_CASE("a replaced or removed file is not changed, and the old one still read") {
  const NodeDirectory directory(TwoA100s());
  Opened opened(directory);
  CHECK(opened.image.IsInPlace());
  directory.Replace(TwoA100s());
  CHECK_FALSE(opened.image.IsInPlace());
  CHECK(Bump(opened.image) == ChangeStatus::kReplaced);
  CHECK(Created(opened.image) == 0);
  std::filesystem::remove_all(directory.path());
  CHECK_FALSE(opened.image.IsInPlace());
  CHECK(Bump(opened.image) == ChangeStatus::kReplaced);
  CHECK(Created(opened.image) == 0);
}

TEST_CASE("without the right to write, reads work and changes say so") {
  const NodeDirectory directory(TwoA100s());
  REQUIRE(chmod(directory.image_path().c_str(), 0444) == 0);
  REQUIRE(chmod(directory.path().c_str(), 0755) == 0);
  // Root may write everything, so somebody else tries.
  const int outcome = InChild([&] {
    if (geteuid() == 0 && setuid(65534) != 0) return 1;
    Image image;
    Reason reason;
    if (image.Open(directory.image_path().c_str(), &reason) != OpenStatus::kOpened) return 2;
    if (image.writable() || Created(image) != 0) return 3;
    return Bump(image) == ChangeStatus::kReadOnly ? 0 : 4;
  });
  CHECK(outcome == 0);
  REQUIRE(chmod(directory.image_path().c_str(), 0) == 0);
  const int unreadable = InChild([&] {
    if (geteuid() == 0 && setuid(65534) != 0) return 1;
    Image image;
    Reason reason;
    return image.Open(directory.image_path().c_str(), &reason) == OpenStatus::kForbidden ? 0 : 2;
  });
  CHECK(unreadable == 0);
}

TEST_CASE("a change waits for a held lock until the deadline and no longer") {
  const NodeDirectory directory(TwoA100s());
  Opened opened(directory);
  opened.image.lock_deadline_ms = 50;
  const int holder = open(directory.image_path().c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(flock(holder, LOCK_EX) == 0);
  CHECK(Bump(opened.image) == ChangeStatus::kTimeout);
  CHECK(Created(opened.image) == 0);
  REQUIRE(flock(holder, LOCK_UN) == 0);
  close(holder);
  CHECK(Bump(opened.image) == ChangeStatus::kDone);
}

TEST_CASE("no free descriptor is told apart from a missing file") {
  const NodeDirectory directory(TwoA100s());
  const int outcome = InChild([&] {
    Image image;
    Reason reason;
    if (image.Open(directory.image_path().c_str(), &reason) != OpenStatus::kOpened) return 1;
    const rlimit none = {0, 0};
    if (setrlimit(RLIMIT_NOFILE, &none) != 0) return 2;
    if (Bump(image) != ChangeStatus::kSystem) return 3;
    return Created(image) == 0 ? 0 : 4;
  });
  CHECK(outcome == 0);
}

TEST_CASE("closed descriptors do not matter: none is kept") {
  const NodeDirectory directory(TwoA100s());
  const int outcome = InChild([&] {
    Image image;
    Reason reason;
    if (image.Open(directory.image_path().c_str(), &reason) != OpenStatus::kOpened) return 1;
    closefrom(0);
    return Bump(image) == ChangeStatus::kDone ? 0 : 2;
  });
  CHECK(outcome == 0);
  Opened opened(directory);
  CHECK(Created(opened.image) == 1);
}

TEST_CASE("fork waits for a change, and both sides go on changing") {
  const NodeDirectory directory(TwoA100s());
  Opened opened(directory);
  constexpr int children = 20;
  std::atomic<bool> stop{false};
  std::atomic<unsigned> mine{0};
  std::thread writer([&] {
    while (!stop) mine += Bump(opened.image) == ChangeStatus::kDone;
  });
  int good = 0;
  for (int i = 0; i < children; i++) {
    good += InChild([&] { return Bump(opened.image) == ChangeStatus::kDone ? 0 : 1; }) == 0;
  }
  stop = true;
  writer.join();
  CHECK(good == children);
  CHECK(Created(opened.image) == mine + children);
}

TEST_CASE("the path beside a library is absolute") {
  char path[PATH_MAX];
  REQUIRE(PathBesideLibrary(reinterpret_cast<const void*>(&TwoA100s), "node.image", path,
                            sizeof(path)));
  CHECK(path[0] == '/');
  CHECK(std::string(path).ends_with("/node.image"));
  CHECK_FALSE(PathBesideLibrary(reinterpret_cast<const void*>(&TwoA100s), "node.image", path, 8));
  int onStack;
  CHECK_FALSE(PathBesideLibrary(&onStack, "node.image", path, sizeof(path)));
}
