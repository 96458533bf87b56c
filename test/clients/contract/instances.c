// Creating, listing and destroying instances, in the order nvidia-smi does it.
#include <string.h>

#include "harness.h"
#include "suites.h"

// Every profile, every instance of it: how nvidia-smi finds again what it has just created.
static bool is_listed(nvmlDevice_t device, unsigned id, nvmlGpuInstance_t wanted) {
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    GpuProfile profile;
    nvmlGpuInstance_t instances[MANY];
    unsigned count = 0xdeadbeef;
    if (!profile_at(device, slot, &profile)) continue;
    RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstances(device, profile.id, instances, &count));
    expect(count <= profile.instanceCount, "profile %u: %u instances", profile.id, count);
    for (unsigned i = 0; i < count && i < MANY; i++) {
      const GpuInstanceInfo info = gpu_instance_info(instances[i]);
      expect(info.profileId == profile.id, "instance %u of profile %u listed under %u", info.id,
             info.profileId, profile.id);
      if (info.id == id) return instances[i] == wanted;
    }
  }
  return false;
}

static void fresh_instances(void) {
  begin("a fresh GPU instance is listed at once, by the same id and the same handle");
  const nvmlDevice_t device = empty_gpu(0);
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    GpuProfile profile;
    nvmlGpuInstance_t made = NULL, found = NULL;
    if (!profile_at(device, slot, &profile)) continue;
    RETURNS(NVML_SUCCESS, nvmlDeviceCreateGpuInstance(device, profile.id, &made));
    const GpuInstanceInfo info = gpu_instance_info(made);
    expect(info.device == device && info.profileId == profile.id, "what instance %u is", info.id);
    expect(is_listed(device, info.id, made), "instance %u of profile %u is listed", info.id, profile.id);
    RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceById(device, info.id, &found));
    expect(found == made, "instance %u by its id", info.id);
    RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(made));
    RETURNS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetGpuInstanceById(device, info.id, &found));
  }
  end();
}

// nvidia-smi passes whatever was on its stack, go-nvml the length of its array.
static void counts(void) {
  enum { GUARD = 3 };
  static const unsigned before[] = {0, 1, 7, 0x7fffffff, 0xffffffff, 0xdeadbeef};
  begin("a count is only written, whatever stood there, and arrays get no more than there is");
  const nvmlDevice_t device = empty_gpu(0);
  const unsigned profile = profile_id(device, SLOT_1G);
  nvmlGpuInstance_t made[2];
  for (unsigned i = 0; i < 2; i++) made[i] = create_gpu_instance(device, SLOT_1G);
  const nvmlComputeInstance_t compute = create_compute_instance(made[0], 0);
  for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
    nvmlGpuInstance_t instances[GUARD];
    nvmlComputeInstance_t computes[2];
    memset(instances, 0xa5, sizeof instances);
    memset(computes, 0xa5, sizeof computes);
    const nvmlGpuInstance_t untouched = instances[2];
    const nvmlComputeInstance_t also = computes[1];
    unsigned count = before[i];
    about("with %08x in the count", before[i]);
    RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstances(device, profile, instances, &count));
    expect(count == 2 && instances[2] == untouched, "2 instances, not %u", count);
    expect((instances[0] == made[0] && instances[1] == made[1]) ||
               (instances[0] == made[1] && instances[1] == made[0]),
           "the two that were made");
    count = before[i];
    RETURNS(NVML_SUCCESS, nvmlGpuInstanceGetComputeInstances(made[0], 0, computes, &count));
    expect(count == 1 && computes[0] == compute && computes[1] == also, "1 compute instance, not %u",
           count);
    count = before[i];
    RETURNS(NVML_SUCCESS, nvmlGpuInstanceGetComputeInstances(made[1], 0, computes, &count));
    expect(count == 0, "no compute instance, not %u", count);
    Placement places[MANY];
    unsigned placements = 0;
    if (nvmlDeviceGetGpuInstancePossiblePlacements_v2 != NULL) {
      RETURNS(NVML_SUCCESS,
              nvmlDeviceGetGpuInstancePossiblePlacements_v2(device, profile, NULL, &placements));
      count = before[i];
      RETURNS(NVML_SUCCESS,
              nvmlDeviceGetGpuInstancePossiblePlacements_v2(device, profile, places, &count));
      expect(count == placements, "%u placements, not %u", placements, count);
    }
  }
  end();
}

// The profile that -lcip marks with an asterisk.
static unsigned default_profile(nvmlGpuInstance_t instance, unsigned slices) {
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    ComputeProfile profile;
    if (nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, slot, 0, &profile) == NVML_SUCCESS &&
        profile.sliceCount == slices) {
      return profile.id;
    }
  }
  expect(false, "a compute profile has %u slices", slices);
  return ~0u;
}

