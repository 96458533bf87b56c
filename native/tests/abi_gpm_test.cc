// GPM, through the exported functions.
#include <time.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr unsigned kNone = kSimulatorNone;
constexpr unsigned kSmUtil = 1;  // index in an Activity
constexpr unsigned kDram = 8;
constexpr unsigned kPcieTx = 12;
constexpr unsigned kSmallest = 19;  // 1g.10gb of an H100

struct GpmNode : InitialisedNode {
  explicit GpmNode(unsigned branch = 550, const GpuBoard& board = H100())
      : InitialisedNode(branch, board) {}

  nvmlReturn_t Set(unsigned metric, double rate, unsigned gi = kNone, unsigned index = 0) {
    const auto bits = std::bit_cast<std::uint64_t>(rate);
    return Command(kSimulatorSetActivity, {index, gi, metric, static_cast<unsigned>(bits),
                                           static_cast<unsigned>(bits >> 32)});
  }
  nvmlGpmSample_t Alloc() const {
    nvmlGpmSample_t sample = nullptr;
    REQUIRE(nvmlGpmSampleAlloc(&sample) == NVML_SUCCESS);
    return sample;
  }
  nvmlGpmSample_t Sample(unsigned gi = kNone) const {
    const nvmlGpmSample_t sample = Alloc();
    REQUIRE((gi == kNone ? nvmlGpmSampleGet(gpu(), sample)
                         : nvmlGpmMigSampleGet(gpu(), gi, sample)) == NVML_SUCCESS);
    return sample;
  }
  nvmlGpmMetric_t Metric(unsigned id, nvmlGpmSample_t first, nvmlGpmSample_t second) const {
    const auto asked = std::make_unique<nvmlGpmMetricsGet_t>();
    asked->version = NVML_GPM_METRICS_GET_VERSION;
    asked->numMetrics = 1;
    asked->sample1 = first;
    asked->sample2 = second;
    asked->metrics[0].metricId = id;
    asked->metrics[0].nvmlReturn = NVML_ERROR_UNKNOWN;
    REQUIRE(nvmlGpmMetricsGet(asked.get()) == NVML_SUCCESS);
    return asked->metrics[0];
  }
  double Mean(unsigned id, nvmlGpmSample_t first, nvmlGpmSample_t second) const {
    const nvmlGpmMetric_t metric = Metric(id, first, second);
    REQUIRE(metric.nvmlReturn == NVML_SUCCESS);
    return metric.value;
  }
  unsigned CreateInstance() const {
    nvmlGpuInstance_t instance = nullptr;
    nvmlGpuInstanceInfo_t info;
    REQUIRE(nvmlDeviceCreateGpuInstance(gpu(), kSmallest, &instance) == NVML_SUCCESS);
    REQUIRE(nvmlGpuInstanceGetInfo(instance, &info) == NVML_SUCCESS);
    return info.id;
  }
  unsigned IsSupported(nvmlDevice_t device) const {
    nvmlGpmSupport_t support = {NVML_GPM_SUPPORT_VERSION, 7};
    REQUIRE(nvmlGpmQueryDeviceSupport(device, &support) == NVML_SUCCESS);
    return support.isSupportedDevice;
  }
};

double NowSeconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// A moment that lies between two readings of the clock.
struct Moment {
  double earliest;
  double latest;
};
template <class Act>
Moment Around(Act act) {
  const double before = NowSeconds();
  act();
  return {before, NowSeconds()};
}
// Lets the clock go on, so that what was measured is long beside how exactly its ends are known.
void Pass(double seconds) {
  for (const double start = NowSeconds(); NowSeconds() - start < seconds;) {
  }
}

}  // namespace

