#include "simulator.h"

#include <string>

#include "abi/simulator_control.h"
#include "arguments.h"
#include "nvml/library.h"

namespace nvml_mig {
namespace {

constexpr unsigned kMaxCommandText = 4096;

struct Opened {
  nvml::Calls calls;
  std::unique_ptr<nvml::Library> library;
};

// The control table of the library that the first argument names, which stays as long as `opened`.
const SimulatorControl& control_of(const Napi::CallbackInfo& info, Opened* opened) {
  const std::string path = text_of(info[0], "library");
  std::string why;
  if (!nvml::Library::open(path.c_str(), &opened->calls, &opened->library, &why).ok()) {
    throw Napi::Error::New(info.Env(), why);
  }
  const void* table = nullptr;
  const nvml::Status status =
      opened->library->nvmlInternalGetExportTable(&table, kSimulatorControlGuid);
  const auto* control = static_cast<const SimulatorControl*>(table);
  // The first word of every export table is its size, so a shorter one is somebody else's.
  if (!status.ok() || control == nullptr || control->bytes < sizeof(SimulatorControl)) {
    throw Napi::TypeError::New(info.Env(), path + " is not a simulated node's library");
  }
  return *control;
}

Napi::Value simulator_command(const Napi::CallbackInfo& info) {
  const std::uint32_t command = number_of(info[1], "command");
  std::vector<std::uint32_t> arguments = numbers_of(info[2], "args");
  if (arguments.size() > kSimulatorMaxArguments) {
    throw Napi::TypeError::New(info.Env(), "a command takes at most 12 arguments");
  }
  arguments.resize(kSimulatorMaxArguments);
  const std::string name = info[3].IsUndefined() ? "" : text_of(info[3], "name");
  Opened opened;
  const SimulatorControl& control = control_of(info, &opened);
  std::string text(kMaxCommandText, '\0');
  const nvmlReturn_t status =
      control.command(static_cast<SimulatorCommand>(command), arguments.data(), name.c_str(), text.data(),
                      kMaxCommandText);
  auto result = Napi::Object::New(info.Env());
  result.Set("status", static_cast<std::uint32_t>(status));
  result.Set("text", text.c_str());
  return result;
}

Napi::Value simulator_calls(const Napi::CallbackInfo& info) {
  const std::string name = text_of(info[1], "name");
  Opened opened;
  const unsigned long long calls = control_of(info, &opened).calls(name.c_str());
  if (calls == ~0ull) {
    throw Napi::TypeError::New(info.Env(), "a simulated node's library exports no " + name);
  }
  return Napi::Number::New(info.Env(), static_cast<double>(calls));
}

}  // namespace

void export_simulator_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("simulatorCommand", Napi::Function::New<simulator_command>(env, "simulatorCommand"));
  exports.Set("simulatorCalls", Napi::Function::New<simulator_calls>(env, "simulatorCalls"));
}

}  // namespace nvml_mig
