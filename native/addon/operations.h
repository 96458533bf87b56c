// What a session can be asked: each Operation of records.json with its arguments and the native
// code behind it. Runs on the session's thread; no Node-API in here.
#ifndef NVML_MIG_ADDON_OPERATIONS_H
#define NVML_MIG_ADDON_OPERATIONS_H

#include <array>
#include <string>

#include "nvml/devices.h"
#include "result.h"

namespace nvml_mig {

using Arguments = std::array<std::uint32_t, kMaxArguments>;

struct OperationShape {
  unsigned arguments;
  bool takes_text;
  bool first_is_gpu = true;
};

OperationShape shape_of(Operation operation);

Bytes perform(Operation operation, const Arguments& arguments, const std::string& text,
              const nvml::Library& nvml, nvml::Devices& devices);

// What open answers once NVML is initialised: the SessionInfo, then the GPUs.
nvml::Status describe_session(std::uint32_t session, const nvml::Library& nvml,
                              nvml::Devices* devices, Result* result);

// What open answers where NVML was not initialised.
Bytes describe_refusal(nvml::Status status, const nvml::Library& nvml);
// And where there was no library to initialise.
Bytes describe_failure(nvml::Status status, const std::string& why);

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_OPERATIONS_H
