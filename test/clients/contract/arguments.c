// Wrong arguments of every kind, to every function: a code, never a crash, and never SUCCESS for what
// is no handle. The right ones beside them are really right, so that each is looked at.
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "signatures.h"
#include "suites.h"

enum { ROUNDS = 2000, ROOM = 1 << 16 };
static unsigned char *room[MOST_PARAMETERS];

// Live handles of every kind.
static uintptr_t live[KINDS][4];
static unsigned live_count[KINDS];

static void is_live(Kind kind, const void *handle) {
  live[kind][live_count[kind]++] = (uintptr_t)handle;
}

// A turned bit may lead to another one.
static bool is_a_live(Kind kind, uintptr_t value) {
  for (unsigned i = 0; i < live_count[kind]; i++) {
    if (live[kind][i] == value) return true;
  }
  return false;
}

static void populate(void) {
  const nvmlDevice_t device = empty_gpu(0);
  nvmlDevice_t mig[MANY];
  memset(live_count, 0, sizeof live_count);
  const nvmlGpuInstance_t empty = create_gpu_instance(device, SLOT_1G);
  const nvmlGpuInstance_t full = create_gpu_instance(device, SLOT_2G);
  is_live(GPU_INSTANCE, full);
  is_live(GPU_INSTANCE, empty);
  is_live(COMPUTE_INSTANCE, create_compute_instance(full, 0));
  is_live(DEVICE, device);
  is_live(DEVICE, whole_gpu(1));
  if (expect(mig_devices(device, mig) == 1, "one MIG device")) is_live(DEVICE, mig[0]);
  nvmlEventSet_t events = NULL;
  if (nvmlEventSetCreate(&events) == NVML_SUCCESS) is_live(OTHER_HANDLE, events);
}

static bool is_code(int code) { return (code >= 0 && code <= 30) || code == NVML_ERROR_UNKNOWN; }

// The one pointer of each of these that may be NULL: it asks for a count.
static bool may_be_null(const Signature *function, unsigned parameter) {
  const char *const name = function->parameter[parameter];
  return (strcmp(name, "placements") == 0 &&
          strcmp(function->name, "nvmlDeviceGetGpuInstancePossiblePlacements") != 0) ||
         strcmp(name, "infos") == 0;
}

static void good_values(const Signature *function, unsigned device, uintptr_t *values) {
  for (unsigned p = 0; p < function->parameters; p++) {
    const Kind kind = function->kind[p];
    memset(room[p], 0, ROOM);
    values[p] = kind == POINTER       ? (uintptr_t)room[p]
                : kind == NUMBER      ? (strcmp(function->parameter[p], "length") == 0 ? ROOM : 0)
                : kind == DEVICE      ? live[DEVICE][device]
                : live_count[kind] > 0 ? live[kind][0]
                                       : 0;
  }
}

static void null_pointers(void) {
  begin("a null pointer in any place is refused");
  for (unsigned i = 0; i < signature_count; i++) {
    const Signature *const function = &signatures[i];
    for (unsigned device = 0; device < live_count[DEVICE]; device++) {
      for (unsigned p = 0; p < function->parameters; p++) {
        uintptr_t values[MOST_PARAMETERS] = {0};
        if (function->kind[p] == NUMBER) continue;
        good_values(function, device, values);
        values[p] = 0;
        about("%s without its %s", function->name, function->parameter[p]);
        const int code = call(function, values);
        expect(is_code(code), "%s without its %s: %d", function->name, function->parameter[p], code);
        expect(code != NVML_SUCCESS || may_be_null(function, p), "%s takes NULL for its %s",
               function->name, function->parameter[p]);
      }
    }
  }
  end();
}

// The functions that work without init, as far as seen of driver libraries.
static bool works_before_init(const char *name) {
  return (strcmp(name, "nvmlSystemGetNVMLVersion") == 0 && branch >= 535) ||
         strcmp(name, "nvmlInternalGetExportTable") == 0;
}

static void before_init(void) {
  begin("before init every function says UNINITIALIZED, whatever else is wrong");
  for (unsigned i = 0; i < signature_count; i++) {
    const Signature *const function = &signatures[i];
    uintptr_t values[MOST_PARAMETERS] = {0};
    if (works_before_init(function->name)) continue;
    about("%s", function->name);
    expect(call(function, values) == NVML_ERROR_UNINITIALIZED, "%s without arguments", function->name);
    good_values(function, 0, values);
    expect(call(function, values) == NVML_ERROR_UNINITIALIZED, "%s", function->name);
  }
  end();
}

