// Event sets, as clients have them.
#include "calls.h"
#include "event_sets.h"

using namespace nvml_mig::simulator;

namespace {

constexpr unsigned kNoId = 0xffffffff;

unsigned IdOf(std::uint8_t recorded) { return recorded == kNone8 ? kNoId : recorded; }

}  // namespace

nvmlReturn_t played::nvmlEventSetCreate(nvmlEventSet_t* set) {
  NVML_MIG_ENTER();
  return set == nullptr ? NVML_ERROR_INVALID_ARGUMENT : MakeEventSet(*image, set);
}

nvmlReturn_t played::nvmlEventSetFree(nvmlEventSet_t set) {
  NVML_MIG_ENTER();
  return FreeEventSet(*image, set);
}

nvmlReturn_t played::nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device,
                                                      unsigned long long* eventTypes) {
  NVML_MIG_ENTER();
  if (eventTypes == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code == NVML_SUCCESS) *eventTypes = SupportedEventTypes(subject.view());
  return code;
}

nvmlReturn_t played::nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long eventTypes,
                                              nvmlEventSet_t set) {
  NVML_MIG_ENTER();
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  if ((eventTypes & ~SupportedEventTypes(subject.view())) != 0) return NVML_ERROR_NOT_SUPPORTED;
  return RegisterEvents(*image, subject.handle.gpu, eventTypes, set);
}

nvmlReturn_t played::nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t* data,
                                         unsigned int timeoutms) {
  NVML_MIG_ENTER();
  if (data == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Event event;
  const nvmlReturn_t code = WaitForEvent(*image, set, timeoutms, &event);
  if (code != NVML_SUCCESS) return code;
  *data = {GpuHandle(*image, event.gpu), event.type, event.data, IdOf(event.gpuInstance),
           IdOf(event.computeInstance)};
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_v1_t* data,
                                      unsigned int timeoutms) {
  NVML_MIG_ENTER();
  if (data == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Event event;
  const nvmlReturn_t code = WaitForEvent(*image, set, timeoutms, &event);
  if (code == NVML_SUCCESS) *data = {GpuHandle(*image, event.gpu), event.type, event.data};
  return code;
}
