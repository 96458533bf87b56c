// 11 of 12: a process that is stopped (SIGSTOP) inside a change, at any of its steps, keeps the lock.
// The others' changes end at their deadline, however many threads ask; reads go on; and when the
// process continues, so does everything else.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "audit.h"
#include "churn.h"
#include "steps.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

constexpr unsigned kDeadline = 250;
// Waiting one after the other they would take this many deadlines.
constexpr unsigned kThreads = 8;
// What a busy machine may add to a deadline.
constexpr double kSlack = 1'000;

Step stop_at = Step::none;

void StopProcess(Step step) {
  if (step != stop_at) return;
  stop_at = Step::none;
  raise(SIGSTOP);
}

pid_t StopInside(const std::string& path, Step step, std::uint64_t seed) {
  const pid_t holder = Spawn([&] {
    Image image;
    MustOpen(&image, path);
    Random random(seed);
    stop_at = step;
    step_hook = StopProcess;
    MustChangeOnce(&image, &random);
  });
  int status = 0;
  EXPECT(waitpid(holder, &status, WUNTRACED) == holder && WIFSTOPPED(status),
         "a change did not stop at %s", Name(step));
  return holder;
}

// How long a change took to say "timeout".
double TimeOut(Image* image, std::uint64_t seed) {
  Random random(seed);
  const double asked = Milliseconds();
  const ChangeStatus status = ChangeOnce(image, &random);
  const double waited = Milliseconds() - asked;
  EXPECT(status == ChangeStatus::kTimeout, "beside a stopped holder a change answered %s",
         Name(status));
  EXPECT(waited >= kDeadline, "it gave up after %.0f ms of %u", waited, kDeadline);
  return waited;
}

void Run(const Options& options) {
  GiveUpAfter(60);
  const std::string path = CopyImage(options, "stopped-holder");
  Image image;
  MustOpen(&image, path);
  EnableMig(&image);
  const ChangeCount since = CountFrom(image);
  image.lock_deadline_ms = kDeadline;
  Random random(options.seed);
  double slowest = 0;
  std::uint64_t reads = 0;
  for (const Step step : {Step::locked, Step::copied, Step::ruled, Step::sealed, Step::word_written,
                          Step::written, Step::published}) {
    const pid_t holder = StopInside(path, step, random.Next());
    std::vector<std::thread> threads;
    double waited[kThreads] = {};
    for (unsigned i = 0; i < kThreads; i++) {
      threads.emplace_back([&, i] { waited[i] = TimeOut(&image, options.seed + i); });
    }
    // Reads while they wait, and an init of another client.
    for (const double end = Milliseconds() + kDeadline / 2; Milliseconds() < end; reads++) {
      Reason reason;
      EXPECT(ImageIsGood(image, since, &reason), "stopped at %s: %s", Name(step), reason.text);
    }
    Image newcomer;
    MustOpen(&newcomer, path);
    newcomer.Close();
    for (std::thread& thread : threads) thread.join();
    slowest = std::max(slowest, *std::max_element(waited, waited + kThreads));
    EXPECT(slowest < kDeadline + kSlack, "%u threads at once: a deadline of %u ms took %.0f ms",
           kThreads, kDeadline, slowest);

    EXPECT(kill(holder, SIGCONT) == 0, "kill: %s", std::strerror(errno));
    MustSucceed(holder, "the process that was stopped");
    MustChangeOnce(&image, &random);
    Reason reason;
    EXPECT(ImageIsGood(image, since, &reason), "after %s: %s", Name(step), reason.text);
  }
  Figure("reads", double(reads));
  Figure("slowest_deadline_ms", slowest);
  Figure("changes", double(image.current() - since.current));
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