static void default_compute_instances(void) {
  begin("the compute profile with the GPU instance's slices fills it and has its multiprocessors");
  const nvmlDevice_t device = empty_gpu(0);
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    GpuProfile profile;
    if (!profile_at(device, slot, &profile)) continue;
    about("in profile %u", profile.id);
    const nvmlGpuInstance_t instance = create_gpu_instance(device, slot);
    const unsigned wanted = default_profile(instance, profile.sliceCount);
    const nvmlComputeInstance_t compute = create_compute_instance(instance, wanted);
    ComputeInstanceInfo info;
    RETURNS(NVML_SUCCESS, nvmlComputeInstanceGetInfo_v2(compute, &info));
    expect(info.gpuInstance == instance && info.id == 0 && info.profileId == wanted,
           "what compute instance %u is", info.id);
    nvmlDevice_t mig[MANY];
    Attributes attributes = {0};
    expect(mig_devices(device, mig) == 1, "it is a MIG device");
    RETURNS(NVML_SUCCESS, nvmlDeviceGetAttributes_v2(mig[0], &attributes));
    expect(attributes.multiprocessorCount == profile.multiprocessorCount, "%u multiprocessors of %u",
           attributes.multiprocessorCount, profile.multiprocessorCount);
    expect(attributes.gpuInstanceSliceCount == profile.sliceCount &&
               attributes.computeInstanceSliceCount == profile.sliceCount &&
               attributes.memorySizeMB == profile.memorySizeMB,
           "the attributes of profile %u", profile.id);
    for (unsigned other = 0; other < MANY_SLOTS; other++) {
      ComputeProfile more;
      unsigned left = ~0u;
      if (nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, other, 0, &more) != NVML_SUCCESS) {
        continue;
      }
      RETURNS(NVML_SUCCESS,
              nvmlGpuInstanceGetComputeInstanceRemainingCapacity(instance, more.id, &left));
      expect(left == 0, "%u more of compute profile %u", left, more.id);
      nvmlComputeInstance_t refused = NULL;
      RETURNS(NVML_ERROR_INSUFFICIENT_RESOURCES,
              nvmlGpuInstanceCreateComputeInstance(instance, more.id, &refused));
      expect(refused == NULL, "what was refused is not written");
    }
    RETURNS(NVML_ERROR_IN_USE, nvmlGpuInstanceDestroy(instance));
    RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(compute));
    RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(instance));
  }
  end();
}

static void refusals(void) {
  begin("what does not fit, is not there or is not on is refused by the code clients expect");
  const nvmlDevice_t device = empty_gpu(0), off = whole_gpu(1);
  const unsigned whole = profile_id(device, largest_slot(device)), small = profile_id(device, SLOT_1G);
  nvmlGpuInstance_t made = create_gpu_instance(device, SLOT_1G), refused = NULL;
  RETURNS(NVML_ERROR_INSUFFICIENT_RESOURCES, nvmlDeviceCreateGpuInstance(device, whole, &refused));
  RETURNS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceCreateGpuInstance(device, 999, &refused));
  RETURNS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceCreateGpuInstance(off, small, &refused));
  RETURNS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetGpuInstanceById(off, 1, &refused));
  if (nvmlDeviceCreateGpuInstanceWithPlacement != NULL) {
    const Placement taken = gpu_instance_info(made).placement, nowhere = {100, 1}, wide = {0, 2};
    RETURNS(NVML_ERROR_INSUFFICIENT_RESOURCES,
            nvmlDeviceCreateGpuInstanceWithPlacement(device, small, &taken, &refused));
    RETURNS(NVML_ERROR_INVALID_ARGUMENT,
            nvmlDeviceCreateGpuInstanceWithPlacement(device, small, &nowhere, &refused));
    RETURNS(NVML_ERROR_INVALID_ARGUMENT,
            nvmlDeviceCreateGpuInstanceWithPlacement(device, small, &wide, &refused));
  }
  expect(refused == NULL, "what was refused is not written");
  // Beside the GPU that is partitioned, the other one says 0, not an error.
  unsigned left = ~0u, maximum = ~0u;
  RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceRemainingCapacity(off, small, &left));
  expect(left == 0, "%u left with MIG off", left);
  RETURNS(NVML_SUCCESS, nvmlDeviceGetMaxMigDeviceCount(off, &maximum));
  expect(maximum == 0, "%u MIG devices at most with MIG off", maximum);
  int activation = 0;
  RETURNS(NVML_ERROR_IN_USE, nvmlDeviceSetMigMode(device, 0, &activation));
  RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(made));
  end();
}

void instances_suite(void) {
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  fresh_instances();
  counts();
  default_compute_instances();
  refusals();
  RETURNS(NVML_SUCCESS, nvmlShutdown());
}
