// How busy GPUs and GPU instances are: rates that a test sets, and what GPM makes of them. NVML measures
// between two samples, so what counts is the mean of a rate over that time, however often it
// changed; a sample is the rate's integral at a moment.
#ifndef NVML_MIG_SIMULATOR_GPM_H
#define NVML_MIG_SIMULATOR_GPM_H

#include "library.h"

namespace nvml_mig::simulator {

void GuardGpmSamplesForForks();

// Hopper has it and what came after, but no part of a GPU in a virtual machine.
bool SupportsGpm(const GpuView& at);

// A rate from now on: `metric` is its index in an Activity, `gpuInstance` an id or kSimulatorNone.
struct SetRate {
  unsigned gpu;
  unsigned gpuInstance;
  unsigned metric;
  double rate;  // percent, or MiB a second
};
nvmlReturn_t SetActivity(Image& image, const SetRate& set, Reason* reason);

// Of one GPU, or of the GPU instance that has the stamp.
struct ActivitySample {
  std::uint64_t nanoseconds;  // when; 0: not taken yet
  unsigned gpu;
  std::uint64_t stamp;  // 0: of the whole GPU
  std::uint64_t sinceNanoseconds;
  double rates[kActivityMetrics];
  double integrals[kActivityMetrics];
};
// `instance` is a live one of the GPU, or nullptr.
nvmlReturn_t TakeSample(Image& image, unsigned gpu, const GpuState& state,
                        const GpuInstance* instance, ActivitySample* sample);

// The most metrics that one call can ask a release for.
unsigned MostMetrics(const Node& driver);
// Fills in what became of metric->metricId from the first sample to the second.
void FillMetric(const Node& driver, const ActivitySample& first, const ActivitySample& second,
                nvmlGpmMetric_t* metric);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_GPM_H
