#include "session.h"

#include <system_error>
#include <thread>

#include "convert.h"

namespace nvml_mig {

nvml::Status Session::open(std::string* why) {
  return nvml::Library::open(name_ ? name_->c_str() : nullptr, &calls_, &library_, why);
}

bool Session::start(const std::shared_ptr<Session>& session) {
  try {
    std::thread([session] { session->run(); }).detach();
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

void Session::run() {
  bool over = false;
  Job job;
  while (!over && take(&job)) {
    calls_.listen(job.listen);
    Bytes bytes = carry_out(job);
    over = job.kind == Job::Kind::kClose || (job.kind == Job::Kind::kOpen && !initialised_);
    if (job.listen) append_calls(calls_.take(), &bytes);
    mailbox_->post({id_, job.ticket, over, std::move(bytes)});
  }
  if (library_ == nullptr) return;
  if (ending() == Ending::kLeave) {
    nvml::Library::leave(std::move(library_));
  } else {
    if (initialised_) (void)library_->nvmlShutdown();
    library_.reset();
  }
}

Bytes Session::carry_out(const Job& job) {
  switch (job.kind) {
    case Job::Kind::kOpen:
      return initialise();
    case Job::Kind::kCall:
      if (!initialised_) return result_of(SessionStatus::kSuspended);
      return perform(job.operation, job.arguments, job.text, *library_, devices_);
    case Job::Kind::kResume: {
      std::string why;
      const nvml::Status status = library_ == nullptr ? open(&why) : nvml::Status{};
      return status.ok() ? initialise() : describe_failure(status, why);
    }
    case Job::Kind::kSuspend:
    case Job::Kind::kClose:
      break;
  }
  return shut_down();
}

Bytes Session::initialise() {
  nvml::Status status = library_->nvmlInit_v2();
  initialised_ = status.ok();
  if (!initialised_) {
    Bytes refusal = describe_refusal(status, *library_);
    (void)unload();
    return refusal;
  }
  Result result;
  status = describe_session(id_, *library_, &devices_, &result);
  if (status.ok()) return std::move(result).finish(status);
  if (ending() == Ending::kNone) (void)shut_down();
  return Result().finish(status);
}

Bytes Session::shut_down() {
  const nvml::Status status = initialised_ ? library_->nvmlShutdown() : nvml::Status{};
  initialised_ = false;
  Result result;
  result.add(to_record(unload()));
  return std::move(result).finish(status);
}

// Before the answer, so that whoever awaits it may remove the file. If the session was let go of
// meanwhile, what becomes of the library was decided there.
nvml::Library::Release Session::unload() {
  if (library_ == nullptr || ending() != Ending::kNone) return {};
  return nvml::Library::release(std::move(library_));
}

}  // namespace nvml_mig
