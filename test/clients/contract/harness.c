#include "harness.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *library;
unsigned branch;

#define DEFINE(ret, name, args) ret(*name) args;
NVML_FUNCTIONS(DEFINE)

static const char *sentence;
static char doing[256];
static unsigned count, failed, expectations, unmet;
enum { SHOWN = 20 };

// A crash or an endless call is told with what was called.
static void ended_by(int signal_number) {
  char text[320];
  const int length = snprintf(text, sizeof text, "# signal %d in \"%s\": %s\n", signal_number,
                              sentence ? sentence : "", doing);
  if (write(STDOUT_FILENO, text, (size_t)length) < 0) _exit(1);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void *symbol(const char *name) { return dlsym(library, name); }

void load(void) {
  const int told[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
  for (size_t i = 0; i < sizeof told / sizeof *told; i++) signal(told[i], ended_by);
  setvbuf(stdout, NULL, _IOLBF, 0);
  library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    printf("Bail out! %s\n", dlerror());
    exit(1);
  }
#define LOOK_UP(ret, name, args)         \
  {                                      \
    void *const found = symbol(#name);   \
    memcpy(&name, &found, sizeof found); \
  }
  NVML_FUNCTIONS(LOOK_UP)
  char version[80] = "";
  if (nvmlInit_v2() != NVML_SUCCESS ||
      nvmlSystemGetDriverVersion(version, sizeof version) != NVML_SUCCESS) {
    printf("Bail out! NVML does not start\n");
    exit(1);
  }
  branch = (unsigned)atoi(version);
  nvmlShutdown();
}

void begin(const char *name) {
  sentence = name;
  doing[0] = '\0';
}

static bool count_expectation(bool held) {
  expectations++;
  if (!held) unmet++;
  return held || unmet > SHOWN;
}

bool expect(bool held, const char *format, ...) {
  if (count_expectation(held)) return held;
  va_list values;
  va_start(values, format);
  printf("# not so: ");
  vprintf(format, values);
  printf("\n");
  va_end(values);
  return false;
}

bool returns(int wanted, int got, const char *call) {
  const bool held = got == wanted;
  if (!count_expectation(held)) printf("# %s returned %d instead of %d %s\n", call, got, wanted, doing);
  return held;
}

void about(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(doing, sizeof doing, format, values);
  va_end(values);
}

void end(void) {
  count++;
  // A sentence without an expectation says nothing.
  const bool held = unmet == 0 && expectations != 0;
  if (!held) failed++;
  if (unmet > SHOWN) printf("# and %u more\n", unmet - SHOWN);
  printf("%s %u - %s (%u)\n", held ? "ok" : "not ok", count, sentence, expectations);
  expectations = unmet = 0;
}

int finish(void) {
  if (expectations != 0) {
    begin("NVML is left as it was found");
    end();
  }
  printf("1..%u\n", count);
  return failed == 0 ? 0 : 1;
}

unsigned long long random_bits(void) {
  // splitmix64
  static unsigned long long state = 20240613;
  unsigned long long z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

unsigned fits_when_empty(unsigned most) {
  const bool counted = branch >= 515 || (branch >= 455 && branch < 465);
  return counted ? most : 0;
}

nvmlDevice_t gpu(unsigned index) {
  nvmlDevice_t device = NULL;
  RETURNS(NVML_SUCCESS, nvmlDeviceGetHandleByIndex_v2(index, &device));
  return device;
}

void set_mig(nvmlDevice_t device, unsigned mode) {
  int activation = -1;
  unsigned current = 7, pending = 7;
  RETURNS(NVML_SUCCESS, nvmlDeviceSetMigMode(device, mode, &activation));
  expect(activation == NVML_SUCCESS, "the mode takes effect at once, not %d", activation);
  RETURNS(NVML_SUCCESS, nvmlDeviceGetMigMode(device, &current, &pending));
  expect(current == mode && pending == mode, "mode %u, not %u and pending %u", mode, current, pending);
}

nvmlDevice_t whole_gpu(unsigned index) {
  const nvmlDevice_t device = empty_gpu(index);
  set_mig(device, 0);
  return device;
}

void destroy_all(nvmlDevice_t device) {
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    GpuProfile profile;
    nvmlGpuInstance_t instances[MANY];
    unsigned found = 0;
    if (!profile_at(device, slot, &profile)) continue;
    RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstances(device, profile.id, instances, &found));
    for (unsigned i = 0; i < found && i < MANY; i++) {
      for (unsigned id = 0; id < MANY; id++) {
        nvmlComputeInstance_t compute;
        if (nvmlGpuInstanceGetComputeInstanceById(instances[i], id, &compute) == NVML_SUCCESS) {
          RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(compute));
        }
      }
      RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(instances[i]));
    }
  }
}

nvmlDevice_t empty_gpu(unsigned index) {
  const nvmlDevice_t device = gpu(index);
  set_mig(device, 1);
  destroy_all(device);
  return device;
}

bool profile_at(nvmlDevice_t device, unsigned slot, GpuProfile *profile) {
  return nvmlDeviceGetGpuInstanceProfileInfo(device, slot, profile) == NVML_SUCCESS;
}

unsigned profile_id(nvmlDevice_t device, unsigned slot) {
  GpuProfile profile = {.id = ~0u};
  expect(profile_at(device, slot, &profile), "the board has profile slot %u", slot);
  return profile.id;
}

unsigned largest_slot(nvmlDevice_t device) {
  unsigned largest = 0, most = 0;
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    GpuProfile profile;
    if (!profile_at(device, slot, &profile) || profile.sliceCount <= most) continue;
    most = profile.sliceCount;
    largest = slot;
  }
  return largest;
}

nvmlGpuInstance_t create_gpu_instance(nvmlDevice_t device, unsigned slot) {
  nvmlGpuInstance_t instance = NULL;
  RETURNS(NVML_SUCCESS, nvmlDeviceCreateGpuInstance(device, profile_id(device, slot), &instance));
  return instance;
}

GpuInstanceInfo gpu_instance_info(nvmlGpuInstance_t instance) {
  GpuInstanceInfo info = {.id = ~0u};
  RETURNS(NVML_SUCCESS, nvmlGpuInstanceGetInfo(instance, &info));
  return info;
}

nvmlComputeInstance_t create_compute_instance(nvmlGpuInstance_t instance, unsigned profile) {
  nvmlComputeInstance_t compute = NULL;
  RETURNS(NVML_SUCCESS, nvmlGpuInstanceCreateComputeInstance(instance, profile, &compute));
  return compute;
}

// As nvidia-smi and go-nvlib walk: every index below the maximum, past those that are not there.
unsigned mig_devices(nvmlDevice_t device, nvmlDevice_t *found) {
  unsigned maximum = 0, devices = 0;
  RETURNS(NVML_SUCCESS, nvmlDeviceGetMaxMigDeviceCount(device, &maximum));
  expect(maximum <= MANY, "at most %d MIG devices, not %u", MANY, maximum);
  for (unsigned index = 0; index < maximum && index < MANY; index++) {
    nvmlDevice_t mig = NULL;
    const int code = nvmlDeviceGetMigDeviceHandleByIndex(device, index, &mig);
    expect(code == NVML_SUCCESS || code == NVML_ERROR_NOT_FOUND, "MIG index %u: code %d", index, code);
    if (code == NVML_SUCCESS) found[devices++] = mig;
  }
  return devices;
}
