// Every function that clients of drivers 450 to 550 were seen to call on a device, and what it has to
// answer where: on a GPU with MIG off, on one with MIG on, on a MIG device.
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "suites.h"

// WORKS: it must succeed, or a verb of nvidia-smi breaks or shows nothing for a board that has it.
// REFUSED: NVML's own documentation has it for the other kind of handle only.
// NOT_THERE: NOT_SUPPORTED, by which clients know that MIG mode has taken it away.
// EITHER: it works or is NOT_SUPPORTED; nothing is known to hang on it.
typedef enum { WORKS, REFUSED, NOT_THERE, EITHER } Wanted;

// What the parameters after the handle are.
typedef enum { ONE, TWO, FOUR, TEXT, STRUCT, OF_KIND, ECC_TOTAL, ECC_COUNTER, LIST } Shape;

static const struct {
  const char *name;
  Shape shape;
  // The kind asked for; the size of a text's buffer as headers have it, or of a struct.
  unsigned argument;
  unsigned version;
  Wanted off, on, mig;
} functions[] = {
    {"nvmlDeviceGetIndex", ONE, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetName", TEXT, 96, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetUUID", TEXT, 96, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceIsMigDeviceHandle", ONE, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetMemoryInfo", STRUCT, 24, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetMemoryInfo_v2", STRUCT, 40, MEMORY_V2, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetBAR1MemoryInfo", STRUCT, 24, 0, WORKS, WORKS, WORKS},
    // The uncorrected volatile errors of an instance's SRAM: the last column of the MIG table.
    {"nvmlDeviceGetMemoryErrorCounter", ECC_COUNTER, 7, 0, WORKS, NOT_THERE, WORKS},
    {"nvmlDeviceGetComputeMode", ONE, 0, 0, WORKS, WORKS, EITHER},

    {"nvmlDeviceGetGpuInstanceId", ONE, 0, 0, REFUSED, REFUSED, WORKS},
    {"nvmlDeviceGetComputeInstanceId", ONE, 0, 0, REFUSED, REFUSED, WORKS},
    {"nvmlDeviceGetAttributes_v2", STRUCT, 40, 0, REFUSED, REFUSED, WORKS},

    {"nvmlDeviceGetMigMode", TWO, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetMaxMigDeviceCount", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPciInfo_v3", STRUCT, 68, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPciInfoExt", STRUCT, 64, PCI_INFO_EXT_V1, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetMinorNumber", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetSerial", TEXT, 30, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetBrand", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetArchitecture", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetCudaComputeCapability", TWO, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetBoardId", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetBoardPartNumber", TEXT, 80, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetMultiGpuBoard", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetVbiosVersion", TEXT, 32, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetVirtualizationMode", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPersistenceMode", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetDisplayMode", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetDisplayActive", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetEccMode", TWO, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetTotalEccErrors", ECC_TOTAL, 0, 0, WORKS, EITHER, REFUSED},

    {"nvmlDeviceGetTemperature", OF_KIND, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetTemperatureThreshold", OF_KIND, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetTemperatureThreshold", OF_KIND, 1, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPerformanceState", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPowerState", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPowerUsage", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPowerManagementMode", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPowerManagementLimit", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPowerManagementDefaultLimit", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetPowerManagementLimitConstraints", TWO, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetEnforcedPowerLimit", ONE, 0, 0, WORKS, WORKS, REFUSED},
    // Graphics, SM, memory and video clock.
    {"nvmlDeviceGetClockInfo", OF_KIND, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetClockInfo", OF_KIND, 1, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetClockInfo", OF_KIND, 2, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetClockInfo", OF_KIND, 3, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetMaxClockInfo", OF_KIND, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetMaxClockInfo", OF_KIND, 1, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetMaxClockInfo", OF_KIND, 2, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetMaxClockInfo", OF_KIND, 3, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetCurrPcieLinkGeneration", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetMaxPcieLinkGeneration", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetGpuMaxPcieLinkGeneration", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetCurrPcieLinkWidth", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetMaxPcieLinkWidth", ONE, 0, 0, WORKS, WORKS, REFUSED},
    {"nvmlDeviceGetFanSpeed", ONE, 0, 0, EITHER, EITHER, REFUSED},
    {"nvmlDeviceGetPcieThroughput", OF_KIND, 0, 0, EITHER, EITHER, REFUSED},
    {"nvmlDeviceGetRemappedRows", FOUR, 0, 0, EITHER, NOT_THERE, NOT_THERE},
    // The GPU's share of time says nothing once it is shared out.
    {"nvmlDeviceGetUtilizationRates", STRUCT, 8, 0, WORKS, NOT_THERE, NOT_THERE},
    {"nvmlDeviceGetEncoderUtilization", TWO, 0, 0, EITHER, NOT_THERE, NOT_THERE},
    {"nvmlDeviceGetDecoderUtilization", TWO, 0, 0, EITHER, NOT_THERE, NOT_THERE},
    {"nvmlDeviceGetJpgUtilization", TWO, 0, 0, EITHER, NOT_THERE, NOT_THERE},
    {"nvmlDeviceGetOfaUtilization", TWO, 0, 0, EITHER, NOT_THERE, NOT_THERE},

    {"nvmlDeviceGetComputeRunningProcesses", LIST, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetComputeRunningProcesses_v2", LIST, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetComputeRunningProcesses_v3", LIST, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetGraphicsRunningProcesses", LIST, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetGraphicsRunningProcesses_v2", LIST, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetGraphicsRunningProcesses_v3", LIST, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetMPSComputeRunningProcesses", LIST, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v2", LIST, 0, 0, WORKS, WORKS, WORKS},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v3", LIST, 0, 0, WORKS, WORKS, WORKS},
};

