// 2 of 12: a change is single-stepped in a child, and between any two of its instructions everybody
// else finds the state as it was before, or as it is after. A change killed for real at an
// instruction around taking the lock, publishing or giving the lock back leaves that too, and the
// next change gets the lock within a second.
//
//   every    after every instruction of whole changes
//   windows  after every instruction of stretches that start at steps drawn from the seed
//   kills    a kill at instructions drawn from the seed; at every one when full
//   control  the first, built in place, where bad states must be seen
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "audit.h"
#include "churn.h"
#include "support.h"
#ifdef SIMULATOR_STEPS
#include "steps.h"
#endif

namespace nvml_mig::image_tests {
namespace {

constexpr int kForbidden = 78;
constexpr double kNextLockMilliseconds = 1'000;

#ifdef SIMULATOR_STEPS
struct Progress {
  unsigned reached = 0;     // steps passed by the change
  Step last = Step::none;
};
Progress* progress = nullptr;  // shared with the traced child
unsigned stop_at = 0;          // the step, counted from one, that stops the child; 0 for none
Step stop_at_first = Step::none;

void StopThere(Step step) {
  progress->reached++;
  const bool stop = progress->reached == stop_at ||
                    (step == stop_at_first && progress->last != stop_at_first);
  progress->last = step;
  if (stop) raise(SIGTRAP);
}
#endif

// A child that makes one change, stopped just before.
class Tracee {
 public:
  Tracee(const std::string& path, std::uint64_t seed) {
    pid_ = Spawn([&] {
      Image image;
      MustOpen(&image, path);
      Random random(seed);
      if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(kForbidden);
#ifdef SIMULATOR_STEPS
      step_hook = StopThere;
#endif
      raise(SIGSTOP);
      const ChangeStatus status = ChangeOnce(&image, &random);
      EXPECT(status == ChangeStatus::kDone, "the traced change answered %s", Name(status));
      raise(SIGSTOP);
    });
    const int status = Join(pid_);
    if (WIFEXITED(status) && WEXITSTATUS(status) == kForbidden) {
      Skip("ptrace is not permitted here");
    }
    EXPECT(WIFSTOPPED(status), "the traced child did not start");
  }
  ~Tracee() { Kill(pid_); }

  // One instruction. False when the change is over.
  bool Step() { return Go(PTRACE_SINGLESTEP); }
  // To the step that stops it. False when the change ended before.
  bool Continue() { return Go(PTRACE_CONT); }

 private:
  bool Go(__ptrace_request how) {
    EXPECT(ptrace(how, pid_, nullptr, nullptr) == 0, "ptrace: %s", std::strerror(errno));
    const int status = Join(pid_);
    EXPECT(WIFSTOPPED(status), "the traced child ended in the middle of its change");
    return WSTOPSIG(status) == SIGTRAP;
  }

  pid_t pid_;
};

class Stepper {
 public:
  Stepper(const std::string& path, std::uint64_t seed) : path_(path), random_(seed) {
    MustOpen(&image_, path);
    EnableMig(&image_);
    since_ = CountFrom(image_);
    for (int i = 0; i < 20; i++) MustChangeOnce(&image_, &random_);
  }

  // The next change: what it starts from, and what it will lead to.
  std::uint64_t Prepare() {
    for (;;) {
      const std::uint64_t seed = random_.Next();
      from_ = image_.Read(&before_);
      after_ = before_;
      Random random(seed);
      if (CreateOrDestroy(image_, &random, after_)) return seed;
    }
  }

  void Check() {
    checked_++;
    State now;
    const std::uint64_t number = image_.Read(&now);
    const State& expected = number == from_ ? before_ : after_;
    const std::size_t bytes =
        sizeof(simulator::NodeState) + image_.gpu_count() * sizeof(simulator::GpuState);
    const bool good = image_.IsSound() && std::memcmp(&now, &expected, bytes) == 0 &&
                      (number == from_ || number == from_ + kChangeAdvance);
    bad_ += !good;
  }

