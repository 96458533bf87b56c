// Handles that outlived what they stood for. Programs keep them; NVML says they are invalid.
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "signatures.h"
#include "suites.h"

static unsigned char room[MOST_PARAMETERS][4096];

// No function takes the handle; every other argument is a good one.
static void is_dead_everywhere(Kind kind, const void *handle, const char *what) {
  for (unsigned i = 0; i < signature_count; i++) {
    const Signature *const function = &signatures[i];
    uintptr_t values[MOST_PARAMETERS] = {0};
    if (!takes_kind(function, kind)) continue;
    memset(room, 0, sizeof room);
    for (unsigned p = 0; p < function->parameters; p++) {
      if (function->kind[p] == POINTER) values[p] = (uintptr_t)room[p];
      if (function->kind[p] == kind) values[p] = (uintptr_t)handle;
      if (strcmp(function->parameter[p], "length") == 0) values[p] = sizeof room[p];
    }
    about("%s with the handle of %s", function->name, what);
    const int code = call(function, values);
    expect(code != NVML_SUCCESS, "%s answers for %s", function->name, what);
  }
}

typedef struct {
  nvmlGpuInstance_t instance;
  nvmlComputeInstance_t compute;
  nvmlDevice_t mig;
  unsigned instance_id, compute_id;
} Kept;

static Kept kept(nvmlDevice_t device, nvmlGpuInstance_t instance, unsigned compute_profile) {
  Kept it = {.instance = instance};
  nvmlDevice_t mig[MANY];
  it.compute = create_compute_instance(instance, compute_profile);
  it.mig = mig_devices(device, mig) > 0 ? mig[0] : NULL;
  it.instance_id = gpu_instance_info(instance).id;
  RETURNS(NVML_SUCCESS, nvmlDeviceGetComputeInstanceId(it.mig, &it.compute_id));
  return it;
}

static void all_dead(const Kept *it, const char *when) {
  char what[96];
  snprintf(what, sizeof what, "a GPU instance %s", when);
  is_dead_everywhere(GPU_INSTANCE, it->instance, what);
  snprintf(what, sizeof what, "a compute instance %s", when);
  is_dead_everywhere(COMPUTE_INSTANCE, it->compute, what);
  snprintf(what, sizeof what, "a MIG device %s", when);
  is_dead_everywhere(DEVICE, it->mig, what);
}

static void destroyed(void) {
  begin("handles of destroyed instances are refused by every function");
  const nvmlDevice_t device = empty_gpu(0);
  const Kept it = kept(device, create_gpu_instance(device, largest_slot(device)), 0);
  RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(it.compute));
  is_dead_everywhere(COMPUTE_INSTANCE, it.compute, "a destroyed compute instance");
  is_dead_everywhere(DEVICE, it.mig, "a destroyed compute instance's MIG device");
  RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(it.instance));
  all_dead(&it, "that was destroyed");
  end();
}

static void replaced(void) {
  begin("and never answer for another instance that got the same ids");
  const nvmlDevice_t device = empty_gpu(0);
  const Kept it = kept(device, create_gpu_instance(device, largest_slot(device)), 0);
  // Another compute instance of that id: larger than the one before.
  RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(it.compute));
  const Kept larger = kept(device, it.instance, 1);
  expect(larger.compute_id == it.compute_id, "the same compute instance id");
  is_dead_everywhere(COMPUTE_INSTANCE, it.compute, "the smaller compute instance");
  is_dead_everywhere(DEVICE, it.mig, "the smaller MIG device");
  // Another GPU instance of that id.
  RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(larger.compute));
  RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(larger.instance));
  const Kept again = kept(device, create_gpu_instance(device, largest_slot(device)), 0);
  expect(again.instance_id == larger.instance_id, "the same GPU instance id");
  all_dead(&larger, "that was made again");
  RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(again.compute));
  RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(again.instance));
  end();
}

static void mode_changed(void) {
  begin("and not after MIG was off; the GPU's own handle goes on working");
  const nvmlDevice_t device = empty_gpu(0);
  const Kept it = kept(device, create_gpu_instance(device, SLOT_1G), 0);
  RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(it.compute));
  RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(it.instance));
  set_mig(device, 0);
  all_dead(&it, "of before MIG was off");
  set_mig(device, 1);
  all_dead(&it, "of before MIG was on again");
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  all_dead(&it, "of before NVML was shut down");
  end();
}

void handles_suite(void) {
  read_signatures();
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  destroyed();
  replaced();
  mode_changed();
  RETURNS(NVML_SUCCESS, nvmlShutdown());
}
