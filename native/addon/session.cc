#include "session.h"

#include <system_error>
#include <thread>

namespace nvml_mig {

bool Session::start(const std::shared_ptr<Session>& session,
                    std::unique_ptr<nvml::Library> library) {
  try {
    std::thread([session, library = std::move(library)]() mutable {
      session->run(std::move(library));
    }).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

void Session::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void Session::end(Ending ending) {
  {
    const std::lock_guard lock(mutex_);
    ending_ = ending;
    jobs_.clear();
  }
  changed_.notify_one();
}

bool Session::take(Job* job) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ending_ != Ending::kNone || !jobs_.empty(); });
  if (ending_ != Ending::kNone) return false;
  *job = std::move(jobs_.front());
  jobs_.pop_front();
  return true;
}

Session::Ending Session::ending() {
  const std::lock_guard lock(mutex_);
  return ending_;
}

void Session::run(std::unique_ptr<nvml::Library> library) {
  nvml::Devices devices(*library);
  bool initialised = false;
  bool over = false;
  Job job;
  while (!over && take(&job)) {
    Bytes bytes;
    switch (job.kind) {
      case Job::Kind::kOpen: {
        Result result;
        nvml::Status status = library->nvmlInit_v2();
        initialised = status.ok();
        if (initialised) status = describe_session(id_, *library, devices, &result);
        over = !status.ok();
        bytes = over ? describe_refusal(status, *library) : std::move(result).finish(status);
        break;
      }
      case Job::Kind::kCall:
        bytes = perform(job.operation, job.arguments, job.text, *library, devices);
        break;
      case Job::Kind::kClose:
        bytes = Result().finish(library->nvmlShutdown());
        initialised = false;
        over = true;
        break;
    }
    // Unloaded before the answer, so that whoever awaited close() may remove the file. If the
    // session was let go of meanwhile, how it ends was decided there.
    if (over && ending() == Ending::kNone) {
      if (initialised) (void)library->nvmlShutdown();
      library.reset();
    }
    mailbox_->post({id_, job.ticket, over, std::move(bytes)});
  }
  if (library == nullptr) return;
  if (ending() == Ending::kLeave) {
    nvml::Library::leave(std::move(library));
  } else if (initialised) {
    (void)library->nvmlShutdown();
  }
}

}  // namespace nvml_mig
