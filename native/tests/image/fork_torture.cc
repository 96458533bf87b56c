// 3 of 12: processes change the node in two threads while a third forks children that change it too,
// or sleep. Killed at any moment, they leave orphans behind; none may keep the lock or damage the
// state.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <thread>

#include "audit.h"
#include "churn.h"
#include "pauses.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

constexpr unsigned kProcesses = 6;
constexpr unsigned kChangesOfAChild = 5;
constexpr std::size_t kSleepers = 3;

struct Counters {
  std::atomic<std::uint64_t> changes;
  std::atomic<std::uint64_t> forks;
};

void Change(Image* image, Random* random, Counters* counters) {
  const ChangeStatus status = ChangeOnce(image, random);
  EXPECT(status == ChangeStatus::kDone || status == ChangeStatus::kDeclined,
         "a change answered %s", Name(status));
  if (status == ChangeStatus::kDone) counters->changes++;
}

[[noreturn]] void Churn(Image* image, Counters* counters, std::uint64_t seed) {
  Random random(seed), pause(seed + 1);
  pauses = &pause;
  for (;;) Change(image, &random, counters);
}

// Children of a process with threads: nothing but the image is touched in them.
[[noreturn]] void ForkChildren(Image* image, Counters* counters, std::uint64_t seed, int lifeline) {
  Random random(seed);
  std::deque<pid_t> sleepers;
  for (;;) {
    const bool changes = random.Below(2) == 0;
    const pid_t child = fork();
    EXPECT(child >= 0, "fork: %s", std::strerror(errno));
    if (child == 0) {
      char end;
      if (!changes && read(lifeline, &end, 1) >= 0) _exit(0);
      for (unsigned i = 0; i < kChangesOfAChild; i++) Change(image, &random, counters);
      _exit(0);
    }
    counters->forks++;
    random.Next();
    if (changes) {
      MustSucceed(child, "a forked child that changes");
      continue;
    }
    sleepers.push_back(child);
    if (sleepers.size() <= kSleepers) continue;
    Kill(sleepers.front());
    sleepers.pop_front();
  }
}

class Torture {
 public:
  Torture(const std::string& path, std::uint64_t seed) : path_(path), random_(seed) {
    EXPECT(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "no orphans here: %s", std::strerror(errno));
    MustOpen(&image_, path);
    EnableMig(&image_);
    since_ = CountFrom(image_);
    for (Worker& worker : workers_) Start(&worker);
  }

  void KillOne() {
    Worker& victim = workers_[random_.Below(kProcesses)];
    Kill(victim.pid);
    kills_++;
    Audit();
    close(victim.lifeline);  // its orphans may end now
    Start(&victim);
    while (Reap(WNOHANG)) {
    }
  }

  void StopAll() {
    for (Worker& worker : workers_) {
      Kill(worker.pid);
      worker.pid = 0;
      kills_++;
    }
    Audit();
    for (Worker& worker : workers_) close(worker.lifeline);
    while (Reap(0)) {
    }
    Audit();
  }

  void Print() const {
    Figure("kills", double(kills_));
    Figure("forks", double(counters_->forks));
    Figure("orphans", double(orphans_));
    Figure("changes", double(counters_->changes));
    Figure("slowest_lock_ms", slowest_lock_);
  }

 private:
  struct Worker {
    pid_t pid = 0;
    int lifeline = -1;  // closed by the supervisor when sleepers should end
  };

  void Start(Worker* worker) {
    int ends[2];
    EXPECT(pipe2(ends, O_CLOEXEC) == 0, "pipe: %s", std::strerror(errno));
    worker->lifeline = ends[1];
    const std::uint64_t seed = random_.Next();
    worker->pid = Spawn([&] {
      // A sleeper would wait for ever for an end that another process keeps open.
      for (const Worker& each : workers_) close(each.lifeline);
      Image image;
      MustOpen(&image, path_);
      std::thread second([&] { Churn(&image, counters_, seed); });
      std::thread forking([&] { ForkChildren(&image, counters_, seed + 2, ends[0]); });
      Churn(&image, counters_, seed + 4);
    });
    close(ends[0]);
  }

  // One orphan less. False when there is none to be had.
  bool Reap(int how) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, how);
    if (pid <= 0) return false;
    for (const Worker& worker : workers_) EXPECT(worker.pid != pid, "a process ended by itself");
    orphans_++;
    EXPECT(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "an orphan could not change the node");
    return true;
  }

  void Audit() {
    Reason reason;
    bool good = true;
    const double asked = Milliseconds();
    const ChangeStatus status = image_.Change([&](State&) {
      slowest_lock_ = std::max(slowest_lock_, Milliseconds() - asked);
      good = ImageIsGood(image_, since_, &reason);
      return false;
    });
    EXPECT(status == ChangeStatus::kDeclined, "after a kill the next change answered %s",
           Name(status));
    EXPECT(good, "%s", reason.text);
  }

  const std::string path_;
  Random random_;
  Image image_;
  ChangeCount since_{};
  Counters* const counters_ = MakeShared<Counters>();
  Worker workers_[kProcesses];
  std::uint64_t kills_ = 0, orphans_ = 0;
  double slowest_lock_ = 0;
};

void Run(const Options& options) {
  const double seconds = options.full ? 60 : 6;
  GiveUpAfter(static_cast<unsigned>(seconds) + 45);
  step_hook = PauseBetweenSteps;
  Torture torture(CopyImage(options, "fork-torture"), options.seed);
  Random random(options.seed + 1);
  const double end = Milliseconds() + seconds * 1e3;
  while (Milliseconds() < end) {
    usleep(static_cast<useconds_t>(random.Below(60'000)));  // a random moment to kill at
    torture.KillOne();
  }
  torture.StopAll();
  torture.Print();
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