TEST_CASE("Hopper has GPM, Ampere and parts of a GPU in a virtual machine have not") {
  GpmNode hopper;
  CHECK(hopper.IsSupported(hopper.gpu()) == 1);
  nvmlGpmSupport_t support = {sizeof(support) | 1u << 24, 7};
  CHECK(hopper.nvmlGpmQueryDeviceSupport(hopper.gpu(), &support) ==
        NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  CHECK(support.isSupportedDevice == 7);
  CHECK(hopper.nvmlGpmQueryDeviceSupport(hopper.gpu(), nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(hopper.nvmlGpmQueryDeviceSupport(nullptr, &support) == NVML_ERROR_ARGUMENT_VERSION_MISMATCH);

  GpmNode ampere(550, A100());
  CHECK(ampere.IsSupported(ampere.gpu()) == 0);
  CHECK(ampere.nvmlGpmSampleGet(ampere.gpu(), ampere.Alloc()) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(ampere.nvmlGpmMigSampleGet(ampere.gpu(), 0, ampere.Alloc()) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(ampere.Set(kSmUtil, 50) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(std::string(ampere.text) ==
        "GPU 0 has no GPM: Hopper has it and what came after, but not in a vGPU guest.");

  Node driver = Driver(550);
  driver.platform = kVgpuGuest;
  LoadedNode guest(MakeImage(driver, {H100()}));
  REQUIRE(guest.nvmlInit_v2() == NVML_SUCCESS);
  support.version = NVML_GPM_SUPPORT_VERSION;
  REQUIRE(guest.nvmlGpmQueryDeviceSupport(guest.gpu(), &support) == NVML_SUCCESS);
  CHECK(support.isSupportedDevice == 0);
  nvmlGpmSample_t sample = nullptr;
  REQUIRE(guest.nvmlGpmSampleAlloc(&sample) == NVML_SUCCESS);
  CHECK(guest.nvmlGpmSampleGet(guest.gpu(), sample) == NVML_ERROR_NOT_SUPPORTED);
  guest.nvmlShutdown();
}

TEST_CASE("a rate that stays is the metric, whatever else changes") {
  GpmNode node;
  REQUIRE(node.Set(kSmUtil, 37.5) == NVML_SUCCESS);
  REQUIRE(node.Set(kPcieTx, 12345.678) == NVML_SUCCESS);
  const nvmlGpmSample_t first = node.Sample();
  REQUIRE(node.Set(kDram, 80) == NVML_SUCCESS);
  const nvmlGpmSample_t second = node.Sample();
  CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, first, second) == 37.5);
  CHECK(node.Mean(NVML_GPM_METRIC_PCIE_TX_PER_SEC, first, second) == 12345.678);
  CHECK(node.Mean(NVML_GPM_METRIC_FP64_UTIL, first, second) == 0);
  const double dram = node.Mean(NVML_GPM_METRIC_DRAM_BW_UTIL, first, second);
  CHECK((dram > 0 && dram < 80));
  CHECK(node.Metric(NVML_GPM_METRIC_SM_UTIL, first, second).metricInfo.unit == nullptr);
}

TEST_CASE("a metric is the mean of the rate over the time between the samples") {
  GpmNode node;
  REQUIRE(node.Set(kSmUtil, 20) == NVML_SUCCESS);
  nvmlGpmSample_t first = nullptr, second = nullptr;
  const Moment begin = Around([&] { first = node.Sample(); });
  Pass(0.002);
  const Moment change = Around([&] { REQUIRE(node.Set(kSmUtil, 60) == NVML_SUCCESS); });
  Pass(0.006);
  REQUIRE(node.Set(kDram, 1) == NVML_SUCCESS);
  const Moment end = Around([&] { second = node.Sample(); });
  // 20 up to the change, 60 from then on: the later the change, the lower the mean.
  const auto mean = [](double from, double at, double to) {
    return (20 * (at - from) + 60 * (to - at)) / (to - from);
  };
  const double found = node.Mean(NVML_GPM_METRIC_SM_UTIL, first, second);
  CHECK(found >= mean(begin.earliest, change.latest, end.earliest) - 1e-6);
  CHECK(found <= mean(begin.latest, change.earliest, end.latest) + 1e-6);
  CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, second, node.Sample()) == 60);
}

TEST_CASE("an instance is measured for itself, and its successor begins idle") {
  GpmNode node;
  CHECK(node.nvmlGpmMigSampleGet(node.gpu(), 0, node.Alloc()) == NVML_ERROR_NOT_SUPPORTED);
  node.Enable();
  const unsigned gi = node.CreateInstance();
  const unsigned other = node.CreateInstance();
  REQUIRE(node.Set(kSmUtil, 40, gi) == NVML_SUCCESS);
  const nvmlGpmSample_t first = node.Sample(gi);
  const nvmlGpmSample_t whole = node.Sample();
  const nvmlGpmSample_t idle = node.Sample(other);
  CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, first, node.Sample(gi)) == 40);
  CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, idle, node.Sample(other)) == 0);
  CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, whole, node.Sample()) == 0);
  CHECK(node.nvmlGpmMigSampleGet(node.gpu(), 3, node.Alloc()) == NVML_ERROR_NOT_FOUND);
  CHECK(node.Set(kSmUtil, 40, 3) == NVML_ERROR_NOT_FOUND);
  CHECK(std::string(node.text) == "GPU 0 has no GPU instance 3.");

  nvmlGpuInstance_t handle = nullptr;
  nvmlGpuInstanceInfo_t info;
  REQUIRE(node.nvmlDeviceGetGpuInstanceById(node.gpu(), gi, &handle) == NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceGetInfo(handle, &info) == NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceDestroy(handle) == NVML_SUCCESS);
  REQUIRE(node.nvmlDeviceCreateGpuInstanceWithPlacement(node.gpu(), kSmallest, &info.placement,
                                                        &handle) == NVML_SUCCESS);
  const nvmlGpmSample_t anew = node.Sample(gi);
  CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, anew, node.Sample(gi)) == 0);
  REQUIRE(node.Set(kSmUtil, 10, gi) == NVML_SUCCESS);
  const double began = node.Mean(NVML_GPM_METRIC_SM_UTIL, anew, node.Sample(gi));
  CHECK((began > 0 && began < 10));
  // Samples of two instances, or of one moment, or in the wrong order.
  CHECK(node.Metric(NVML_GPM_METRIC_SM_UTIL, first, anew).nvmlReturn == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.Metric(NVML_GPM_METRIC_SM_UTIL, idle, anew).nvmlReturn == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.Metric(NVML_GPM_METRIC_SM_UTIL, anew, anew).nvmlReturn == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.Metric(NVML_GPM_METRIC_SM_UTIL, node.Sample(gi), anew).nvmlReturn ==
        NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("a MIG device is measured from R595 on, as its GPU instance") {
  for (const unsigned branch : {550u, 590u, 595u}) {
    GpmNode node(branch);
    node.Enable();
    nvmlComputeInstance_t compute = nullptr;
    node.Create(kSmallest, 0, &compute);
    const nvmlDevice_t mig = node.mig(0);
    unsigned gi = 0;
    REQUIRE(node.nvmlDeviceGetGpuInstanceId(mig, &gi) == NVML_SUCCESS);
    REQUIRE(node.Set(kSmUtil, 30, gi) == NVML_SUCCESS);
    nvmlGpmSupport_t support = {NVML_GPM_SUPPORT_VERSION, 7};
    const nvmlGpmSample_t first = node.Alloc();
    const nvmlReturn_t expected = branch >= 595 ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
    CHECK(node.nvmlGpmQueryDeviceSupport(mig, &support) == expected);
    CHECK(node.nvmlGpmSampleGet(mig, first) == expected);
    CHECK(node.nvmlGpmMigSampleGet(mig, gi, first) == NVML_ERROR_NOT_SUPPORTED);
    if (expected != NVML_SUCCESS) continue;
    CHECK(support.isSupportedDevice == 1);
    CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, first, node.Sample(gi)) == 30);
  }
}

