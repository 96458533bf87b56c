// MIG devices: walked by index, named, told apart by UUID.
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "suites.h"

static const char *uuid_of(nvmlDevice_t device, char (*uuid)[96]) {
  RETURNS(NVML_SUCCESS, nvmlDeviceGetUUID(device, *uuid, sizeof *uuid));
  return *uuid;
}

// nvitop stops at the first index without a device, nvidia-smi prints the rows of a GPU instance
// together: indices run from 0 without holes, and instances follow each other whole.
static unsigned walk(nvmlDevice_t device) {
  nvmlDevice_t mig[MANY];
  const unsigned count = mig_devices(device, mig);
  bool over[MANY] = {false};
  unsigned last = ~0u, last_compute = 0;
  for (unsigned i = 0; i < count; i++) {
    unsigned index = ~0u, instance = ~0u, compute = ~0u, is_mig = 0;
    nvmlDevice_t again = NULL, parent = NULL;
    RETURNS(NVML_SUCCESS, nvmlDeviceGetMigDeviceHandleByIndex(device, i, &again));
    expect(again == mig[i], "index %u is taken: no holes", i);
    RETURNS(NVML_SUCCESS, nvmlDeviceGetIndex(mig[i], &index));
    expect(index == i, "index %u calls itself %u", i, index);
    RETURNS(NVML_SUCCESS, nvmlDeviceIsMigDeviceHandle(mig[i], &is_mig));
    expect(is_mig == 1, "it is a MIG device");
    RETURNS(NVML_SUCCESS, nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig[i], &parent));
    expect(parent == device, "it knows its GPU");
    RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceId(mig[i], &instance));
    RETURNS(NVML_SUCCESS, nvmlDeviceGetComputeInstanceId(mig[i], &compute));
    if (!expect(instance < MANY, "GPU instance %u", instance)) continue;
    expect(!over[instance], "the devices of GPU instance %u are neighbours", instance);
    if (last != ~0u && instance != last) over[last] = true;
    expect(last == ~0u || instance > last || (instance == last && compute > last_compute),
           "%u/%u comes after %u/%u", instance, compute, last, last_compute);
    last = instance;
    last_compute = compute;
  }
  nvmlDevice_t none = NULL;
  RETURNS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetMigDeviceHandleByIndex(device, count, &none));
  return count;
}

// 3g with three compute instances, 2g with two, 1g with one, as far as the board has room.
static void fill(nvmlDevice_t device) {
  static const unsigned slots[] = {SLOT_3G, SLOT_2G, SLOT_1G, SLOT_1G};
  destroy_all(device);
  for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
    GpuProfile profile;
    nvmlGpuInstance_t instance;
    if (!profile_at(device, slots[i], &profile) ||
        nvmlDeviceCreateGpuInstance(device, profile.id, &instance) != NVML_SUCCESS) {
      continue;
    }
    nvmlComputeInstance_t compute;
    while (nvmlGpuInstanceCreateComputeInstance(instance, 0, &compute) == NVML_SUCCESS) continue;
  }
}

static void stays_gapless(void) {
  begin("MIG indices have no holes and keep GPU instances together, also after destroys");
  const nvmlDevice_t device = empty_gpu(0);
  for (int round = 0; round < 30; round++) {
    fill(device);
    unsigned count = walk(device);
    expect(count >= 4, "%u MIG devices", count);
    while (count > 0) {
      nvmlDevice_t mig[MANY];
      nvmlGpuInstance_t instance = NULL;
      nvmlComputeInstance_t compute = NULL;
      unsigned gi = 0, ci = 0;
      if (!expect(mig_devices(device, mig) == count, "%u MIG devices", count)) break;
      const nvmlDevice_t victim = mig[random_bits() % count];
      RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceId(victim, &gi));
      RETURNS(NVML_SUCCESS, nvmlDeviceGetComputeInstanceId(victim, &ci));
      RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceById(device, gi, &instance));
      RETURNS(NVML_SUCCESS, nvmlGpuInstanceGetComputeInstanceById(instance, ci, &compute));
      RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(compute));
      count--;
      expect(walk(device) == count, "%u are left", count);
    }
  }
  end();
}

// nvidia-smi -L takes what follows "MIG" for the profile; nvitop and go-nvlib take it apart.
static void names(void) {
  begin("a MIG device is called by its GPU and its profile");
  const nvmlDevice_t device = empty_gpu(0);
  char board[96] = "";
  RETURNS(NVML_SUCCESS, nvmlDeviceGetName(device, board, sizeof board));
  for (unsigned slot = 0; slot < MANY_SLOTS; slot++) {
    GpuProfile profile;
    if (!profile_at(device, slot, &profile)) continue;
    const nvmlGpuInstance_t instance = create_gpu_instance(device, slot);
    for (unsigned compute_slot = 0; compute_slot < MANY_SLOTS; compute_slot++) {
      ComputeProfile part;
      nvmlDevice_t mig[MANY];
      char name[96] = "", wanted[256], slices[8] = "";
      unsigned long long gigabytes = 0;
      int end_of_size = 0;
      if (nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, compute_slot, 0, &part) !=
          NVML_SUCCESS) {
        continue;
      }
      const nvmlComputeInstance_t compute = create_compute_instance(instance, part.id);
      expect(mig_devices(device, mig) == 1, "one MIG device");
      RETURNS(NVML_SUCCESS, nvmlDeviceGetName(mig[0], name, sizeof name));
      if (part.sliceCount != profile.sliceCount) {
        snprintf(slices, sizeof slices, "%uc.", part.sliceCount);
      }
      snprintf(wanted, sizeof wanted, "%s MIG %s%ug.%%llugb%%n", board, slices, profile.sliceCount);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      const int read = sscanf(name, wanted, &gigabytes, &end_of_size);
#pragma GCC diagnostic pop
      expect(read == 1 && end_of_size > 0, "\"%s\" is no name for %s%ug of a %s", name, slices,
             profile.sliceCount, board);
      RETURNS(NVML_SUCCESS, nvmlComputeInstanceDestroy(compute));
    }
    RETURNS(NVML_SUCCESS, nvmlGpuInstanceDestroy(instance));
  }
  end();
}

