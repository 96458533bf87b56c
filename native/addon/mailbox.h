// Where the threads of an environment's sessions leave their answers for its JavaScript thread.
#ifndef NVML_MIG_ADDON_MAILBOX_H
#define NVML_MIG_ADDON_MAILBOX_H

#include <node_api.h>

#include <mutex>
#include <utility>
#include <vector>

#include "result.h"

namespace nvml_mig {

struct Answer {
  std::uint32_t session;
  std::uint64_t ticket;  // which waiting promise of the session
  bool last;             // the session is over: its library is closed, its thread ends
  Bytes bytes;
};

// The thread-safe function only wakes the JavaScript thread up; answers never travel in its queue,
// so nothing is lost in it when the environment ends. A session's thread can outlive the
// environment: after close() nobody touches the function again.
class Mailbox {
 public:
  explicit Mailbox(napi_threadsafe_function wake) : wake_(wake) {}

  // From any thread. Dropped if the environment has ended.
  void post(Answer answer) {
    const std::lock_guard lock(mutex_);
    if (wake_ == nullptr) return;
    const bool first = answers_.empty();
    answers_.push_back(std::move(answer));
    // Whoever finds answers here already has been woken and has not looked yet.
    if (first) napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
  }

  // From the JavaScript thread.
  std::vector<Answer> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(answers_, {});
  }

  // From the JavaScript thread, when the environment ends.
  void close() {
    const std::lock_guard lock(mutex_);
    napi_release_threadsafe_function(wake_, napi_tsfn_release);
    wake_ = nullptr;
    answers_.clear();
  }

 private:
  std::mutex mutex_;
  napi_threadsafe_function wake_;  // null once the environment has ended
  std::vector<Answer> answers_;
};

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_MAILBOX_H
