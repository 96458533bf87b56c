#include "churn.h"

#include <iterator>

#include "simulator/machine.h"

namespace nvml_mig::image_tests {
namespace {

using namespace simulator;

// One of the live records, or null when the draw falls on a free one.
template <class Record, std::size_t count>
Record* Draw(Record (&records)[count], Random* random) {
  Record& record = records[random->Below(count)];
  return record.stamp == 0 ? nullptr : &record;
}

bool Create(const GpuEdit& at, Random* random) {
  if (at.board.profileCount == 0) return false;
  const GpuInstanceProfile& profile = at.board.profiles[random->Below(at.board.profileCount)];
  const GpuInstance* created;
  return CreateGpuInstance(at, profile.id, nullptr, &created) == NVML_SUCCESS;
}

bool CreateIn(const GpuEdit& at, GpuInstance* instance, Random* random) {
  if (instance == nullptr) return false;
  const GpuInstanceProfile& profile = ProfileOf(at.board, *instance);
  if (profile.computeProfileCount == 0) return false;
  const ComputeProfile& compute =
      profile.computeProfiles[random->Below(profile.computeProfileCount)];
  const ComputeInstance* created;
  return CreateComputeInstance(at, *instance, compute.id, nullptr, &created) == NVML_SUCCESS;
}

bool DestroyIn(const GpuEdit& at, GpuInstance* instance, Random* random) {
  if (instance == nullptr) return false;
  ComputeInstance* compute = Draw(instance->computeInstances, random);
  return compute != nullptr && DestroyComputeInstance(at, *instance, *compute) == NVML_SUCCESS;
}

bool TryOne(const Image& image, Random* random, State& state) {
  const unsigned gpu = static_cast<unsigned>(random->Below(image.gpu_count()));
  const GpuEdit at = {image.node(), image.boards()[gpu], state.node, state.gpus[gpu], gpu, kRootRight};
  GpuInstance* instance = Draw(at.gpu.gpuInstances, random);
  switch (random->Below(4)) {
    case 0: return Create(at, random);
    case 1: return CreateIn(at, instance, random);
    case 2: return DestroyIn(at, instance, random);
    default: return instance != nullptr && DestroyGpuInstance(at, *instance) == NVML_SUCCESS;
  }
}

}  // namespace

bool CreateOrDestroy(const Image& image, Random* random, State& state) {
  for (int draws = 0; draws < 50; draws++) {
    if (TryOne(image, random, state)) return true;
  }
  return false;
}

void MustChangeOnce(Image* image, Random* random) {
  for (;;) {
    const ChangeStatus status = ChangeOnce(image, random);
    if (status == ChangeStatus::kDone) return;
    EXPECT(status == ChangeStatus::kDeclined, "a change answered %s", Name(status));
  }
}

}  // namespace nvml_mig::image_tests
