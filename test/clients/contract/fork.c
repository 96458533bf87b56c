// Programs that fork after init: Python's multiprocessing, daemons. The child starts NVML anew; what it
// does then must not disturb its parent, nor the other children.
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "suites.h"

enum { CHILDREN = 4, CHANGES = 150, DEADLINE = 30 };

// The exit status says what went wrong.
static int child(void) {
  alarm(DEADLINE);
  nvmlDevice_t device = NULL;
  // What was inherited is of no use, and no danger.
  (void)nvmlDeviceGetHandleByIndex_v2(0, &device);
  if (nvmlInit_v2() != NVML_SUCCESS) return 1;
  if (nvmlDeviceGetHandleByIndex_v2(0, &device) != NVML_SUCCESS) return 2;
  GpuProfile profile;
  if (!profile_at(device, SLOT_1G, &profile)) return 3;
  for (int i = 0; i < CHANGES; i++) {
    nvmlGpuInstance_t instance;
    const int code = nvmlDeviceCreateGpuInstance(device, profile.id, &instance);
    if (code == NVML_ERROR_INSUFFICIENT_RESOURCES) continue;
    if (code != NVML_SUCCESS) return 4;
    nvmlComputeInstance_t compute;
    if (nvmlGpuInstanceCreateComputeInstance(instance, 0, &compute) != NVML_SUCCESS) return 5;
    if (nvmlComputeInstanceDestroy(compute) != NVML_SUCCESS) return 6;
    if (nvmlGpuInstanceDestroy(instance) != NVML_SUCCESS) return 7;
  }
  return nvmlShutdown() == NVML_SUCCESS ? 0 : 8;
}

void fork_suite(void) {
  begin("children forked after init start NVML anew and change the same GPU beside each other");
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  const nvmlDevice_t device = empty_gpu(0);
  const nvmlGpuInstance_t mine = create_gpu_instance(device, SLOT_2G);
  pid_t children[CHILDREN];
  for (int i = 0; i < CHILDREN; i++) {
    children[i] = fork();
    if (children[i] == 0) _exit(child());
    expect(children[i] > 0, "a child is forked");
  }
  // The parent goes on with what it had.
  for (int i = 0; i < CHANGES; i++) {
    const nvmlComputeInstance_t compute = create_compute_instance(mine, 0);
    RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(compute));
  }
  for (int i = 0; i < CHILDREN; i++) {
    int status = -1;
    expect(waitpid(children[i], &status, 0) == children[i], "child %d ends", i);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d ended with %#x", i, status);
  }
  unsigned left = 0;
  GpuProfile profile;
  RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(mine));
  expect(profile_at(device, SLOT_1G, &profile), "the profile they used");
  RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceRemainingCapacity(device, profile.id, &left));
  expect(left == fits_when_empty(profile.instanceCount), "nothing is left over: %u of %u", left,
         profile.instanceCount);
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  end();
}