// Kinds of numbers in place of a handle. The last resort, a live handle with one bit turned, comes
// closest.
static uintptr_t no_handle(Kind kind) {
  const uintptr_t bits = random_bits();
  const Kind other = (Kind)(DEVICE + (bits >> 8) % 3);
  switch (bits % 6) {
    case 0:
      return 0;
    case 1:
      return bits >> 59;
    case 2:
      return UINTPTR_MAX - (bits >> 60);
    case 3:
      return bits;
    case 4:
      if (other != kind) return live[other][0];
      return (uintptr_t)room[0];
    default:
      return live_count[kind] > 0 ? live[kind][0] ^ (uintptr_t)1 << (bits >> 8) % 64 : bits;
  }
}

static bool contains(const char *text, const char *part) { return strstr(text, part) != NULL; }

// Numbers that say how much room there is say the truth: no library can check that.
static uintptr_t any_number(const char *name) {
  const unsigned long long bits = random_bits();
  if (contains(name, "imeout")) return 0;
  if (contains(name, "ount") || contains(name, "ength") || contains(name, "ize")) return bits % 64;
  return bits % 3 == 0 ? (unsigned)(bits >> 32) : (unsigned)(bits >> 32) % 24;
}

// Texts start as a UUID or an address that is nearly right.
static void any_content(const char *name, unsigned char *content) {
  static const char *const texts[] = {"GPU-", "MIG-GPU-00000000-0000-0000-0000-000000000000/1/0",
                                      "00000000:07:00.0", "MIG-", ""};
  memset(content, 0, 512);
  if (contains(name, "uuid") || contains(name, "BusId")) {
    const unsigned long long bits = random_bits();
    strcpy((char *)content, texts[bits % (sizeof texts / sizeof *texts)]);
    for (unsigned i = 0; i < (bits >> 8) % 4; i++) {
      const unsigned long long more = random_bits();
      content[more % 64] = (unsigned char)(more >> 8);
    }
    return;
  }
  if (random_bits() % 2 == 0) return;
  for (unsigned i = 0; i < 128; i++) {
    const unsigned long long bits = random_bits();
    memcpy(content + 8 * (i % 64), &bits, sizeof bits);
  }
}

static void try_anything(const Signature *function) {
  bool is_wrong = false;
  uintptr_t values[MOST_PARAMETERS] = {0};
  for (unsigned p = 0; p < function->parameters; p++) {
    const Kind kind = function->kind[p];
    if (kind == NUMBER) {
      values[p] = any_number(function->parameter[p]);
    } else if (kind == POINTER) {
      any_content(function->parameter[p], room[p]);
      values[p] = random_bits() % 16 == 0 ? 0 : (uintptr_t)room[p];
    } else if (live_count[kind] > 0 && random_bits() % 2 == 0) {
      values[p] = live[kind][random_bits() % live_count[kind]];
    } else {
      values[p] = no_handle(kind);
      if (!is_a_live(kind, values[p])) is_wrong = true;
    }
  }
  about("%s(%#lx, %#lx, %#lx, %#lx, %#lx)", function->name, values[0], values[1], values[2], values[3],
        values[4]);
  const int code = call(function, values);
  expect(is_code(code), "%s: code %d", function->name, code);
  expect(!is_wrong || code != NVML_SUCCESS, "%s takes %#lx for a handle", function->name, values[0]);
}

static void anything(void) {
  begin("no handles, wrong handles and numbers at random are refused, or answered in peace");
  for (unsigned i = 0; i < signature_count; i++) {
    const Signature *const function = &signatures[i];
    if (function->parameters == 0) continue;
    populate();
    for (int round = 0; round < ROUNDS; round++) try_anything(function);
    // With it go the event sets that were made.
    RETURNS(NVML_SUCCESS, nvmlShutdown());
    RETURNS(NVML_SUCCESS, nvmlInit_v2());
  }
  end();
}

void arguments_suite(void) {
  for (unsigned p = 0; p < MOST_PARAMETERS; p++) room[p] = calloc(1, ROOM);
  read_signatures();
  before_init();
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  populate();
  null_pointers();
  anything();
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  for (unsigned p = 0; p < MOST_PARAMETERS; p++) free(room[p]);
}
