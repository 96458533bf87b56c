// What the library exports: clients choose their calls by what dlsym finds, so the names have to be
// those of the release, no more and no fewer.
#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "signatures.h"
#include "suites.h"

// What nvidia-smi 470 to 550, pynvml, mig-parted, go-nvlib, nvitop, nvtop and gpustat asked of a
// library between them. {name, the first release with it; 0 for one older than MIG}
static const struct {
  const char *name;
  unsigned since;
} asked[] = {
    {"nvmlInitWithFlags", 0},
    {"nvmlInit_v2", 0},
    {"nvmlInternalGetExportTable", 0},
    {"nvmlShutdown", 0},
    {"nvmlErrorString", 0},
    {"nvmlEventSetCreate", 0},
    {"nvmlEventSetFree", 0},
    {"nvmlSystemGetDriverVersion", 0},
    {"nvmlSystemGetNVMLVersion", 0},
    {"nvmlSystemGetCudaDriverVersion", 0},
    {"nvmlSystemGetCudaDriverVersion_v2", 0},
    {"nvmlDeviceGetCount_v2", 0},
    {"nvmlDeviceGetHandleByIndex_v2", 0},
    {"nvmlDeviceGetHandleByUUID", 0},
    {"nvmlDeviceGetHandleByPciBusId_v2", 0},
    {"nvmlDeviceGetIndex", 0},
    {"nvmlDeviceGetName", 0},
    {"nvmlDeviceGetUUID", 0},
    {"nvmlDeviceGetPciInfo_v3", 0},
    {"nvmlDeviceGetPciInfoExt", 550},
    {"nvmlDeviceGetMinorNumber", 0},
    {"nvmlDeviceGetSerial", 0},
    {"nvmlDeviceGetBrand", 0},
    {"nvmlDeviceGetArchitecture", 0},
    {"nvmlDeviceGetCudaComputeCapability", 0},
    {"nvmlDeviceGetBoardId", 0},
    {"nvmlDeviceGetBoardPartNumber", 0},
    {"nvmlDeviceGetMultiGpuBoard", 0},
    {"nvmlDeviceGetVbiosVersion", 0},
    {"nvmlDeviceGetVirtualizationMode", 0},
    {"nvmlDeviceGetMemoryInfo", 0},
    {"nvmlDeviceGetMemoryInfo_v2", 510},
    {"nvmlDeviceGetBAR1MemoryInfo", 0},
    {"nvmlDeviceGetFieldValues", 0},
    {"nvmlDeviceGetPersistenceMode", 0},
    {"nvmlDeviceGetDisplayMode", 0},
    {"nvmlDeviceGetDisplayActive", 0},
    {"nvmlDeviceGetComputeMode", 0},
    {"nvmlDeviceGetEccMode", 0},
    {"nvmlDeviceGetTotalEccErrors", 0},
    {"nvmlDeviceGetMemoryErrorCounter", 0},
    {"nvmlDeviceGetTemperature", 0},
    {"nvmlDeviceGetTemperatureThreshold", 0},
    {"nvmlDeviceGetPerformanceState", 0},
    {"nvmlDeviceGetPowerState", 0},
    {"nvmlDeviceGetPowerUsage", 0},
    {"nvmlDeviceGetPowerManagementMode", 0},
    {"nvmlDeviceGetPowerManagementLimit", 0},
    {"nvmlDeviceGetPowerManagementDefaultLimit", 0},
    {"nvmlDeviceGetPowerManagementLimitConstraints", 0},
    {"nvmlDeviceGetEnforcedPowerLimit", 0},
    {"nvmlDeviceGetClockInfo", 0},
    {"nvmlDeviceGetMaxClockInfo", 0},
    {"nvmlDeviceGetUtilizationRates", 0},
    {"nvmlDeviceGetCurrPcieLinkGeneration", 0},
    {"nvmlDeviceGetMaxPcieLinkGeneration", 0},
    {"nvmlDeviceGetGpuMaxPcieLinkGeneration", 525},
    {"nvmlDeviceGetCurrPcieLinkWidth", 0},
    {"nvmlDeviceGetMaxPcieLinkWidth", 0},
    {"nvmlDeviceGetMigMode", 0},
    {"nvmlDeviceSetMigMode", 0},
    {"nvmlDeviceGetGpuInstanceProfileInfo", 0},
    {"nvmlDeviceGetGpuInstanceProfileInfoV", 510},
    {"nvmlDeviceGetGpuInstancePossiblePlacements_v2", 470},
    {"nvmlDeviceGetGpuInstanceRemainingCapacity", 0},
    {"nvmlDeviceCreateGpuInstance", 0},
    {"nvmlDeviceCreateGpuInstanceWithPlacement", 460},
    {"nvmlGpuInstanceDestroy", 0},
    {"nvmlDeviceGetGpuInstances", 0},
    {"nvmlDeviceGetGpuInstanceById", 0},
    {"nvmlGpuInstanceGetInfo", 0},
    {"nvmlGpuInstanceGetComputeInstanceProfileInfo", 0},
    {"nvmlGpuInstanceGetComputeInstanceProfileInfoV", 510},
    {"nvmlGpuInstanceGetComputeInstanceRemainingCapacity", 0},
    {"nvmlGpuInstanceGetComputeInstancePossiblePlacements", 525},
    {"nvmlGpuInstanceCreateComputeInstance", 0},
    {"nvmlGpuInstanceCreateComputeInstanceWithPlacement", 525},
    {"nvmlComputeInstanceDestroy", 0},
    {"nvmlGpuInstanceGetComputeInstances", 0},
    {"nvmlGpuInstanceGetComputeInstanceById", 0},
    {"nvmlComputeInstanceGetInfo_v2", 0},
    {"nvmlDeviceIsMigDeviceHandle", 0},
    {"nvmlDeviceGetGpuInstanceId", 0},
    {"nvmlDeviceGetComputeInstanceId", 0},
    {"nvmlDeviceGetMaxMigDeviceCount", 0},
    {"nvmlDeviceGetMigDeviceHandleByIndex", 0},
    {"nvmlDeviceGetDeviceHandleFromMigDeviceHandle", 0},
    {"nvmlDeviceGetAttributes_v2", 0},
};

