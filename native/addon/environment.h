// What one JavaScript environment (the main thread, or one worker) has open. Everything here is
// touched by its JavaScript thread only; what crosses threads is in Session and Mailbox.
#ifndef NVML_MIG_ADDON_ENVIRONMENT_H
#define NVML_MIG_ADDON_ENVIRONMENT_H

#include <napi.h>

#include <map>

#include "session.h"

namespace nvml_mig {

class Environment : public Napi::Addon<Environment> {
 public:
  Environment(Napi::Env env, Napi::Object exports);

 private:
  // A session as its environment knows it. It stays in the map until it is over, so that a second
  // close waits for the first.
  struct OpenSession {
    std::shared_ptr<Session> session;
    bool closing = false;
    std::map<std::uint64_t, napi_deferred> waiting;  // by ticket
  };

  // The exported functions; lib/binding.ts documents them.
  Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value call(const Napi::CallbackInfo& info);
  Napi::Value suspend(const Napi::CallbackInfo& info);
  Napi::Value resume(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  void abandon(const Napi::CallbackInfo& info);
  Napi::Value running(const Napi::CallbackInfo& info);
  Napi::Value last_session(const Napi::CallbackInfo& info);
  Napi::Value symbols(const Napi::CallbackInfo& info);

  Napi::Value enqueue(const Napi::CallbackInfo& info, Job job);
  OpenSession* find(std::uint32_t id);
  // A promise that the answer to the next ticket settles; it keeps the process alive.
  Napi::Value wait(Napi::Env env, OpenSession* session, std::uint64_t ticket);
  void settle(napi_env env, OpenSession* session, std::uint64_t ticket, const Bytes& bytes);
  void settle_all(napi_env env, OpenSession* session, const Bytes& bytes);
  void deliver(napi_env env);
  void end();

  std::map<std::uint32_t, OpenSession> sessions_;
  std::uint32_t last_session_ = 0;
  std::uint64_t last_ticket_ = 0;
  unsigned waiting_ = 0;  // promises of all sessions
  napi_threadsafe_function wake_ = nullptr;
  std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_ENVIRONMENT_H
