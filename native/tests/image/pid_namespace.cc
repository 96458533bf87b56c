// 4 of 12: processes of several PID namespaces share a node, as containers do. A lock that knows its
// holder by a thread id takes one for another there: the holder and a waiter that is killed both have
// id 1 in their own namespaces.
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "audit.h"
#include "churn.h"
#include "held.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

constexpr unsigned kShortDeadline = 150;
constexpr double kNextLockMilliseconds = 1'000;

// Processes in a PID namespace of their own, made in a user namespace of their own if need be.
bool EnterNewPidNamespace() {
  return unshare(CLONE_NEWPID) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
}

// The first process of a new PID namespace, making one change that is held at a step.
class Contained {
 public:
  Contained(const std::string& path, Step step, std::uint64_t seed) : hold_(step) {
    outer_ = Spawn([&] {
      EXPECT(EnterNewPidNamespace(), "unshare: %s", std::strerror(errno));
      const pid_t inner = Spawn([&] {
        EXPECT(getpid() == 1, "the first process of a namespace has id %d", getpid());
        Image image;
        MustOpen(&image, path);
        Random random(seed);
        ChangeHeld(&image, &random, hold_);
      });
      *inner_ = inner;
      Join(inner);
    });
    hold_.reached.MustCome("a contained process is inside its change");
  }
  ~Contained() { MustSucceed(outer_, "the process around a namespace"); }

  void GoOn() const { hold_.go_on.Signal(); }
  void Die() const { kill(*inner_, SIGKILL); }

 private:
  const Hold hold_;
  std::atomic<pid_t>* const inner_ = MakeShared<std::atomic<pid_t>>();
  pid_t outer_;
};

void MustAnswer(Image* image, Random* random, ChangeStatus expected, const char* when) {
  const ChangeStatus status = ChangeOnce(image, random);
  EXPECT(status == expected, "%s a change answered %s, not %s", when, Name(status), Name(expected));
}

void Run(const Options& options) {
  GiveUpAfter(60);
  MustSucceed(Spawn([] {
                if (!EnterNewPidNamespace()) {
                  Skip("no right to make a PID namespace: %s", std::strerror(errno));
                }
              }),
              "a trial of PID namespaces");
  const std::string path = CopyImage(options, "pid-namespace");
  Image image;
  MustOpen(&image, path);
  EnableMig(&image);
  const ChangeCount since = CountFrom(image);
  Random random(options.seed);
  image.lock_deadline_ms = kShortDeadline;
  {
    const Contained holder(path, Step::written, options.seed + 1);
    {
      const Contained waiter(path, Step::descriptor_open, options.seed + 2);
      waiter.GoOn();
      MustAnswer(&image, &random, ChangeStatus::kTimeout, "beside a holder and a waiter");
      waiter.Die();
    }
    MustAnswer(&image, &random, ChangeStatus::kTimeout, "after the waiter was killed");
    holder.GoOn();
  }
  MustAnswer(&image, &random, ChangeStatus::kDone, "after the holder's change");
  {
    const Contained holder(path, Step::written, options.seed + 3);
    holder.Die();
  }
  const double asked = Milliseconds();
  MustChangeOnce(&image, &random);
  const double waited = Milliseconds() - asked;
  EXPECT(waited < kNextLockMilliseconds, "after the holder's death a change waited %.0f ms", waited);
  Reason reason;
  EXPECT(ImageIsGood(image, since, &reason), "%s", reason.text);
  Figure("changes", double(image.current() - since.current));
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