enum { ROOM = 256, UNTOUCHED = 0xa5 };

typedef struct {
  unsigned char first[ROOM], second[ROOM], third[ROOM], fourth[ROOM];
} Answer;

static int ask(unsigned i, nvmlDevice_t device, Answer *answer) {
  union {
    void *found;
    int (*one)(nvmlDevice_t, void *);
    int (*two)(nvmlDevice_t, void *, void *);
    int (*four)(nvmlDevice_t, void *, void *, void *, void *);
    int (*text)(nvmlDevice_t, void *, unsigned);
    int (*of_kind)(nvmlDevice_t, int, void *);
    int (*total)(nvmlDevice_t, int, int, void *);
    int (*counter)(nvmlDevice_t, int, int, int, void *);
  } it = {.found = symbol(functions[i].name)};
  const unsigned argument = functions[i].argument;
  memset(answer, UNTOUCHED, sizeof *answer);
  if (functions[i].version != 0) memcpy(answer->first, &functions[i].version, sizeof(unsigned));
  enum { UNCORRECTED = 1, VOLATILE = 0 };
  switch (functions[i].shape) {
    case ONE:
    case STRUCT:
      return it.one(device, answer->first);
    case TWO:
      return it.two(device, answer->first, answer->second);
    case FOUR:
      return it.four(device, answer->first, answer->second, answer->third, answer->fourth);
    case TEXT:
      return it.text(device, answer->first, argument);
    case OF_KIND:
      return it.of_kind(device, (int)argument, answer->first);
    case LIST:
      // No room, and nobody to list: asked so, NVML says how many there are.
      memset(answer->first, 0, sizeof(unsigned));
      return it.two(device, answer->first, NULL);
    case ECC_TOTAL:
      return it.total(device, UNCORRECTED, VOLATILE, answer->first);
    case ECC_COUNTER:
      return it.counter(device, UNCORRECTED, VOLATILE, (int)argument, answer->first);
  }
  return NVML_ERROR_UNKNOWN;
}

static unsigned size_of(unsigned i) {
  const Shape shape = functions[i].shape;
  return shape == STRUCT || shape == TEXT              ? functions[i].argument
         : shape == ECC_TOTAL || shape == ECC_COUNTER ? sizeof(unsigned long long)
                                                       : sizeof(unsigned);
}

static bool is_untouched(const unsigned char *bytes, unsigned from) {
  for (unsigned i = from; i < ROOM; i++) {
    if (bytes[i] != UNTOUCHED) return false;
  }
  return true;
}

static void answers(nvmlDevice_t device, const char *where, size_t column) {
  for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++) {
    const char *const name = functions[i].name;
    const Wanted wanted = (const Wanted[]){functions[i].off, functions[i].on, functions[i].mig}[column];
    Answer answer;
    if (symbol(name) == NULL) continue;  // symbols.c knows which has to be there
    about("%s on %s", name, where);
    const int code = ask(i, device, &answer);
    const bool refused = code == NVML_ERROR_NOT_SUPPORTED || code == NVML_ERROR_INVALID_ARGUMENT;
    switch (wanted) {
      case WORKS:
        expect(code == NVML_SUCCESS, "%s(%u) works on %s: %d", name, functions[i].argument, where, code);
        break;
      case REFUSED:
        expect(refused, "%s is not for %s: %d", name, where, code);
        break;
      case NOT_THERE:
        expect(code == NVML_ERROR_NOT_SUPPORTED, "%s is NOT_SUPPORTED on %s: %d", name, where, code);
        break;
      case EITHER:
        expect(code == NVML_SUCCESS || refused, "%s on %s: %d", name, where, code);
        break;
    }
    const unsigned written = code == NVML_SUCCESS ? size_of(i) : 0;
    const unsigned given =
        functions[i].version != 0 || functions[i].shape == LIST ? sizeof(unsigned) : 0;
    expect(is_untouched(answer.first, written > given ? written : given), "%s writes past its %u bytes",
           name, written);
    const bool says = functions[i].shape == LIST || !is_untouched(answer.first, given);
    expect(code != NVML_SUCCESS || says, "%s says something", name);
  }
}

