#include "environment.h"

#include <unistd.h>

#include <utility>

#include "arguments.h"
#include "convert.h"
#include "simulator.h"

namespace nvml_mig {
namespace {

constexpr const char* kSymbolNames[] = {
#define NVML_SYMBOL(name, ret, args) #name,
#include "abi/symbols.h"
};

// Plain Node-API, which reports instead of throwing: this also runs while a worker is being
// terminated, when nothing can be created any more. The promise is then left unsettled.
void resolve(napi_env env, napi_deferred deferred, const Bytes& bytes) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_arraybuffer(env, bytes.size(), &data, &buffer) != napi_ok) return;
  std::memcpy(data, bytes.data(), bytes.size());
  napi_resolve_deferred(env, deferred, buffer);
}

Napi::Value resolved(Napi::Env env, const Bytes& bytes) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  auto buffer = Napi::ArrayBuffer::New(env, bytes.size());
  std::memcpy(buffer.Data(), bytes.data(), bytes.size());
  deferred.Resolve(buffer);
  return deferred.Promise();
}

// Whether the caller wants to know what was called in NVML; not if that is left out.
bool listens(const Napi::Value& value) { return value.IsBoolean() && value.As<Napi::Boolean>(); }

// The operation and its arguments, checked against what the operation takes.
Job job_of(const Napi::CallbackInfo& info) {
  const std::uint32_t number = number_of(info[1], "operation");
  if (number >= kOperationCount) {
    throw Napi::TypeError::New(info.Env(), "operation " + std::to_string(number) +
                                               " is unknown: the last one is " +
                                               std::to_string(kOperationCount - 1));
  }
  Job job;
  job.operation = static_cast<Operation>(number);
  const OperationShape shape = shape_of(job.operation);
  const std::vector<std::uint32_t> arguments = numbers_of(info[2], "args");
  if (arguments.size() != shape.arguments) {
    throw Napi::TypeError::New(info.Env(), "operation " + std::to_string(number) + " takes " +
                                               std::to_string(shape.arguments) +
                                               " arguments, not " +
                                               std::to_string(arguments.size()));
  }
  std::copy(arguments.begin(), arguments.end(), job.arguments.begin());
  if (shape.takes_text) {
    job.text = text_of(info[3], "text");
  } else if (!info[3].IsUndefined()) {
    throw Napi::TypeError::New(info.Env(),
                               "operation " + std::to_string(number) + " takes no text");
  }
  job.listen = listens(info[4]);
  return job;
}

}  // namespace

Environment::Environment(Napi::Env env, Napi::Object exports) {
  DefineAddon(exports, {InstanceMethod<&Environment::open>("open"),
                        InstanceMethod<&Environment::call>("call"),
                        InstanceMethod<&Environment::suspend>("suspend"),
                        InstanceMethod<&Environment::resume>("resume"),
                        InstanceMethod<&Environment::close>("close"),
                        InstanceMethod<&Environment::running>("running"),
                        InstanceMethod<&Environment::last_session>("lastSession"),
                        InstanceMethod<&Environment::abandon>("abandon"),
                        InstanceMethod<&Environment::symbols>("symbols")});
  export_simulator_functions(env, exports);

  const auto on_wake = [](napi_env env, napi_value, void* context, void*) {
    if (env != nullptr) static_cast<Environment*>(context)->deliver(env);
  };
  const napi_status created = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "nvml-mig"), 0, 1, nullptr, nullptr, this,
      on_wake, &wake_);
  if (created != napi_ok) throw Napi::Error::New(env, "nvml-mig: no thread-safe function");
  napi_unref_threadsafe_function(env, wake_);
  mailbox_ = std::make_shared<Mailbox>(wake_);
  // Hooks run last in, first out: this one before the thread-safe function's own, which ends it.
  napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<Environment*>(self)->end(); }, this);
}

Napi::Value Environment::open(const Napi::CallbackInfo& info) {
  LibraryName name;
  if (!info[0].IsNull()) name = text_of(info[0], "library");
  const std::uint32_t id = ++last_session_;
  auto session = std::make_shared<Session>(id, std::move(name), mailbox_);
  std::string why;
  // Here rather than on a thread of its own, so that a machine without a driver starts none.
  const nvml::Status status = session->open(&why);
  if (!status.ok()) return resolved(info.Env(), describe_failure(status, why));
  if (!Session::start(session)) {
    return resolved(info.Env(), Result().finish({NVML_ERROR_OPERATING_SYSTEM}));
  }
  OpenSession& entry = sessions_[id];
  entry.session = std::move(session);
  Job job{.kind = Job::Kind::kOpen, .ticket = ++last_ticket_, .listen = listens(info[1])};
  const Napi::Value promise = wait(info.Env(), &entry, job.ticket);
  entry.session->post(std::move(job));
  return promise;
}

