// One open library with the thread that its calls run on, in the order they were asked for.
#ifndef NVML_MIG_ADDON_SESSION_H
#define NVML_MIG_ADDON_SESSION_H

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "mailbox.h"
#include "operations.h"

namespace nvml_mig {

struct Job {
  enum class Kind { kOpen, kCall, kSuspend, kResume, kClose };
  Kind kind = Kind::kCall;
  std::uint64_t ticket = 0;
  bool listen = false;  // the answer tells what was called in NVML
  Operation operation = Operation::kNoop;  // of a kCall, with its arguments
  Arguments arguments{};
  std::string text{};
};

// A file to open: what the loader searches if it has no name.
using LibraryName = std::optional<std::string>;

// Shared by the environment and the thread, and outlives either. The thread is detached and never
// joined: a call into NVML can take seconds or never return.
class Session {
 public:
  Session(std::uint32_t id, LibraryName name, std::shared_ptr<Mailbox> mailbox)
      : id_(id), name_(std::move(name)), mailbox_(std::move(mailbox)) {}

  // Loads the library; on failure `why` is a sentence naming what was tried.
  nvml::Status open(std::string* why);
  // Starts the thread, to which the library belongs from then on. False if the system has none to give.
  static bool start(const std::shared_ptr<Session>& session);

  void post(Job job);
  // From any thread.
  nvml::Calls::Running running() const { return calls_.running(); }

  // How the thread is let go of when nobody waits for it any more; what is queued is dropped.
  enum class Ending {
    kNone,
    kShutDown,  // once the running call returns, NVML is shut down and the library unloaded
    kLeave,     // NVML and the library stay as they are
  };
  void end(Ending ending);

 private:
  void run();
  Bytes carry_out(const Job& job);
  // On failure the library is unloaded again.
  Bytes initialise();
  Bytes shut_down();
  nvml::Library::Release unload();
  // Waits for the next job; false once the session is to end.
  bool take(Job* job);
  Ending ending();

  const std::uint32_t id_;
  const LibraryName name_;
  const std::shared_ptr<Mailbox> mailbox_;
  nvml::Calls calls_;
  // The thread's own.
  std::unique_ptr<nvml::Library> library_;  // null while the session is suspended
  bool initialised_ = false;
  nvml::Devices devices_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  Ending ending_ = Ending::kNone;
};

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_SESSION_H