static void uuids(void) {
  begin("a MIG device is found by its UUID and by its place, and no two share one");
  const nvmlDevice_t device = empty_gpu(0);
  fill(device);
  nvmlDevice_t mig[MANY];
  char seen[MANY][96], parent[96], text[160], uuid[96];
  const unsigned count = mig_devices(device, mig);
  uuid_of(device, &parent);
  expect(strncmp(parent, "GPU-", 4) == 0 && strlen(parent) == 40, "%s", parent);
  nvmlDevice_t found = NULL;
  RETURNS(NVML_SUCCESS, nvmlDeviceGetHandleByUUID(parent, &found));
  expect(found == device, "%s is the GPU", parent);
  for (unsigned i = 0; i < count; i++) {
    unsigned gi = 0, ci = 0;
    uuid_of(mig[i], &seen[i]);
    for (unsigned j = 0; j < i; j++) expect(strcmp(seen[i], seen[j]) != 0, "%s is there twice", seen[i]);
    RETURNS(NVML_SUCCESS, nvmlDeviceGetGpuInstanceId(mig[i], &gi));
    RETURNS(NVML_SUCCESS, nvmlDeviceGetComputeInstanceId(mig[i], &ci));
    snprintf(text, sizeof text, "MIG-%s/%u/%u", parent, gi, ci);
    // Up to R460 that was the UUID; later it is one more way to ask.
    if (branch <= 460) expect(strcmp(text, seen[i]) == 0, "%s is %s", seen[i], text);
    if (branch >= 470) {
      expect(strncmp(seen[i], "MIG-", 4) == 0 && strlen(seen[i]) == 40 && seen[i][18] == '5', "%s",
             seen[i]);
    }
    found = NULL;
    RETURNS(NVML_SUCCESS, nvmlDeviceGetHandleByUUID(seen[i], &found));
    expect(found == mig[i], "%s is device %u", seen[i], i);
    found = NULL;
    RETURNS(NVML_SUCCESS, nvmlDeviceGetHandleByUUID(text, &found));
    expect(found == mig[i], "%s is device %u", text, i);
  }
  // Destroyed and made again in the same way: the same devices to whoever keeps UUIDs.
  fill(device);
  expect(mig_devices(device, mig) == count, "%u devices again", count);
  for (unsigned i = 0; i < count; i++) {
    expect(strcmp(uuid_of(mig[i], &uuid), seen[i]) == 0, "%s was %s", uuid, seen[i]);
  }
  destroy_all(device);
  for (unsigned i = 0; i < count; i++) {
    RETURNS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleByUUID(seen[i], &found));
  }
  RETURNS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByUUID("", &found));
  RETURNS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByUUID("MIG-", &found));
  end();
}

static void memory(void) {
  begin("a MIG device shows its GPU instance's memory, and what a table of devices asks for");
  const nvmlDevice_t device = empty_gpu(0);
  fill(device);
  nvmlDevice_t mig[MANY];
  const unsigned count = mig_devices(device, mig);
  for (unsigned i = 0; i < count; i++) {
    Attributes attributes;
    Memory bytes, bar1;
    RETURNS(NVML_SUCCESS, nvmlDeviceGetAttributes_v2(mig[i], &attributes));
    RETURNS(NVML_SUCCESS, nvmlDeviceGetMemoryInfo(mig[i], &bytes));
    expect(bytes.total == attributes.memorySizeMB << 20 && bytes.free + bytes.used == bytes.total,
           "device %u: %llu bytes of %llu MiB", i, bytes.total, attributes.memorySizeMB);
    RETURNS(NVML_SUCCESS, nvmlDeviceGetBAR1MemoryInfo(mig[i], &bar1));
    expect(bar1.total > 0 && bar1.free + bar1.used == bar1.total, "device %u: BAR1", i);
    if (nvmlDeviceGetMemoryInfo_v2 != NULL) {
      MemoryV2 v2 = {.version = MEMORY_V2};
      RETURNS(NVML_SUCCESS, nvmlDeviceGetMemoryInfo_v2(mig[i], &v2));
      expect(v2.total == bytes.total, "the same total in version 2");
    }
  }
  destroy_all(device);
  end();
}

void mig_devices_suite(void) {
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  stays_gapless();
  names();
  uuids();
  memory();
  RETURNS(NVML_SUCCESS, nvmlShutdown());
}
