#include "gpm.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "abi/simulator_control.h"
#include "words.h"

namespace nvml_mig::simulator {
namespace {

struct Metric {
  unsigned id;      // NVML's
  bool isPercent;   // else MiB a second
};
// By the index in an Activity; lib/simulator/activity.ts names them in this order.
constexpr Metric kMetrics[] = {{NVML_GPM_METRIC_GRAPHICS_UTIL, true},
                               {NVML_GPM_METRIC_SM_UTIL, true},
                               {NVML_GPM_METRIC_SM_OCCUPANCY, true},
                               {NVML_GPM_METRIC_INTEGER_UTIL, true},
                               {NVML_GPM_METRIC_ANY_TENSOR_UTIL, true},
                               {NVML_GPM_METRIC_DFMA_TENSOR_UTIL, true},
                               {NVML_GPM_METRIC_HMMA_TENSOR_UTIL, true},
                               {NVML_GPM_METRIC_IMMA_TENSOR_UTIL, true},
                               {NVML_GPM_METRIC_DRAM_BW_UTIL, true},
                               {NVML_GPM_METRIC_FP64_UTIL, true},
                               {NVML_GPM_METRIC_FP32_UTIL, true},
                               {NVML_GPM_METRIC_FP16_UTIL, true},
                               {NVML_GPM_METRIC_PCIE_TX_PER_SEC, false},
                               {NVML_GPM_METRIC_PCIE_RX_PER_SEC, false},
                               {NVML_GPM_METRIC_NVDEC_0_UTIL, true},
                               {NVML_GPM_METRIC_NVJPG_0_UTIL, true}};
static_assert(sizeof(kMetrics) / sizeof(kMetrics[0]) == kActivityMetrics);

// Ids that a release's header has, and the first driver branch of that header.
struct KnownIds {
  unsigned branch;
  unsigned first;
  unsigned last;
};
constexpr KnownIds kKnownIds[] = {{520, 1, 7},    {520, 9, 13},   {520, 20, 21},  {520, 30, 37},
                                  {520, 40, 47},  {520, 50, 50},  {520, 60, 97},  {560, 51, 51},
                                  {575, 100, 209}, {595, 8, 8},   {595, 248, 296}, {610, 212, 247},
                                  {610, 297, 332}};

bool Knows(const Node& driver, unsigned id) {
  return std::any_of(std::begin(kKnownIds), std::end(kKnownIds), [&](const KnownIds& it) {
    return driver.driverBranch >= it.branch && id >= it.first && id <= it.last;
  });
}

constexpr unsigned kRecordsOfGpu = kMaxGpuInstances + 1;
static_assert(sizeof(Commons::activities) == sizeof(Activity) * kMaxGpus * kRecordsOfGpu);

// Of the GPU instance that is in a place of GpuState::gpuInstances, or of the whole GPU.
Activity& RecordOf(Commons& commons, unsigned gpu, const GpuState& state,
                   const GpuInstance* instance) {
  const auto place = instance == nullptr
                         ? kMaxGpuInstances
                         : static_cast<unsigned>(instance - state.gpuInstances);
  return commons.activities[gpu * kRecordsOfGpu + place];
}

std::uint64_t NowNanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::uint64_t(now.tv_sec) * 1'000'000'000 + std::uint64_t(now.tv_nsec);
}

double Seconds(std::uint64_t from, std::uint64_t to) {
  return static_cast<double>(static_cast<std::int64_t>(to - from)) * 1e-9;
}

std::uint64_t Get(const std::uint64_t& word) {
  return Shared<std::uint64_t>(&word).load(std::memory_order_relaxed);
}
void Put(std::uint64_t* word, std::uint64_t value) {
  Shared<std::uint64_t>(word).store(value, std::memory_order_relaxed);
}
double GetNumber(const std::uint64_t& word) { return std::bit_cast<double>(Get(word)); }
void PutNumber(std::uint64_t* word, double value) { Put(word, std::bit_cast<std::uint64_t>(value)); }

// With the image's lock held. write(now) changes the record, which is idle before it if it was about
// another instance, or if whoever wrote it last was killed at it.
template <class Write>
void Rewrite(Activity& record, std::uint64_t stamp, Write write) {
  const std::uint64_t before = Get(record.version);
  Put(&record.version, before | 1);
  std::atomic_thread_fence(std::memory_order_release);
  const std::uint64_t now = NowNanoseconds();
  const std::uint64_t since = Get(record.sinceNanoseconds);
  // 0: it was never written. A clock that is behind started again with the machine.
  if ((before & 1) != 0 || since == 0 || since > now || Get(record.stamp) != stamp) {
    for (std::uint64_t& word : record.rates) Put(&word, 0);
    for (std::uint64_t& word : record.integrals) Put(&word, 0);
    Put(&record.stamp, stamp);
    Put(&record.sinceNanoseconds, now);
  }
  write(now);
  Shared<std::uint64_t>(&record.version).store((before | 1) + 1, std::memory_order_release);
}

void ChangeRate(Activity& record, std::uint64_t stamp, unsigned metric, double rate) {
  Rewrite(record, stamp, [&](std::uint64_t now) {
    // The integral goes on from where the old rate has brought it; only this metric's words change.
    const double elapsed = Seconds(Get(record.sinceNanoseconds), now);
    const double former = GetNumber(record.rates[metric]);
    const double integral = GetNumber(record.integrals[metric]) + (former - rate) * elapsed;
    PutNumber(&record.integrals[metric], integral);
    PutNumber(&record.rates[metric], rate);
  });
}

// The record at a moment of now; false while somebody writes it.
bool TryRead(const Activity& record, Activity* copy, std::uint64_t* now) {
  const std::uint64_t before =
      Shared<std::uint64_t>(&record.version).load(std::memory_order_acquire);
  if ((before & 1) != 0) return false;
  LoadWords(copy, reinterpret_cast<const std::uint8_t*>(&record), sizeof(record));
  *now = NowNanoseconds();
  std::atomic_thread_fence(std::memory_order_acquire);
  return Get(record.version) == before;
}

bool Read(Image& image, Activity& record, Activity* copy, std::uint64_t* now) {
  constexpr int kTries = 100;
  for (int attempt = 0; attempt < kTries; attempt++) {
    if (TryRead(record, copy, now)) return true;
    sched_yield();
  }
  // Whoever writes holds the lock; once this process has it, nobody does, and what is still half
  // written was left so.
  const ChangeStatus status = image.ChangeCommons([&](Commons&) {
    if (!TryRead(record, copy, now)) Rewrite(record, Get(record.stamp), [](std::uint64_t) {});
  });
  return status == ChangeStatus::kDone && TryRead(record, copy, now);
}

// Of a metric, from the first sample to the second.
double Mean(const ActivitySample& first, const ActivitySample& second, unsigned metric) {
  const double rate = second.rates[metric];
  if (rate == first.rates[metric] && first.integrals[metric] == second.integrals[metric] &&
      first.sinceNanoseconds == second.sinceNanoseconds) {
    return rate;  // it did not change meanwhile
  }
  const auto upTo = [&](const ActivitySample& it) {
    return it.integrals[metric] +
           it.rates[metric] * Seconds(it.sinceNanoseconds, it.nanoseconds);
  };
  return std::max(0.0, upTo(second) - upTo(first)) /
         Seconds(first.nanoseconds, second.nanoseconds);
}

nvmlReturn_t Check(const Image& image, const SetRate& set, Reason* reason) {
  if (set.gpu >= image.gpu_count()) {
    reason->Say("The node has %u GPUs; there is no GPU %u.", image.gpu_count(), set.gpu);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (set.metric >= kActivityMetrics) {
    reason->Say("There is no metric %u; they are numbered from 0 to %u.", set.metric,
                kActivityMetrics - 1);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const bool isPercent = kMetrics[set.metric].isPercent;
  if (std::isfinite(set.rate) && set.rate >= 0 && (!isPercent || set.rate <= 100)) {
    return NVML_SUCCESS;
  }
  reason->Say("Metric %u is %s, not %g.", set.metric,
              isPercent ? "a percentage from 0 to 100" : "MiB a second, from 0 on", set.rate);
  return NVML_ERROR_INVALID_ARGUMENT;
}

}  // namespace

bool SupportsGpm(const GpuView& at) {
  return at.board.architecture >= NVML_DEVICE_ARCH_HOPPER &&
         at.board.architecture != NVML_DEVICE_ARCH_UNKNOWN && at.driver.platform != kVgpuGuest;
}

nvmlReturn_t SetActivity(Image& image, const SetRate& set, Reason* reason) {
  nvmlReturn_t outcome = Check(image, set, reason);
  if (outcome != NVML_SUCCESS) return outcome;
  const ChangeStatus status = image.ChangeCommons([&](Commons& commons) {
    NodeState node;
    GpuState gpu;
    image.ReadGpu(set.gpu, &node, &gpu);  // which nobody changes meanwhile
    const GpuView at = {image.node(), image.boards()[set.gpu], node, gpu, set.gpu, kRootRight};
    if (!SupportsGpm(at)) {
      reason->Say("GPU %u has no GPM: Hopper has it and what came after, but not in a vGPU guest.",
                  set.gpu);
      outcome = NVML_ERROR_NOT_SUPPORTED;
      return;
    }
    const GpuInstance* instance = nullptr;
    if (set.gpuInstance != kSimulatorNone) {
      instance = FindGpuInstance(static_cast<const GpuState&>(gpu), set.gpuInstance);
      if (instance == nullptr) {
        reason->Say("GPU %u has no GPU instance %u.", set.gpu, set.gpuInstance);
        outcome = NVML_ERROR_NOT_FOUND;
        return;
      }
    }
    ChangeRate(RecordOf(commons, set.gpu, gpu, instance),
               instance == nullptr ? 0 : instance->stamp, set.metric, set.rate);
  });
  return status == ChangeStatus::kDone ? outcome : CodeOf(status, reason);
}

nvmlReturn_t TakeSample(Image& image, unsigned gpu, const GpuState& state,
                        const GpuInstance* instance, ActivitySample* sample) {
  Activity record;
  std::uint64_t now;
  if (!Read(image, RecordOf(image.commons(), gpu, state, instance), &record, &now)) {
    return NVML_ERROR_UNKNOWN;
  }
  *sample = {now, gpu, instance == nullptr ? 0 : instance->stamp, 0, {}, {}};
  // What was set for another instance in that place is over.
  if (record.stamp != sample->stamp) return NVML_SUCCESS;
  sample->sinceNanoseconds = record.sinceNanoseconds;
  for (unsigned metric = 0; metric < kActivityMetrics; metric++) {
    sample->rates[metric] = std::bit_cast<double>(record.rates[metric]);
    sample->integrals[metric] = std::bit_cast<double>(record.integrals[metric]);
  }
  return NVML_SUCCESS;
}

unsigned MostMetrics(const Node& driver) {
  // NVML_GPM_METRIC_MAX of the release's header.
  return driver.driverBranch >= 595 ? NVML_GPM_METRIC_MAX : driver.driverBranch >= 575 ? 210 : 98;
}

void FillMetric(const Node& driver, const ActivitySample& first, const ActivitySample& second,
                nvmlGpmMetric_t* metric) {
  metric->metricInfo = {nullptr, nullptr, nullptr};
  const Metric* const found = std::find_if(std::begin(kMetrics), std::end(kMetrics),
                                           [&](const Metric& it) { return it.id == metric->metricId; });
  // Nothing lies between samples of two things, or of one moment.
  const bool fit = first.gpu == second.gpu && first.stamp == second.stamp &&
                   first.nanoseconds < second.nanoseconds;
  if (!Knows(driver, metric->metricId) || !fit) {
    metric->nvmlReturn = NVML_ERROR_INVALID_ARGUMENT;
  } else if (found == std::end(kMetrics)) {
    metric->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
  } else {
    metric->nvmlReturn = NVML_SUCCESS;
    metric->value = Mean(first, second, static_cast<unsigned>(found - kMetrics));
  }
}

}  // namespace nvml_mig::simulator
