// What a client of the torture may be answered: each function it calls, with the refusals that are
// right beside others who create and destroy. Anything else is a finding.
//
// From nvml.h's comments: a handle whose instance is gone is an invalid argument; an id, index or
// UUID that nothing has is not found; a place that is taken is insufficient resources; a GPU
// instance with compute instances in it is in use; a profile that the GPU, or the GPU instance, does
// not offer is not supported. The GPUs' own handles and profiles never go, so what takes nothing else
// must succeed.
#ifndef NVML_MIG_TESTS_IMAGE_CLIENT_CALLS_H
#define NVML_MIG_TESTS_IMAGE_CLIENT_CALLS_H

#include "abi/nvml_abi.h"

namespace nvml_mig::image_tests {

inline constexpr nvmlReturn_t kGone = NVML_ERROR_INVALID_ARGUMENT;
inline constexpr nvmlReturn_t kNoSuch = NVML_ERROR_NOT_FOUND;
inline constexpr nvmlReturn_t kNoRoom = NVML_ERROR_INSUFFICIENT_RESOURCES;
inline constexpr nvmlReturn_t kInhabited = NVML_ERROR_IN_USE;
inline constexpr nvmlReturn_t kNotOffered = NVML_ERROR_NOT_SUPPORTED;
inline constexpr nvmlReturn_t kPastTheLastSlot = NVML_ERROR_INVALID_ARGUMENT;

#define CLIENT_CALLS(CALL)                                                       \
  CALL(nvmlInit_v2)                                                              \
  CALL(nvmlShutdown)                                                             \
  CALL(nvmlInternalGetExportTable)                                               \
  CALL(nvmlDeviceGetCount_v2)                                                    \
  CALL(nvmlDeviceGetHandleByIndex_v2)                                            \
  CALL(nvmlDeviceGetUUID, kGone)                                                 \
  CALL(nvmlDeviceGetHandleByUUID, kNoSuch)                                       \
  CALL(nvmlDeviceGetMigMode)                                                     \
  CALL(nvmlDeviceGetGpuInstanceProfileInfo, kNotOffered, kPastTheLastSlot)       \
  CALL(nvmlDeviceGetGpuInstancePossiblePlacements_v2)                            \
  CALL(nvmlDeviceGetGpuInstanceRemainingCapacity)                                \
  CALL(nvmlDeviceCreateGpuInstance, kNoRoom)                                     \
  CALL(nvmlDeviceCreateGpuInstanceWithPlacement, kNoRoom)                        \
  CALL(nvmlGpuInstanceDestroy, kGone, kInhabited)                                \
  CALL(nvmlDeviceGetGpuInstances)                                                \
  CALL(nvmlDeviceGetGpuInstanceById, kNoSuch)                                    \
  CALL(nvmlGpuInstanceGetInfo, kGone)                                            \
  CALL(nvmlGpuInstanceGetComputeInstanceProfileInfo, kGone, kNotOffered)         \
  CALL(nvmlGpuInstanceGetComputeInstancePossiblePlacements, kGone)               \
  CALL(nvmlGpuInstanceGetComputeInstanceRemainingCapacity, kGone)                \
  CALL(nvmlGpuInstanceCreateComputeInstance, kGone, kNoRoom)                     \
  CALL(nvmlGpuInstanceCreateComputeInstanceWithPlacement, kGone, kNoRoom)        \
  CALL(nvmlComputeInstanceDestroy, kGone)                                        \
  CALL(nvmlGpuInstanceGetComputeInstances, kGone)                                \
  CALL(nvmlGpuInstanceGetComputeInstanceById, kGone, kNoSuch)                    \
  CALL(nvmlComputeInstanceGetInfo_v2, kGone)                                     \
  CALL(nvmlDeviceGetMaxMigDeviceCount)                                           \
  CALL(nvmlDeviceGetMigDeviceHandleByIndex, kNoSuch)                             \
  CALL(nvmlDeviceGetGpuInstanceId, kGone)                                        \
  CALL(nvmlDeviceGetComputeInstanceId, kGone)                                    \
  CALL(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, kGone)                      \
  CALL(nvmlDeviceGetAttributes_v2, kGone)

enum class ClientCall : unsigned {
#define CALL(function, ...) function,
  CLIENT_CALLS(CALL)
#undef CALL
};

struct ClientCallRule {
  const char* name;
  nvmlReturn_t refusals[2];  // NVML_SUCCESS for none

  constexpr bool Allows(nvmlReturn_t code) const {
    return code == NVML_SUCCESS || code == refusals[0] || code == refusals[1];
  }
};
inline constexpr ClientCallRule kClientCalls[] = {
#define CALL(function, ...) {#function, {__VA_ARGS__}},
    CLIENT_CALLS(CALL)
#undef CALL
};

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_CLIENT_CALLS_H
