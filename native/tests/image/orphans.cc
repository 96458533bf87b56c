// 3 of 12, too: what outlives a process that dies in or beside a change never keeps the lock.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "audit.h"
#include "churn.h"
#include "held.h"
#include "support.h"

extern char** environ;

namespace nvml_mig::image_tests {
namespace {

constexpr double kNextLockMilliseconds = 1'000;
constexpr const char* kSleep = "sleep-until-input-ends";

int SleepUntilInputEnds(int input) {
  char end;
  return read(input, &end, 1) == 0 ? 0 : 1;
}

// Ways in which a process gets a child while one of its threads is inside a change.
enum class Way {
  kFork,      // waits for the change
  kBareFork,  // behind pthread_atfork's back, as another language's runtime may do it
  kSpawn,     // the new program is without what is O_CLOEXEC
};

// A process with one thread that is held inside a change, and one that makes a child meanwhile.
class Holder {
 public:
  Holder(const std::string& path, Way way) {
    EXPECT(pipe2(lifeline_, O_CLOEXEC) == 0, "pipe: %s", std::strerror(errno));
    pid_ = Spawn([&] {
      Image image;
      MustOpen(&image, path);
      Random random(1);
      std::thread changing([&] { ChangeHeld(&image, &random, hold_); });
      fork_now_.MustCome("a change is under way");
      forking_.Signal();
      *orphan_ = MakeChild(way);
      forked_.Signal();
      changing.join();
      finished_.Signal();
      pause();
    });
    hold_.reached.MustCome("a change is under way");
    fork_now_.Signal();
    forking_.MustCome("the process that holds the lock makes a child");
  }

  // Its orphan, if any, ends when nobody holds the other end of its lifeline.
  ~Holder() {
    close(lifeline_[1]);
    close(lifeline_[0]);
    if (*orphan_ != 0) MustSucceed(*orphan_, "the orphan");
  }

  [[nodiscard]] bool ForksWithin(int milliseconds) const { return forked_.Wait(milliseconds); }
  void FinishChange() const {
    hold_.go_on.Signal();
    finished_.MustCome("a change that was let go ends");
  }
  void Die() const { Kill(pid_); }
  [[nodiscard]] bool LeftAnOrphan() const { return *orphan_ != 0 && kill(*orphan_, 0) == 0; }

 private:
  pid_t MakeChild(Way way) const {
    if (way == Way::kSpawn) return SpawnSleeper();
    const pid_t child = way == Way::kFork ? fork() : _Fork();
    EXPECT(child >= 0, "fork: %s", std::strerror(errno));
    if (child != 0) return child;
    close(lifeline_[1]);
    _exit(SleepUntilInputEnds(lifeline_[0]));
  }

  pid_t SpawnSleeper() const {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, lifeline_[0], STDIN_FILENO);
    char program[] = "/proc/self/exe";
    char* const arguments[] = {program, const_cast<char*>(kSleep), nullptr};
    pid_t child;
    const int error = posix_spawn(&child, program, &actions, nullptr, arguments, environ);
    EXPECT(error == 0, "posix_spawn: %s", std::strerror(error));
    posix_spawn_file_actions_destroy(&actions);
    return child;
  }

  const Hold hold_{Step::written};
  const Event fork_now_, forking_, forked_, finished_;
  std::atomic<pid_t>* const orphan_ = MakeShared<std::atomic<pid_t>>();
  int lifeline_[2];
  pid_t pid_;
};

class Orphans {
 public:
  explicit Orphans(const Options& options) : path_(CopyImage(options, "orphans")) {
    EXPECT(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "no orphans here: %s", std::strerror(errno));
    MustOpen(&image_, path_);
    EnableMig(&image_);
    since_ = CountFrom(image_);
  }

  void OfAForkThatWaited() {
    const Holder holder(path_, Way::kFork);
    EXPECT(!holder.ForksWithin(100), "fork did not wait for the change");
    holder.FinishChange();
    holder.Die();
    NextChangeSucceeds(holder, true, "after a fork that waited");
  }

  void OfAForkThatNeverCame() {
    const Holder holder(path_, Way::kFork);
    EXPECT(!holder.ForksWithin(100), "fork did not wait for the change");
    holder.Die();
    NextChangeSucceeds(holder, false, "after a death while fork waited");
  }

  // The child has a copy of the descriptor, so it is the word "unlock" that counts, not the close.
  void OfABareFork() {
    const Holder holder(path_, Way::kBareFork);
    EXPECT(holder.ForksWithin(20'000), "a bare fork waited");
    holder.FinishChange();
    holder.Die();
    NextChangeSucceeds(holder, true, "after a bare fork inside the change");
  }

  void OfASpawn() {
    const Holder holder(path_, Way::kSpawn);
    EXPECT(holder.ForksWithin(20'000), "posix_spawn waited");
    holder.Die();
    NextChangeSucceeds(holder, true, "after a death in a change with a program started in it");
  }

  void Report() const {
    Figure("orphans", orphans_);
    Figure("slowest_lock_ms", slowest_lock_);
  }

 private:
  void NextChangeSucceeds(const Holder& holder, bool orphan, const char* when) {
    EXPECT(holder.LeftAnOrphan() == orphan, "%s there is %s orphan", when, orphan ? "no" : "an");
    orphans_ += orphan;
    const double asked = Milliseconds();
    MustChangeOnce(&image_, &random_);
    const double waited = Milliseconds() - asked;
    slowest_lock_ = waited > slowest_lock_ ? waited : slowest_lock_;
    EXPECT(waited < kNextLockMilliseconds, "%s the next change waited %.0f ms", when, waited);
    EXPECT(holder.LeftAnOrphan() == orphan, "%s the orphan did not live through the change", when);
    Reason reason;
    EXPECT(ImageIsGood(image_, since_, &reason), "%s: %s", when, reason.text);
  }

  const std::string path_;
  Image image_;
  ChangeCount since_{};
  Random random_{2};
  int orphans_ = 0;
  double slowest_lock_ = 0;
};

void Run(const Options& options) {
  GiveUpAfter(60);
  Orphans orphans(options);
  orphans.OfAForkThatWaited();
  orphans.OfAForkThatNeverCame();
  orphans.OfABareFork();
  orphans.OfASpawn();
  orphans.Report();
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  using namespace nvml_mig::image_tests;
  if (count == 2 && std::strcmp(arguments[1], kSleep) == 0) return SleepUntilInputEnds(0);
  Run(ReadOptions(count, arguments));
}
