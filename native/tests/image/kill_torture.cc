// 1 of 12: processes that create and destroy instances are killed at any moment, and the state is
// audited after every kill.
//
// Built with steps it pauses between the steps of a change, so that kills land inside it. Built in
// place (mode "control") changes are written over what everybody reads, and the program then succeeds
// only when the audit finds the state corrupt: a torture that cannot tell is worth nothing.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "audit.h"
#include "churn.h"
#include "support.h"
#ifdef SIMULATOR_STEPS
#include "pauses.h"
#endif

namespace nvml_mig::image_tests {
namespace {

constexpr unsigned kProcesses = 8;
constexpr unsigned kThreads = 2;

// What a thread tells the supervisor; outlives the thread's process.
struct Record {
  std::atomic<std::uint64_t> attempted;
  std::atomic<std::uint64_t> acknowledged;
  std::atomic<std::uint64_t> snapshots;
  std::atomic<std::uint64_t> bad_snapshots;
  std::atomic<bool> inside;  // holds the lock; told only where there are steps
};
struct Records {
  Record of[kProcesses][kThreads];
};

#ifdef SIMULATOR_STEPS
thread_local Record* own = nullptr;

void TellAndPause(Step step) {
  if (own != nullptr && step == Step::locked) own->inside = true;
  if (own != nullptr && step == Step::unlocked) own->inside = false;
  PauseBetweenSteps(step);
}
#endif

[[noreturn]] void Churn(Image* image, Record* record, std::uint64_t seed) {
  Random random(seed);
#ifdef SIMULATOR_STEPS
  Random pause(seed + 1);
  own = record;
  pauses = &pause;
#endif
  for (;;) {
    record->attempted++;
    const ChangeStatus status = ChangeOnce(image, &random);
    EXPECT(status == ChangeStatus::kDone || status == ChangeStatus::kDeclined,
           "a change answered %s", Name(status));
    if (status == ChangeStatus::kDone) record->acknowledged++;
    if (random.Below(4) != 0) continue;
    State state;
    Reason reason;
    image->Read(&state);
    if (!StateIsGood(*image, state, &reason)) record->bad_snapshots++;
    record->snapshots++;
  }
}

void Work(const std::string& path, Record (&records)[kThreads], std::uint64_t seed) {
  Image image;
  MustOpen(&image, path);
  std::thread second([&] { Churn(&image, &records[1], seed + 2); });
  Churn(&image, &records[0], seed);
}

class Torture {
 public:
  Torture(const std::string& path, std::uint64_t seed) : path_(path), random_(seed) {
    MustOpen(&image_, path);
    EnableMig(&image_);
    since_ = CountFrom(image_);
    for (unsigned i = 0; i < kProcesses; i++) Start(i);
  }

  // One process less, an audit, one process more. Whether the state was found good.
  bool KillOne() {
    const unsigned victim = Victim();
    Kill(pids_[victim]);
    kills_++;
    for (Record& record : records_->of[victim]) inside_ += record.inside.exchange(false);
    if (!Audit()) return false;
    Start(victim);
    return true;
  }

  bool StopAll() {
    for (const pid_t pid : pids_) Kill(pid);
    kills_ += kProcesses;
    return Audit();
  }

  // No change that was acknowledged is missing, none is there that nobody asked for.
  void Account() const {
    std::uint64_t attempted = 0, acknowledged = 0;
    for (const auto& process : records_->of) {
      for (const Record& record : process) {
        attempted += record.attempted;
        acknowledged += record.acknowledged;
      }
    }
    const std::uint64_t published = (image_.current() - since_.current) / kChangeAdvance;
    EXPECT(acknowledged <= published && published <= attempted &&
               published - acknowledged <= kills_ * kThreads,
           "%.0f changes were acknowledged and %.0f attempted, but %.0f are published",
           double(acknowledged), double(attempted), double(published));
    Figure("changes", double(published));
    Figure("unacknowledged", double(published - acknowledged));
  }

  std::uint64_t Print() const {
    std::uint64_t snapshots = 0, bad = 0;
    for (const auto& process : records_->of) {
      for (const Record& record : process) {
        snapshots += record.snapshots;
        bad += record.bad_snapshots;
      }
    }
    Figure("kills", double(kills_));
#ifdef SIMULATOR_STEPS
    Figure("kills_inside_change", double(inside_));
#endif
    Figure("audits", double(audits_));
    Figure("snapshots", double(snapshots));
    Figure("bad_snapshots", double(bad));
    Figure("slowest_lock_ms", slowest_lock_);
    return bad;
  }

  const Reason& reason() const { return reason_; }

 private:
  // One of all, or half of the time one that is known to be inside a change.
  unsigned Victim() {
    const unsigned first = static_cast<unsigned>(random_.Below(kProcesses));
    if (random_.Below(2) == 0) return first;
    for (unsigned i = first; i < first + kProcesses; i++) {
      const auto& records = records_->of[i % kProcesses];
      if (records[0].inside || records[1].inside) return i % kProcesses;
    }
    return first;
  }

  void Start(unsigned i) {
    const std::uint64_t seed = random_.Next();
    pids_[i] = Spawn([&] { Work(path_, records_->of[i], seed); });
  }

  // Under the lock, so that even a state that is changed in place stands still.
  bool Audit() {
    audits_++;
    bool good = true;
    const double asked = Milliseconds();
    const ChangeStatus status = image_.Change([&](State&) {
      slowest_lock_ = std::max(slowest_lock_, Milliseconds() - asked);
      good = ImageIsGood(image_, since_, &reason_);
      return false;
    });
    if (status != ChangeStatus::kDeclined) {
      reason_.Say("after a kill the next change answered %s", Name(status));
      return false;
    }
    return good;
  }

  const std::string path_;
  Random random_;
  Image image_;
  ChangeCount since_{};
  Records* const records_ = MakeShared<Records>();
  pid_t pids_[kProcesses] = {};
  std::uint64_t kills_ = 0, inside_ = 0, audits_ = 0;
  double slowest_lock_ = 0;
  Reason reason_;
};

void Run(const Options& options) {
  const bool control = options.has("control");
  const double seconds = options.full ? 60 : control ? 30 : 10;
  GiveUpAfter(static_cast<unsigned>(seconds) + 45);
#ifdef SIMULATOR_STEPS
  step_hook = TellAndPause;
#endif
  Torture torture(CopyImage(options, "kill-torture"), options.seed);
  Random random(options.seed + 1);
  const double end = Milliseconds() + seconds * 1e3;
  bool good = true;
  while (good && Milliseconds() < end) {
    usleep(static_cast<useconds_t>(random.Below(30'000)));  // a random moment to kill at
    good = torture.KillOne();
  }
  if (good) good = torture.StopAll();
  const std::uint64_t bad = torture.Print();
  if (control) {
    Figure("corrupt", good ? 0 : 1);
    EXPECT(!good, "changes made in place were never found corrupt");
    return;
  }
  Figure("corrupt", good ? 0 : 1);
  EXPECT(good, "%s", torture.reason().text);
  EXPECT(bad == 0, "%.0f snapshots were bad", double(bad));
  torture.Account();
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
