// What of a state means something else under a driver of another release.
#include "machine.h"

namespace nvml_mig::simulator {
namespace {

// The place in a list of profiles of the one that has an id; the list's length if there is none.
template <class Profile>
unsigned PlaceOf(const Profile* profiles, unsigned count, unsigned id) {
  unsigned place = 0;
  while (place < count && profiles[place].id != id) place++;
  return place;
}

bool Translate(const GpuBoard& before, const GpuBoard& after, GpuInstance& instance,
               const char** unknown) {
  const GpuInstanceProfile& was = ProfileOf(before, instance);
  const unsigned place = PlaceOf(after.profiles, after.profileCount, was.id);
  *unknown = was.name;
  if (place == after.profileCount) return false;
  const GpuInstanceProfile& is = after.profiles[place];
  for (ComputeInstance& compute : instance.computeInstances) {
    if (compute.stamp == 0) continue;
    const ComputeProfile& part = was.computeProfiles[compute.profile];
    const unsigned at = PlaceOf(is.computeProfiles, is.computeProfileCount, part.id);
    *unknown = part.name;
    if (at == is.computeProfileCount) return false;
    compute.profile = static_cast<std::uint8_t>(at);
  }
  instance.profile = static_cast<std::uint8_t>(place);
  return true;
}

}  // namespace

nvmlReturn_t TranslateInstances(const Image& before, const Image& after, State& state,
                                Reason* reason) {
  for (unsigned gpu = 0; gpu < before.gpu_count(); gpu++) {
    for (GpuInstance& instance : state.gpus[gpu].gpuInstances) {
      const char* unknown;
      if (instance.stamp == 0 ||
          Translate(before.boards()[gpu], after.boards()[gpu], instance, &unknown)) {
        continue;
      }
      reason->Say("GPU %u has an instance of %s, which driver %s does not know.", gpu, unknown,
                  after.node().driverVersion);
      return NVML_ERROR_NOT_SUPPORTED;
    }
  }
  return NVML_SUCCESS;
}

}  // namespace nvml_mig::simulator