TEST_CASE("each metric has a code of its own, by what the release's header knows") {
  struct {
    unsigned branch, id;
    nvmlReturn_t expected;
  } const cases[] = {
      {550, 0, NVML_ERROR_INVALID_ARGUMENT},   {550, 1, NVML_SUCCESS},
      {550, 8, NVML_ERROR_INVALID_ARGUMENT},   {595, 8, NVML_ERROR_NOT_SUPPORTED},
      {550, 14, NVML_ERROR_INVALID_ARGUMENT},  {550, 31, NVML_ERROR_NOT_SUPPORTED},
      {550, 51, NVML_ERROR_INVALID_ARGUMENT},  {560, 51, NVML_ERROR_NOT_SUPPORTED},
      {550, 97, NVML_ERROR_NOT_SUPPORTED},     {550, 98, NVML_ERROR_INVALID_ARGUMENT},
      {570, 100, NVML_ERROR_INVALID_ARGUMENT}, {575, 209, NVML_ERROR_NOT_SUPPORTED},
      {595, 247, NVML_ERROR_INVALID_ARGUMENT}, {595, 296, NVML_ERROR_NOT_SUPPORTED},
      {610, 247, NVML_ERROR_NOT_SUPPORTED},    {610, 332, NVML_ERROR_NOT_SUPPORTED},
      {610, 333, NVML_ERROR_INVALID_ARGUMENT}, {610, ~0u, NVML_ERROR_INVALID_ARGUMENT},
  };
  for (const auto& it : cases) {
    CAPTURE(it.branch);
    CAPTURE(it.id);
    GpmNode node(it.branch);
    const nvmlGpmSample_t first = node.Sample();
    CHECK(node.Metric(it.id, first, node.Sample()).nvmlReturn == it.expected);
  }
}