// nvidia-smi does not look at the call's result, only at each entry's: one that is not written shows
// invented watts.
static void field_values(nvmlDevice_t device) {
  static const unsigned fields[] = {82, 95, 185, 186, 187, 188, 189, 190, 192, 193, 194, 195, 196, 226, 227};
  enum { FIELDS = sizeof fields / sizeof *fields, NOT_WRITTEN = 12345 };
  for (unsigned scope = 0; scope <= 2; scope++) {
    FieldValue values[FIELDS];
    memset(values, UNTOUCHED, sizeof values);
    for (unsigned i = 0; i < FIELDS; i++) {
      values[i].fieldId = fields[i];
      values[i].scopeId = scope;
      values[i].nvmlReturn = NOT_WRITTEN;
    }
    RETURNS(NVML_SUCCESS, nvmlDeviceGetFieldValues(device, FIELDS, values));
    for (unsigned i = 0; i < FIELDS; i++) {
      expect(values[i].nvmlReturn != NOT_WRITTEN, "field %u is written", fields[i]);
      expect(values[i].fieldId == fields[i] && values[i].scopeId == scope, "field %u stays itself",
             fields[i]);
      if (values[i].nvmlReturn == NVML_SUCCESS) {
        expect(values[i].valueType <= 6, "field %u has type %u", fields[i], values[i].valueType);
      }
    }
  }
}

static void event_sets(void) {
  nvmlEventSet_t set = NULL;
  RETURNS(NVML_SUCCESS, nvmlEventSetCreate(&set));
  expect(set != NULL, "there is a set");
  RETURNS(NVML_SUCCESS, nvmlEventSetFree(set));
}

static unsigned number(const char *name, nvmlDevice_t device, unsigned kind) {
  for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++) {
    Answer answer;
    unsigned value;
    if (strcmp(functions[i].name, name) != 0 || functions[i].argument != kind) continue;
    expect(ask(i, device, &answer) == NVML_SUCCESS, "%s works", name);
    memcpy(&value, answer.first, sizeof value);
    return value;
  }
  expect(false, "%s is in the table", name);
  return 0;
}

// What a monitoring client takes for granted: units, and readings within their limits.
static void readings(nvmlDevice_t device) {
  const unsigned limit = number("nvmlDeviceGetEnforcedPowerLimit", device, 0);
  const unsigned power = number("nvmlDeviceGetPowerUsage", device, 0);
  expect(power >= 10000 && power <= limit && limit <= 2000000, "%u of %u mW", power, limit);
  const unsigned celsius = number("nvmlDeviceGetTemperature", device, 0);
  const unsigned shutdown = number("nvmlDeviceGetTemperatureThreshold", device, 0);
  const unsigned slowdown = number("nvmlDeviceGetTemperatureThreshold", device, 1);
  expect(celsius >= 10 && celsius < slowdown && slowdown <= shutdown && shutdown < 150,
         "%u of %u and %u degrees", celsius, slowdown, shutdown);
  for (unsigned clock = 0; clock < 4; clock++) {
    const unsigned now = number("nvmlDeviceGetClockInfo", device, clock);
    const unsigned most = number("nvmlDeviceGetMaxClockInfo", device, clock);
    expect(now > 0 && now <= most && most < 20000, "clock %u: %u of %u MHz", clock, now, most);
  }
  const unsigned width = number("nvmlDeviceGetCurrPcieLinkWidth", device, 0);
  expect(width <= number("nvmlDeviceGetMaxPcieLinkWidth", device, 0) && width <= 16, "%u lanes", width);
  expect(number("nvmlDeviceGetCurrPcieLinkGeneration", device, 0) <=
             number("nvmlDeviceGetMaxPcieLinkGeneration", device, 0),
         "PCIe generation");
  expect(number("nvmlDeviceGetPerformanceState", device, 0) <= 15, "performance state");
  expect(number("nvmlDeviceGetMinorNumber", device, 0) == number("nvmlDeviceGetIndex", device, 0),
         "minor numbers follow the indices");
}

void answered_suite(void) {
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  const nvmlDevice_t off = whole_gpu(1);
  begin("with MIG off a GPU answers every call that clients make");
  answers(off, "a GPU with MIG off", 0);
  field_values(off);
  event_sets();
  end();
  begin("and what it reads is within its limits");
  readings(off);
  end();

  begin("with MIG on it answers all but what MIG mode takes away");
  const nvmlDevice_t on = empty_gpu(0);
  create_compute_instance(create_gpu_instance(on, SLOT_2G), 0);
  answers(on, "a GPU with MIG on", 1);
  field_values(on);
  readings(on);
  end();

  begin("a MIG device answers what it can, and refuses what is the board's");
  nvmlDevice_t mig[MANY];
  if (expect(mig_devices(on, mig) == 1, "one MIG device")) answers(mig[0], "a MIG device", 2);
  destroy_all(on);
  end();
  RETURNS(NVML_SUCCESS, nvmlShutdown());
}
