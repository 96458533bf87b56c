// Clients of the node's library create, destroy and list in many threads, and each second one of them
// is killed and another one started. IMAGE is the path of a node's libnvidia-ml.so.1.
//
// Nobody may wait for ever; the image beside the library must be good all the time, and hold what the
// clients were told. With "control" the library changes its state in place, and the program succeeds
// only when that is found: a torture that cannot tell is worth nothing.
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "audit.h"
#include "client.h"
#include "client_calls.h"
#include "ledger.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

// How long a thread may stay in one round. A change gives up on the lock of a stopped process after
// 10 s, and is not allowed to here.
constexpr double kDeadlineMs = 30'000;

// One each second.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr unsigned kKills = 4, kKillsInFull = 20;
#else
constexpr unsigned kKills = 5, kKillsInFull = 60;
#endif

// A kill is due each second.
class Rhythm {
 public:
  Rhythm() : timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    const itimerspec second = {{1, 0}, {1, 0}};
    EXPECT(timer_ >= 0 && timerfd_settime(timer_, 0, &second, nullptr) == 0, "timerfd: %s",
           std::strerror(errno));
  }
  ~Rhythm() { close(timer_); }
  Rhythm(const Rhythm&) = delete;
  Rhythm& operator=(const Rhythm&) = delete;

  bool IsDue() const {
    std::uint64_t seconds;
    return read(timer_, &seconds, sizeof(seconds)) == sizeof(seconds);
  }

 private:
  const int timer_;
};

class Torture {
 public:
  explicit Torture(const Options& options)
      : library_(options.image), random_(options.seed) {
    MustOpen(&image_, library_.substr(0, library_.rfind('/')) + "/node.image");
    EnableMig(&image_);
    since_ = CountFrom(image_);
    for (unsigned i = 0; i < kProcesses; i++) Start(i);
  }

  // False with a reason once something is found.
  bool KillOneEachSecond(unsigned kills) {
    const Rhythm rhythm;
    while (kills_ < kills) {
      if (!Look()) return false;
      if (!rhythm.IsDue()) continue;
      const unsigned victim = static_cast<unsigned>(random_.Below(kProcesses));
      Kill(pids_[victim]);
      left_--;
      kills_++;
      ledger_.Abandon(victim);
      if (!Look() || !Account()) return false;
      Start(victim);
    }
    return true;
  }

  // The clients end by themselves.
  bool EndAll() {
    ledger_.over() = true;
    while (left_ != 0) {
      if (!Look()) return false;
    }
    State state;
    image_.Read(&state);
    // Twice: what was told gone must then not come back.
    return Account() && Account() && ledger_.IsComplete(state, &reason_);
  }

  void Print() const {
    std::uint64_t rounds = 0, created = 0, destroyed = 0;
    for (unsigned i = 0; i < kProcesses * kThreads; i++) {
      const ThreadRecord& record = RecordOf(i);
      rounds += record.rounds;
      created += record.created;
      destroyed += record.destroyed;
    }
    Figure("kills", double(kills_));
    Figure("rounds", double(rounds));
    Figure("created", double(created));
    Figure("destroyed", double(destroyed));
    Figure("creations_cut_off", double(ledger_.creations_cut_off()));
    Figure("destructions_cut_off", double(ledger_.destructions_cut_off()));
    Figure("refused_no_room", double(Answers(kNoRoom)));
    Figure("refused_inhabited", double(Answers(kInhabited)));
    Figure("refused_gone", double(Answers(kGone)));
    Figure("refused_no_such", double(Answers(kNoSuch)));
    Figure("refused_not_offered", double(Answers(kNotOffered)));
    Figure("audits", double(audits_));
    Figure("slowest_round_ms", slowest_);
  }

  // The clients must have got into each other's way.
  void MustHaveMet() const {
    for (const nvmlReturn_t code : {NVML_SUCCESS, kNoRoom, kInhabited, kGone, kNoSuch}) {
      EXPECT(Answers(code) != 0, "no client was ever answered %d", int(code));
    }
  }

  const Reason& reason() const { return reason_; }

 private:
  const ThreadRecord& RecordOf(unsigned i) const {
    return ledger_.record(i / kThreads, i % kThreads);
  }

  std::uint64_t Answers(nvmlReturn_t code) const {
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < kProcesses * kThreads; i++) sum += RecordOf(i).answers[code];
    return sum;
  }

  void Start(unsigned i) {
    const std::uint64_t seed = random_.Next();
    pids_[i] = Spawn([&] { WorkAsClient({library_.c_str(), image_.header(), ledger_}, i, seed); });
    left_++;
  }

  // One look at everything that must be true at any moment.
  bool Look() {
    audits_++;
    return ImageIsGood(image_, since_, &reason_) && NobodyFailed() && NobodyIsStuck();
  }

  bool Account() {
    State state;
    image_.Read(&state);
    return ledger_.Agrees(state, image_.gpu_count(), &reason_);
  }

  // A client ends when it is over, or finds something.
  bool NobodyFailed() {
    int status;
    pid_t ended;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
      left_--;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && ledger_.over()) continue;
      reason_.Say("a client ended with %d of itself",
                  WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
      return false;
    }
    return true;
  }

  bool NobodyIsStuck() {
    const double now = Milliseconds();
    for (unsigned i = 0; i < kProcesses * kThreads; i++) {
      const std::uint64_t rounds = RecordOf(i).rounds;
      if (seen_[i].rounds != rounds || seen_[i].at == 0) seen_[i] = {rounds, now};
      slowest_ = std::max(slowest_, now - seen_[i].at);
      if (now - seen_[i].at < kDeadlineMs) continue;
      reason_.Say("thread %u of client %u is in %s for %.0f s", i % kThreads, i / kThreads,
                  kClientCalls[RecordOf(i).calling].name, kDeadlineMs / 1e3);
      return false;
    }
    return true;
  }

  struct Progress {
    std::uint64_t rounds;
    double at;
  };

  const std::string library_;
  Random random_;
  Image image_;
  ChangeCount since_{};
  Ledger ledger_;
  pid_t pids_[kProcesses] = {};
  unsigned left_ = 0, kills_ = 0;
  std::uint64_t audits_ = 0;
  Progress seen_[kProcesses * kThreads] = {};
  double slowest_ = 0;
  Reason reason_;
};

void Run(const Options& options) {
  const bool control = options.has("control");
  const unsigned kills = options.full || control ? kKillsInFull : kKills;
  GiveUpAfter(kills + 100);
  Torture torture(options);
  const bool good = torture.KillOneEachSecond(kills) && torture.EndAll();
  torture.Print();
  if (control) {
    EXPECT(!good, "changes made in place were never found");
    return;
  }
  EXPECT(good, "%s", torture.reason().text);
  torture.MustHaveMet();
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