TEST_CASE("a call touches as many metrics as it was asked for, and no release has more than its header") {
  GpmNode node;
  const auto asked = std::make_unique<nvmlGpmMetricsGet_t>();
  std::memset(static_cast<void*>(asked.get()), 0x5a, sizeof(*asked));
  asked->version = NVML_GPM_METRICS_GET_VERSION;
  asked->sample1 = node.Sample();
  asked->sample2 = node.Sample();
  asked->numMetrics = 2;
  asked->metrics[0].metricId = NVML_GPM_METRIC_SM_UTIL;
  asked->metrics[1].metricId = 31;
  REQUIRE(node.nvmlGpmMetricsGet(asked.get()) == NVML_SUCCESS);
  CHECK(asked->metrics[0].nvmlReturn == NVML_SUCCESS);
  CHECK(asked->metrics[1].nvmlReturn == NVML_ERROR_NOT_SUPPORTED);
  const auto* const rest = reinterpret_cast<const unsigned char*>(&asked->metrics[2]);
  CHECK(std::all_of(rest, rest + 96 * sizeof(nvmlGpmMetric_t), [](auto it) { return it == 0x5a; }));
  asked->numMetrics = 98;
  CHECK(node.nvmlGpmMetricsGet(asked.get()) == NVML_SUCCESS);
  asked->numMetrics = 99;
  CHECK(node.nvmlGpmMetricsGet(asked.get()) == NVML_ERROR_INVALID_ARGUMENT);
  asked->numMetrics = 1;
  asked->version = sizeof(*asked) | 1u << 24;
  CHECK(node.nvmlGpmMetricsGet(asked.get()) == NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  asked->version = NVML_GPM_METRICS_GET_VERSION;
  asked->sample2 = node.Alloc();  // never taken
  CHECK(node.nvmlGpmMetricsGet(asked.get()) == NVML_ERROR_INVALID_ARGUMENT);
  asked->sample2 = nullptr;
  CHECK(node.nvmlGpmMetricsGet(asked.get()) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlGpmMetricsGet(nullptr) == NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("samples are this process's own, until they are freed or the library is shut down") {
  GpmNode node;
  const nvmlGpmSample_t sample = node.Alloc();
  CHECK(node.nvmlGpmSampleGet(node.gpu(), reinterpret_cast<nvmlGpmSample_t>(node.gpu())) ==
        NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlGpmSampleGet(node.gpu(), nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlGpmSampleAlloc(nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  nvmlEventSet_t set = nullptr;
  REQUIRE(node.nvmlEventSetCreate(&set) == NVML_SUCCESS);
  CHECK(node.nvmlGpmSampleFree(reinterpret_cast<nvmlGpmSample_t>(set)) ==
        NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlGpmSampleFree(sample) == NVML_SUCCESS);
  CHECK(node.nvmlGpmSampleFree(sample) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlGpmSampleGet(node.gpu(), sample) == NVML_ERROR_INVALID_ARGUMENT);
  nvmlGpmSample_t last = nullptr;
  for (int round = 0; round < 3; round++) {
    for (unsigned i = 0; i < 1024; i++) last = node.Alloc();
    nvmlGpmSample_t more = nullptr;
    CHECK(node.nvmlGpmSampleAlloc(&more) == NVML_ERROR_MEMORY);
    REQUIRE(node.nvmlShutdown() == NVML_SUCCESS);
    CHECK(node.nvmlGpmSampleFree(last) == NVML_ERROR_UNINITIALIZED);
    REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
    CHECK(node.nvmlGpmSampleFree(last) == NVML_ERROR_INVALID_ARGUMENT);
  }
}

TEST_CASE("a rate that cannot be is a sentence, and nothing changes") {
  GpmNode node;
  REQUIRE(node.Set(kSmUtil, 25) == NVML_SUCCESS);
  const auto refuses = [&](nvmlReturn_t code, const char* sentence) {
    CHECK(code == NVML_ERROR_INVALID_ARGUMENT);
    CHECK(std::string(node.text) == sentence);
  };
  refuses(node.Set(kSmUtil, 100.5), "Metric 1 is a percentage from 0 to 100, not 100.5.");
  refuses(node.Set(kSmUtil, std::nan("")), "Metric 1 is a percentage from 0 to 100, not nan.");
  refuses(node.Set(kPcieTx, -1), "Metric 12 is MiB a second, from 0 on, not -1.");
  refuses(node.Set(16, 1), "There is no metric 16; they are numbered from 0 to 15.");
  refuses(node.Set(kSmUtil, 1, kNone, 2), "The node has 2 GPUs; there is no GPU 2.");
  const nvmlGpmSample_t first = node.Sample();
  CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, first, node.Sample()) == 25);
}

TEST_CASE("what a killed process left half written is idle") {
  GpmNode node;
  REQUIRE(node.Set(kSmUtil, 25) == NVML_SUCCESS);
  Image image;
  Reason reason;
  REQUIRE(image.Open(node.directory.image_path().c_str(), &reason) == OpenStatus::kOpened);
  const auto leave = [&] { image.commons().activities[kMaxGpuInstances].version |= 1; };
  leave();
  const nvmlGpmSample_t first = node.Sample();
  CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, first, node.Sample()) == 0);
  leave();
  REQUIRE(node.Set(kDram, 5) == NVML_SUCCESS);
  const nvmlGpmSample_t second = node.Sample();
  CHECK(node.Mean(NVML_GPM_METRIC_DRAM_BW_UTIL, second, node.Sample()) == 5);
  CHECK(node.Mean(NVML_GPM_METRIC_SM_UTIL, second, node.Sample()) == 0);
  image.Close();
}
