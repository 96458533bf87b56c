// GPM, as clients have it: samples of a GPU or a GPU instance, and metrics from two of them.
#include "calls.h"
#include "gpm.h"
#include "own_objects.h"

using namespace nvml_mig::simulator;

namespace {

using Samples = OwnObjects<nvmlGpmSample_t, ActivitySample, 0xd>;
constinit Samples samples;

// The header of this branch is the first to say that GPM takes MIG devices.
constexpr unsigned kFirstBranchWithMigDevices = 595;

nvmlReturn_t ResolveMeasured(const Image& image, nvmlDevice_t device, Subject* subject) {
  const nvmlReturn_t code = ResolveDevice(image, device, subject);
  if (code != NVML_SUCCESS) return code;
  return subject->instance != nullptr && subject->driver->driverBranch < kFirstBranchWithMigDevices
             ? NVML_ERROR_NOT_SUPPORTED
             : NVML_SUCCESS;
}

nvmlReturn_t Sample(Image& image, const Subject& subject, const GpuInstance* instance,
                    nvmlGpmSample_t handle) {
  if (!SupportsGpm(subject.view())) return NVML_ERROR_NOT_SUPPORTED;
  ActivitySample taken;
  const nvmlReturn_t code = TakeSample(image, subject.handle.gpu, subject.gpu, instance, &taken);
  if (code != NVML_SUCCESS) return code;
  const Samples::Locked locked(samples);
  ActivitySample* const sample = samples.Find(image.header(), handle);
  if (sample == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *sample = taken;
  return NVML_SUCCESS;
}

bool Recall(const Image& image, nvmlGpmSample_t handle, ActivitySample* taken) {
  const Samples::Locked locked(samples);
  const ActivitySample* const sample = samples.Find(image.header(), handle);
  if (sample == nullptr || sample->nanoseconds == 0) return false;
  *taken = *sample;
  return true;
}

}  // namespace

void nvml_mig::simulator::GuardGpmSamplesForForks() { GuardForForks<samples>(); }

nvmlReturn_t played::nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t* gpmSupport) {
  NVML_MIG_ENTER();
  if (gpmSupport == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (gpmSupport->version != NVML_GPM_SUPPORT_VERSION) return VersionMismatch(image->node());
  Subject subject;
  const nvmlReturn_t code = ResolveMeasured(*image, device, &subject);
  if (code == NVML_SUCCESS) gpmSupport->isSupportedDevice = SupportsGpm(subject.view());
  return code;
}

nvmlReturn_t played::nvmlGpmSampleAlloc(nvmlGpmSample_t* gpmSample) {
  NVML_MIG_ENTER();
  if (gpmSample == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const Samples::Locked locked(samples);
  return samples.Make(image->header(), gpmSample) != nullptr ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

nvmlReturn_t played::nvmlGpmSampleFree(nvmlGpmSample_t gpmSample) {
  NVML_MIG_ENTER();
  const Samples::Locked locked(samples);
  return samples.Free(image->header(), gpmSample) ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t played::nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t gpmSample) {
  NVML_MIG_ENTER();
  Subject subject;
  const nvmlReturn_t code = ResolveMeasured(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  // Of what is gone there is nothing to measure, whatever its handle still tells.
  if (subject.instance == &subject.past) return NVML_ERROR_INVALID_ARGUMENT;
  return Sample(*image, subject, subject.instance, gpmSample);
}

nvmlReturn_t played::nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned int gpuInstanceId,
                                         nvmlGpmSample_t gpmSample) {
  NVML_MIG_ENTER();
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  if (!SupportsGpm(subject.view()) || subject.gpu.migCurrent != NVML_DEVICE_MIG_ENABLE) {
    return NVML_ERROR_NOT_SUPPORTED;
  }
  const GpuInstance* const instance =
      FindGpuInstance(static_cast<const GpuState&>(subject.gpu), gpuInstanceId);
  return instance == nullptr ? NVML_ERROR_NOT_FOUND
                             : Sample(*image, subject, instance, gpmSample);
}

nvmlReturn_t played::nvmlGpmMetricsGet(nvmlGpmMetricsGet_t* metricsGet) {
  NVML_MIG_ENTER();
  if (metricsGet == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (metricsGet->version != NVML_GPM_METRICS_GET_VERSION) return VersionMismatch(image->node());
  ActivitySample first, second;
  if (metricsGet->numMetrics > MostMetrics(image->node()) ||
      !Recall(*image, metricsGet->sample1, &first) ||
      !Recall(*image, metricsGet->sample2, &second)) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  for (unsigned i = 0; i < metricsGet->numMetrics; i++) {
    FillMetric(image->node(), first, second, &metricsGet->metrics[i]);
  }
  return NVML_SUCCESS;
}