  // Every instruction of one change.
  void StepThrough() {
    Tracee child(path_, Prepare());
    while (child.Step()) Check();
    EXPECT(image_.current() == from_ + kChangeAdvance, "the traced change was not published");
  }

#ifdef SIMULATOR_STEPS
  // Up to `length` instructions from the given step of a change on.
  void StepWindow(unsigned start, unsigned length) {
    stop_at = start;
    *progress = {};
    Tracee child(path_, Prepare());
    if (!child.Continue()) return;
    Check();
    for (unsigned i = 0; i < length && child.Step(); i++) Check();
  }

  // Steps that one change passes.
  unsigned CountSteps() {
    stop_at = 0;
    *progress = {};
    Tracee child(path_, Prepare());
    EXPECT(!child.Continue(), "a child stopped without being asked to");
    return progress->reached;
  }

  // Instructions from the first passage of `from` to the first of `to`, or to the end of the change.
  unsigned Distance(Step from, Step to) {
    stop_at_first = from;
    *progress = {};
    Tracee child(path_, Prepare());
    EXPECT(child.Continue(), "a change did not pass %s", Name(from));
    unsigned instructions = 0;
    while (progress->last != to && child.Step()) instructions++;
    return instructions;
  }

  // A real kill so many instructions after a step, then what the others find.
  void KillAt(Step from, unsigned instructions) {
    stop_at_first = from;
    *progress = {};
    {
      Tracee child(path_, Prepare());
      EXPECT(child.Continue(), "a change did not pass %s", Name(from));
      for (unsigned i = 0; i < instructions && child.Step(); i++) {
      }
    }
    kills_++;
    Check();
    Image newcomer;
    MustOpen(&newcomer, path_);
    const double asked = Milliseconds();
    MustChangeOnce(&newcomer, &random_);
    slowest_lock_ = std::max(slowest_lock_, Milliseconds() - asked);
    Reason reason;
    EXPECT(ImageIsGood(newcomer, since_, &reason), "killed %u instructions after %s: %s",
           instructions, Name(from), reason.text);
    newcomer.Close();
  }

  void KillBetween(Step from, Step to, bool all, Random* random) {
    const unsigned distance = Distance(from, to);
    const unsigned stride = all ? 1 : std::max(1u, distance / 40);
    unsigned at = all ? 0 : static_cast<unsigned>(random->Below(stride));
    for (; at <= distance; at += stride) KillAt(from, at);
  }
#endif

  void Report(bool control) const {
    Figure("instructions_checked", double(checked_));
    Figure("bad", double(bad_));
    if (kills_ != 0) {
      Figure("kills", double(kills_));
      Figure("slowest_lock_ms", slowest_lock_);
      EXPECT(slowest_lock_ < kNextLockMilliseconds, "the next change waited %.0f ms for the lock",
             slowest_lock_);
    }
    EXPECT(control || bad_ == 0, "%.0f of %.0f instructions left a bad state", double(bad_),
           double(checked_));
    EXPECT(!control || bad_ != 0, "changes made in place never left a bad state");
  }

 private:
  const std::string path_;
  Random random_;
  Image image_;
  ChangeCount since_{};
  std::uint64_t from_ = 0;
  State before_{}, after_{};
  std::uint64_t checked_ = 0, bad_ = 0, kills_ = 0;
  double slowest_lock_ = 0;
};

void Run(const Options& options) {
  GiveUpAfter(options.full ? 900 : 120);
  const bool control = options.has("control");
  Stepper stepper(CopyImage(options, "instruction-steps"), options.seed);
#ifdef SIMULATOR_STEPS
  Random random(options.seed + 1);
  progress = MakeShared<Progress>();
  if (options.has("windows")) {
    const unsigned steps = stepper.CountSteps();
    const int windows = options.full ? 200 : 30;
    Figure("windows", windows);
    for (int i = 0; i < windows; i++) {
      stepper.StepWindow(1 + static_cast<unsigned>(random.Below(steps)), 150);
    }
  }
  if (options.has("kills")) {
    stepper.KillBetween(Step::before_mutex, Step::locked, options.full, &random);
    stepper.KillBetween(Step::written, Step::none, options.full, &random);
  }
#endif
  if (options.has("every") || control) {
    for (int i = 0; i < (options.full ? 3 : 2); i++) stepper.StepThrough();
  }
  stepper.Report(control);
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
