// What the programs that test node.image have in common: how they are called, how they say what they
// found, processes that never outlive them, and waits that always end.
//
// A program is called as  PROGRAM IMAGE FOLDER SEED [full] [mode…]:  IMAGE is a fresh node.image that
// it copies into FOLDER before use, and the caller removes FOLDER. It prints a line "name number" for
// each figure, and exits 0 (held), 1 after a sentence on stderr (did not hold) or 77 after a sentence
// (cannot be tried here).
#ifndef NVML_MIG_TESTS_IMAGE_SUPPORT_H
#define NVML_MIG_TESTS_IMAGE_SUPPORT_H

#include <sys/types.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "simulator/image.h"

namespace nvml_mig::image_tests {

using simulator::ChangeStatus;
using simulator::Image;
using simulator::OpenStatus;
using simulator::Reason;
using simulator::State;

struct Options {
  std::string image;
  std::string folder;
  std::uint64_t seed = 0;
  bool full = false;
  std::vector<std::string> modes;

  bool has(const char* mode) const;
};
Options ReadOptions(int count, char** arguments);

// Ends the program, or the child that calls it, with a sentence.
[[noreturn]] __attribute__((format(printf, 1, 2))) void Fail(const char* format, ...);
[[noreturn]] __attribute__((format(printf, 1, 2))) void Skip(const char* format, ...);
#define EXPECT(condition, ...) \
  do {                         \
    if (!(condition)) ::nvml_mig::image_tests::Fail(__VA_ARGS__); \
  } while (0)
void Figure(const char* name, double value);

// Numbers that depend on the seed alone.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() {
    std::uint64_t mixed = (state_ += 0x9E3779B97F4A7C15u);
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
    return mixed ^ mixed >> 31;
  }
  std::uint64_t Below(std::uint64_t limit) { return Next() % limit; }

 private:
  std::uint64_t state_;
};

double Milliseconds();  // on a clock that never goes back

// Kills the program after so many seconds: whatever hangs, its caller goes on.
void GiveUpAfter(unsigned seconds);

const char* Name(ChangeStatus status);

std::vector<std::uint8_t> ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::vector<std::uint8_t>& bytes);
// A copy of the fresh image in a folder of its own in `folder`; the path of the copy.
std::string CopyImage(const Options& options, const char* name);

void MustOpen(Image* image, const std::string& path);
template <class Rules>
void MustChange(Image* image, Rules rules) {
  const ChangeStatus status = image->Change(rules);
  EXPECT(status == ChangeStatus::kDone, "a change answered %s", Name(status));
}
// Sets the MIG mode of every GPU, so that instances can be created.
void EnableMig(Image* image);

// A child that dies with the thread that made it, unless it ends before by returning.
template <class Body>
pid_t Spawn(Body&& body);
// What waitpid says about its end.
int Join(pid_t child);
// Fails unless it exited with 0; what it skipped is skipped.
void MustSucceed(pid_t child, const char* what);
void Kill(pid_t child);  // SIGKILL, and waits for the end

// An event between processes or threads: as many waits pass as there were signals.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void Signal() const;
  // False when nothing came in time.
  [[nodiscard]] bool Wait(int milliseconds) const;
  void MustCome(const char* what) const;

 private:
  int ends_[2];
};

// Memory that forked children share.
void* SharedMemory(std::size_t bytes);
template <class T>
T* MakeShared() {
  return new (SharedMemory(sizeof(T))) T();
}

namespace internal {
pid_t ForkTied();
}
template <class Body>
pid_t Spawn(Body&& body) {
  const pid_t child = internal::ForkTied();
  if (child == 0) {
    body();
    _Exit(0);
  }
  return child;
}

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_SUPPORT_H
