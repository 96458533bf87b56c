// Profiles as clients enumerate them: by slot, up to a count of their own that need not be the
// driver's.
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "suites.h"

// What past and present headers have as the number of slots. nvidia-smi 550 probes 10 and 8.
enum { NVIDIA_SMI_GPU_SLOTS = 10, NVIDIA_SMI_COMPUTE_SLOTS = 8, NEWEST_COUNT = 18 };

static bool is_skipped(int code) {
  return code == NVML_ERROR_NOT_SUPPORTED || code == NVML_ERROR_INVALID_ARGUMENT;
}

static void same_gpu_profile(unsigned slot, const GpuProfile *plain, const GpuProfileV2 *v2) {
  const unsigned a[] = {plain->id,           plain->isP2pSupported,      plain->sliceCount,
                        plain->instanceCount, plain->multiprocessorCount, plain->copyEngineCount,
                        plain->decoderCount, plain->encoderCount,        plain->jpegCount,
                        plain->ofaCount};
  const unsigned b[] = {v2->id,           v2->isP2pSupported,      v2->sliceCount,
                        v2->instanceCount, v2->multiprocessorCount, v2->copyEngineCount,
                        v2->decoderCount, v2->encoderCount,        v2->jpegCount,
                        v2->ofaCount};
  expect(memcmp(a, b, sizeof a) == 0 && plain->memorySizeMB == v2->memorySizeMB,
         "slot %u is the same by both calls", slot);
  expect(strncmp(v2->name, "MIG ", 4) == 0, "slot %u is named \"%s\"", slot, v2->name);
  expect(v2->version == GPU_PROFILE_V2, "the version word stays");
}

static void same_in_v3(nvmlDevice_t device, unsigned slot, const GpuProfileV2 *v2) {
  GpuProfileV3 v3 = {.version = GPU_PROFILE_V3};
  if (!RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceProfileInfoV(device, slot, &v3))) return;
  expect(v3.id == v2->id && v3.sliceCount == v2->sliceCount &&
             v3.instanceCount == v2->instanceCount && v3.ofaCount == v2->ofaCount &&
             v3.memorySizeMB == v2->memorySizeMB && strcmp(v3.name, v2->name) == 0,
         "slot %u in the struct of version 3, whose fields lie elsewhere", slot);
  expect((v3.capabilities & 1) == v2->isP2pSupported, "P2P of slot %u", slot);
}

// go-nvlib works names out of sizes: the instance's eighths of the board, rounded up, of the board's
// whole GiB, rounded to the nearest. Sizes that are not the real ones rename profiles.
static void is_named_by_its_size(nvmlDevice_t device, unsigned slot, const GpuProfileV2 *profile) {
  static const unsigned slices[] = {1, 2, 3, 4, 7, 8, 6, 1, 2, 1, 1, 2, 4, 1, 2, 1, 2, 3};
  static const char *const attributes[] = {"",     "",     "",     "",    "",    "",
                                           "",     "+me",  "+me",  "",    "+gfx", "+gfx",
                                           "+gfx", "-me",  "-me",  "+me.all", "+me.all", "+gfx"};
  Memory memory = {0};
  char name[96];
  RETURNS(NVML_SUCCESS, nvmlDeviceGetMemoryInfo(device, &memory));
  if (slot >= NEWEST_COUNT || memory.total == 0) return;
  const unsigned long long bytes = profile->memorySizeMB << 20;
  const unsigned long long eighths = (8 * bytes + memory.total - 1) / memory.total;
  const unsigned long long whole = (memory.total + (1 << 30) - 1) >> 30;
  snprintf(name, sizeof name, "MIG %ug.%llugb%s", slices[slot], (2 * eighths * whole + 8) / 16,
           attributes[slot]);
  expect(strcmp(name, profile->name) == 0, "%s of %llu MiB would be called %s", profile->name,
         profile->memorySizeMB, name);
}