Napi::Value Environment::call(const Napi::CallbackInfo& info) {
  return enqueue(info, job_of(info));
}

Napi::Value Environment::suspend(const Napi::CallbackInfo& info) {
  return enqueue(info, {.kind = Job::Kind::kSuspend, .listen = listens(info[1])});
}

Napi::Value Environment::resume(const Napi::CallbackInfo& info) {
  return enqueue(info, {.kind = Job::Kind::kResume, .listen = listens(info[1])});
}

Napi::Value Environment::enqueue(const Napi::CallbackInfo& info, Job job) {
  OpenSession* entry = find(number_of(info[0], "session"));
  if (entry == nullptr || entry->closing) {
    return resolved(info.Env(), result_of(SessionStatus::kClosed));
  }
  job.ticket = ++last_ticket_;
  const Napi::Value promise = wait(info.Env(), entry, job.ticket);
  entry->session->post(std::move(job));
  return promise;
}

Napi::Value Environment::running(const Napi::CallbackInfo& info) {
  const OpenSession* entry = find(number_of(info[0], "session"));
  if (entry == nullptr) return info.Env().Null();
  const nvml::Calls::Running running = entry->session->running();
  if (running.number == 0) return info.Env().Null();
  auto result = Napi::Object::New(info.Env());
  result.Set("number", static_cast<double>(running.number));
  result.Set("call", running.symbol);
  return result;
}

Napi::Value Environment::last_session(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), last_session_);
}

Napi::Value Environment::close(const Napi::CallbackInfo& info) {
  OpenSession* entry = find(number_of(info[0], "session"));
  if (entry == nullptr) return resolved(info.Env(), Result().finish({}));
  const std::uint64_t ticket = ++last_ticket_;
  const Napi::Value promise = wait(info.Env(), entry, ticket);
  // A second close has no job of its own: the end of the session settles all that still waits.
  if (!std::exchange(entry->closing, true)) {
    entry->session->post(
        {.kind = Job::Kind::kClose, .ticket = ticket, .listen = listens(info[1])});
  }
  return promise;
}

void Environment::abandon(const Napi::CallbackInfo& info) {
  const std::uint32_t id = number_of(info[0], "session");
  OpenSession* entry = find(id);
  if (entry == nullptr) return;
  entry->session->end(Session::Ending::kLeave);
  settle_all(info.Env(), entry, result_of(SessionStatus::kAbandoned));
  sessions_.erase(id);
}

Napi::Value Environment::symbols(const Napi::CallbackInfo& info) {
  auto names = Napi::Array::New(info.Env(), std::size(kSymbolNames));
  for (std::uint32_t i = 0; i < std::size(kSymbolNames); i++) names.Set(i, kSymbolNames[i]);
  return names;
}

Environment::OpenSession* Environment::find(std::uint32_t id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

Napi::Value Environment::wait(Napi::Env env, OpenSession* session, std::uint64_t ticket) {
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) throw Napi::Error::New(env);
  session->waiting[ticket] = deferred;
  if (waiting_++ == 0) napi_ref_threadsafe_function(env, wake_);
  return {env, promise};
}

void Environment::settle(napi_env env, OpenSession* session, std::uint64_t ticket,
                         const Bytes& bytes) {
  const auto found = session->waiting.find(ticket);
  if (found == session->waiting.end()) return;
  resolve(env, found->second, bytes);
  session->waiting.erase(found);
  if (--waiting_ == 0) napi_unref_threadsafe_function(env, wake_);
}

void Environment::settle_all(napi_env env, OpenSession* session, const Bytes& bytes) {
  while (!session->waiting.empty()) {
    settle(env, session, session->waiting.begin()->first, bytes);
  }
}

// Answers of a session that was abandoned meanwhile find nobody and are dropped.
void Environment::deliver(napi_env env) {
  for (const Answer& answer : mailbox_->take()) {
    const Napi::HandleScope scope(env);
    OpenSession* entry = find(answer.session);
    if (entry == nullptr) continue;
    settle(env, entry, answer.ticket, answer.bytes);
    if (!answer.last) continue;
    settle_all(env, entry, answer.bytes);
    sessions_.erase(answer.session);
  }
}

// The environment ends, perhaps in the middle of calls. Nothing here may wait for them: a thread
// that is inside NVML ends by itself once it is out.
void Environment::end() {
  mailbox_->close();
  // A worker's end leaves the process running, which should not keep GPUs open for it. The main
  // thread's is the end of the process: the kernel closes what NVML holds, while a shutdown now
  // would race with the library's own exit handlers.
  const bool process_ends = gettid() == getpid();
  const auto ending = process_ends ? Session::Ending::kLeave : Session::Ending::kShutDown;
  for (auto& [id, entry] : sessions_) entry.session->end(ending);
  sessions_.clear();
}

NODE_API_ADDON(Environment)

}  // namespace nvml_mig