static const struct link_map *map;

// The value of the n-th entry of a kind in the library's dynamic section; 0 if there is none. The
// loader has made addresses absolute.
static ElfW(Xword) dynamic(ElfW(Sxword) tag, unsigned nth) {
  for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == tag && nth-- == 0) return entry->d_un.d_val;
  }
  return 0;
}

static const char *text_at(ElfW(Xword) offset) {
  return (const char *)dynamic(DT_STRTAB, 0) + offset;
}

// How long the symbol table is follows from the hash table that finds symbols in it.
static unsigned symbol_count(void) {
  const ElfW(Word) *const sysv = (const ElfW(Word) *)dynamic(DT_HASH, 0);
  if (sysv != NULL) return sysv[1];
  const ElfW(Word) *const gnu = (const ElfW(Word) *)dynamic(DT_GNU_HASH, 0);
  if (!expect(gnu != NULL, "the library has a hash table")) return 0;
  const ElfW(Word) bucket_count = gnu[0], first = gnu[1], bloom_words = gnu[2];
  const ElfW(Word) *const buckets = gnu + 4 + bloom_words * (sizeof(ElfW(Addr)) / sizeof(ElfW(Word)));
  const ElfW(Word) *const chains = buckets + bucket_count;
  ElfW(Word) last = 0;
  for (ElfW(Word) i = 0; i < bucket_count; i++) {
    if (buckets[i] > last) last = buckets[i];
  }
  if (last < first) return first;
  while ((chains[last - first] & 1) == 0) last++;
  return last + 1;
}