static void placements_of(nvmlDevice_t device, const GpuProfile *profile) {
  enum { GUARD = 0xa5a5a5a5 };
  unsigned count = GUARD, again = GUARD;
  Placement found[MANY + 1];
  if (nvmlDeviceGetGpuInstancePossiblePlacements_v2 == NULL) return;
  RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstancePossiblePlacements_v2(device, profile->id, NULL, &count));
  if (!expect(count > 0 && count <= MANY, "profile %u has %u placements", profile->id, count)) return;
  for (unsigned i = 0; i <= count; i++) found[i] = (Placement){GUARD, GUARD};
  RETURNS(NVML_SUCCESS,
          nvmlDeviceGetGpuInstancePossiblePlacements_v2(device, profile->id, found, &again));
  expect(again == count, "%u placements, then %u", count, again);
  for (unsigned i = 0; i < count; i++) {
    expect(found[i].size == found[0].size && found[i].start + found[i].size <= MANY,
           "profile %u at %u:%u", profile->id, found[i].start, found[i].size);
    expect(i == 0 || found[i - 1].start < found[i].start, "placements are in order");
  }
  expect(found[count].start == GUARD, "no more than %u placements are written", count);
  expect(profile->instanceCount <= count, "profile %u: %u instances in %u places", profile->id,
         profile->instanceCount, count);
}

static void gpu_slots(nvmlDevice_t device, bool mig) {
  unsigned listed = 0;
  bool past_the_end = false;
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    GpuProfile plain = {0};
    GpuProfileV2 v2 = {.version = GPU_PROFILE_V2};
    const int code = nvmlDeviceGetGpuInstanceProfileInfo(device, slot, &plain);
    expect(code == NVML_SUCCESS || is_skipped(code), "slot %u: code %d", slot, code);
    // nvidia-smi 550 ends at an INVALID_ARGUMENT that its own driver never gives for these.
    if (branch >= 525 && slot < NVIDIA_SMI_GPU_SLOTS) {
      expect(code != NVML_ERROR_INVALID_ARGUMENT, "slot %u is one of the driver's", slot);
    }
    if (code == NVML_ERROR_INVALID_ARGUMENT) past_the_end = true;
    expect(!past_the_end || code == NVML_ERROR_INVALID_ARGUMENT, "slot %u lies past the end", slot);
    if (nvmlDeviceGetGpuInstanceProfileInfoV != NULL) {
      RETURNS(code, nvmlDeviceGetGpuInstanceProfileInfoV(device, slot, &v2));
      if (code == NVML_SUCCESS) {
        same_gpu_profile(slot, &plain, &v2);
        if (branch >= 545) same_in_v3(device, slot, &v2);
        is_named_by_its_size(device, slot, &v2);
      }
    }
    if (code != NVML_SUCCESS) continue;
    listed++;
    unsigned left = ~0u;
    RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceRemainingCapacity(device, plain.id, &left));
    // Beside a GPU with MIG on, -lgip shows one with it off as "0/7": an error there ends the verb.
    expect(left == (mig ? fits_when_empty(plain.instanceCount) : 0), "profile %u: %u of %u left, MIG %s",
           plain.id, left, plain.instanceCount, mig ? "on" : "off");
    placements_of(device, &plain);
  }
  // Before R550 -lgip shows no GPU that has MIG off.
  if (mig || branch >= 550) expect(listed >= 5, "%u profiles", listed);
  else expect(listed == 0, "%u profiles with MIG off", listed);
  expect(past_the_end, "no driver has %d slots", MANY_SLOTS);
}

// The engine profile is 0: there is no other.
static void compute_slots(nvmlGpuInstance_t instance, unsigned slices) {
  unsigned full_size = 0;
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    ComputeProfile plain = {0};
    ComputeProfileV2 v2 = {.version = COMPUTE_PROFILE_V2};
    ComputeProfileV3 v3 = {.v2.version = COMPUTE_PROFILE_V3};
    const int code = nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, slot, 0, &plain);
    expect(code == NVML_SUCCESS || is_skipped(code), "compute slot %u: code %d", slot, code);
    if (branch >= 525 && slot < NVIDIA_SMI_COMPUTE_SLOTS) {
      expect(code != NVML_ERROR_INVALID_ARGUMENT, "compute slot %u is one of the driver's", slot);
    }
    const bool has_v = nvmlGpuInstanceGetComputeInstanceProfileInfoV != NULL;
    if (has_v) RETURNS(code, nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, slot, 0, &v2));
    if (code != NVML_SUCCESS) continue;
    full_size += plain.sliceCount == slices;
    unsigned left = ~0u;
    RETURNS(NVML_SUCCESS,
            nvmlGpuInstanceGetComputeInstanceRemainingCapacity(instance, plain.id, &left));
    expect(left == plain.instanceCount, "compute profile %u: %u of %u left", plain.id, left,
           plain.instanceCount);
    if (!has_v) continue;
    expect(v2.id == plain.id && v2.sliceCount == plain.sliceCount && v2.ofas == plain.ofas &&
               v2.multiprocessorCount == plain.multiprocessorCount,
           "compute slot %u is the same by both calls", slot);
    expect(strncmp(v2.name, "MIG ", 4) == 0, "compute slot %u is named \"%s\"", slot, v2.name);
    if (branch < 545) continue;
    RETURNS(NVML_SUCCESS, nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, slot, 0, &v3));
    expect(v3.v2.id == plain.id && strcmp(v3.v2.name, v2.name) == 0, "compute slot %u in version 3",
           slot);
  }
  // -C makes the compute instance whose profile has as many slices as the GPU instance.
  expect(full_size >= 1, "a compute profile has %u slices", slices);
}

