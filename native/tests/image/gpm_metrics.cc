// Two samples of what GPM measures, as a client takes them: prints a line "id value" for each metric that
// lies between them. IMAGE is the path of a node's libnvidia-ml.so.1; without a mode it is GPU 0 that is
// measured, else the GPU instance whose id the mode is.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "nvml.h"
#include "support.h"

using namespace nvml_mig::image_tests;

#define MUST(call)                                                        \
  do {                                                                    \
    const nvmlReturn_t answer = (call);                                   \
    EXPECT(answer == NVML_SUCCESS, "%s answered %d", #call, int(answer)); \
  } while (0)

int main(int count, char** arguments) {
  const Options options = ReadOptions(count, arguments);
  // The id of a GPU instance; without one the whole GPU is measured.
  const auto mode = std::find_if(options.modes.begin(), options.modes.end(),
                                 [](const std::string& each) { return each != "full"; });
  GiveUpAfter(30);
  const Nvml nvml = Functions(Load(options.image.c_str()));
  constexpr unsigned kMetrics = 98;  // as many as every release with GPM knows
  nvmlDevice_t gpu;
  const auto asked = std::make_unique<nvmlGpmMetricsGet_t>();
  asked->version = NVML_GPM_METRICS_GET_VERSION;
  asked->numMetrics = kMetrics;
  for (unsigned id = 0; id < kMetrics; id++) asked->metrics[id].metricId = id;
  MUST(nvml.nvmlInit_v2());
  MUST(nvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu));
  for (nvmlGpmSample_t* const sample : {&asked->sample1, &asked->sample2}) {
    MUST(nvml.nvmlGpmSampleAlloc(sample));
    if (mode == options.modes.end()) {
      MUST(nvml.nvmlGpmSampleGet(gpu, *sample));
    } else {
      const auto instance = static_cast<unsigned>(std::strtoul(mode->c_str(), nullptr, 10));
      MUST(nvml.nvmlGpmMigSampleGet(gpu, instance, *sample));
    }
  }
  MUST(nvml.nvmlGpmMetricsGet(asked.get()));
  for (const nvmlGpmMetric_t& metric : asked->metrics) {
    if (&metric < asked->metrics + kMetrics && metric.nvmlReturn == NVML_SUCCESS) {
      std::printf("%u %.17g\n", metric.metricId, metric.value);
    }
  }
  MUST(nvml.nvmlShutdown());
  return 0;
}