enum { MOST_NAMES = 1000 };

static int in_order(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static unsigned exported(const char **names) {
  const ElfW(Sym) *const table = (const ElfW(Sym) *)dynamic(DT_SYMTAB, 0);
  const unsigned count = symbol_count();
  unsigned found = 0;
  for (unsigned i = 0; i < count && found < MOST_NAMES; i++) {
    if (table[i].st_shndx == SHN_UNDEF || ELF64_ST_BIND(table[i].st_info) == STB_LOCAL) continue;
    names[found++] = text_at(table[i].st_name);
  }
  qsort(names, found, sizeof *names, in_order);
  return found;
}

static unsigned expected_in(const char *file, const char **names) {
  FILE *const lines = fopen(file, "r");
  char name[128];
  unsigned count = 0;
  if (!expect(lines != NULL, "%s can be read", file)) return 0;
  while (count < MOST_NAMES && fscanf(lines, "%127s", name) == 1) names[count++] = strdup(name);
  fclose(lines);
  qsort(names, count, sizeof *names, in_order);
  return count;
}

static void names(const char *file) {
  static const char *are[MOST_NAMES], *should[MOST_NAMES];
  begin("it exports the names of its release and no others");
  const unsigned have = exported(are), want = expected_in(file, should);
  unsigned a = 0, s = 0;
  while (a < have || s < want) {
    const int order = a == have ? 1 : s == want ? -1 : strcmp(are[a], should[s]);
    expect(order >= 0, "%s is no name of this release", are[a]);
    expect(order <= 0, "%s is missing", should[s]);
    a += order <= 0;
    s += order >= 0;
  }
  end();
}

static void only_has(const char *name, int wanted) {
  union {
    void *found;
    int (*call)(unsigned long long, unsigned long long, unsigned long long, unsigned long long);
  } it = {.found = symbol(name)};
  about("%s", name);
  const int code =
      it.call(random_bits(), random_bits() >> 40, random_bits(), UINT_MAX - (random_bits() >> 60));
  expect(code == wanted, "%s: %d, not %d", name, code, wanted);
}

static void unanswered(void) {
  static const char *are[MOST_NAMES];
  begin("what it only has says NOT_SUPPORTED and does not look at its arguments");
  const unsigned have = exported(are);
  for (unsigned i = 0; i < have; i++) {
    if (!is_answered(are[i])) only_has(are[i], NVML_ERROR_UNINITIALIZED);
  }
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  for (unsigned i = 0; i < have; i++) {
    if (!is_answered(are[i])) only_has(are[i], NVML_ERROR_NOT_SUPPORTED);
  }
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  end();
}

static void loading(void) {
  begin("to the loader it is libnvidia-ml.so.1, and its symbols have no versions");
  expect(strcmp(text_at(dynamic(DT_SONAME, 0)), "libnvidia-ml.so.1") == 0, "SONAME %s",
         text_at(dynamic(DT_SONAME, 0)));
  expect(dynamic(DT_VERDEF, 0) == 0, "it defines symbol versions");
  end();

  begin("it brings no C++ library into its client");
  for (unsigned i = 0; dynamic(DT_NEEDED, i) != 0; i++) {
    const char *const needed = text_at(dynamic(DT_NEEDED, i));
    expect(strncmp(needed, "libstdc++", 9) != 0 && strncmp(needed, "libgcc_s", 8) != 0, "%s", needed);
  }
  end();
}

void symbols_suite(const char *file) {
  begin("it was found by its name");
  struct link_map *found = NULL;
  const bool known = expect(dlinfo(library, RTLD_DI_LINKMAP, &found) == 0, "the loader knows it");
  end();
  if (!known) return;
  map = found;
  loading();
  begin("what clients ask for is there");
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    if (branch >= asked[i].since) expect(symbol(asked[i].name) != NULL, "%s", asked[i].name);
  }
  end();
  names(file);
  unanswered();
}