static void compute_profiles(void) {
  begin("compute profiles are enumerated in a GPU instance of every profile");
  const nvmlDevice_t device = empty_gpu(0);
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    GpuProfile profile;
    nvmlGpuInstance_t instance = NULL;
    if (!profile_at(device, slot, &profile)) continue;
    about("in profile %u", profile.id);
    if (RETURNS(NVML_SUCCESS, nvmlDeviceCreateGpuInstance(device, profile.id, &instance))) {
      compute_slots(instance, profile.sliceCount);
      RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(instance));
    }
  }
  end();
}

static bool takes(unsigned version, unsigned good, unsigned newer) {
  return version == good || (newer != 0 && version == newer && branch >= 545);
}

static void versions(void) {
  // Zero, plain numbers, sizes without version, versions without size, neighbours, and the words of
  // other structs.
  static const unsigned words[] = {
      0,          1,          2,          3,          0x98,       0x88,       0x28,
      0x02000000, 0x01000098, 0x02000097, 0x02000099, 0x02000098, 0x03000098, 0x04000098,
      0x01000088, 0x02000088, 0x0300008c, 0x03000088, 0x0400008c, 0x01000028, 0x02000028,
      0x03000028, 0x01000040, 0x02000040, 0x98000002, 0xffffffff};
  // A code that branches before 520 do not have.
  const int refused =
      branch >= 520 ? NVML_ERROR_ARGUMENT_VERSION_MISMATCH : NVML_ERROR_INVALID_ARGUMENT;
  begin("a struct of another version is refused, and not written");
  const nvmlDevice_t device = empty_gpu(0);
  const nvmlGpuInstance_t instance = create_gpu_instance(device, SLOT_1G);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    union {
      unsigned version;
      MemoryV2 memory;
      unsigned char bytes[256];
    } it;
    const unsigned word = words[i];
    about("for version word %08x", word);
#define TRY(good, newer, call)                                                              \
  do {                                                                                      \
    memset(it.bytes, 0x5a, sizeof it.bytes);                                                \
    it.version = word;                                                                      \
    const bool taken = takes(word, good, newer);                                            \
    RETURNS(taken ? NVML_SUCCESS : refused, call);                                          \
    if (!taken) expect(it.bytes[4] == 0x5a && it.bytes[255] == 0x5a, "%08x: " #call, word); \
  } while (0)
    if (nvmlDeviceGetGpuInstanceProfileInfoV != NULL) {
      TRY(GPU_PROFILE_V2, GPU_PROFILE_V3, nvmlDeviceGetGpuInstanceProfileInfoV(device, 0, &it));
      TRY(COMPUTE_PROFILE_V2, COMPUTE_PROFILE_V3,
          nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, 0, 0, &it));
    }
    if (nvmlDeviceGetMemoryInfo_v2 != NULL) {
      TRY(MEMORY_V2, 0, nvmlDeviceGetMemoryInfo_v2(device, &it.memory));
    }
    if (nvmlDeviceGetPciInfoExt != NULL) {
      TRY(PCI_INFO_EXT_V1, 0, nvmlDeviceGetPciInfoExt(device, &it));
    }
#undef TRY
  }
  if (nvmlDeviceGetMemoryInfo_v2 == NULL) {
    expect(branch < 510, "a release from 510 on has versioned structs");
  }
  RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(instance));
  end();
}

void profiles_suite(void) {
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  begin("GPU-instance profiles are enumerated with MIG on");
  gpu_slots(empty_gpu(0), true);
  end();
  begin("and with MIG off, where nothing is left of any");
  const unsigned smallest = profile_id(empty_gpu(0), SLOT_1G);
  gpu_slots(whole_gpu(0), false);
  unsigned left = ~0u;
  RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceRemainingCapacity(gpu(0), smallest, &left));
  expect(left == 0, "%u left with MIG off", left);
  end();
  compute_profiles();
  versions();
  RETURNS(NVML_SUCCESS, nvmlShutdown());
}
