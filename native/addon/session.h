// One open library with the thread that its calls run on, in the order they were asked for.
#ifndef NVML_MIG_ADDON_SESSION_H
#define NVML_MIG_ADDON_SESSION_H

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "mailbox.h"
#include "operations.h"

namespace nvml_mig {

struct Job {
  enum class Kind { kOpen, kCall, kClose };
  Kind kind = Kind::kCall;
  std::uint64_t ticket = 0;
  Operation operation = Operation::kNoop;  // of a kCall, with its arguments
  Arguments arguments{};
  std::string text{};
};

// Shared by the environment and the thread, and outlives either. The thread is detached and never
// joined: a call into NVML can take seconds or never return.
class Session {
 public:
  // Starts the thread; the library belongs to it from then on. False if the system has no thread to
  // give; the library is closed again.
  static bool start(const std::shared_ptr<Session>& session,
                    std::unique_ptr<nvml::Library> library);

  Session(std::uint32_t id, std::shared_ptr<Mailbox> mailbox)
      : id_(id), mailbox_(std::move(mailbox)) {}

  void post(Job job);

  // How the thread is let go of when nobody waits for it any more; what is queued is dropped.
  enum class Ending {
    kNone,
    kShutDown,  // once the running call returns, NVML is shut down and the library unloaded
    kLeave,     // NVML and the library stay as they are
  };
  void end(Ending ending);

 private:
  void run(std::unique_ptr<nvml::Library> library);
  // Waits for the next job; false once the session is to end.
  bool take(Job* job);
  Ending ending();

  const std::uint32_t id_;
  const std::shared_ptr<Mailbox> mailbox_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  Ending ending_ = Ending::kNone;
};

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_SESSION_H
