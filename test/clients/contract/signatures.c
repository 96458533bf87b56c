#include "signatures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/nvml_abi.h"  // which the list includes, where no declaration can stand

void *symbol(const char *name);

// Names and parameters as they are written in the list; the types are read from there, none is
// needed to compile this.
static const struct {
  const char *name, *result, *parameters;
} listed[] = {
#define NVML_SYMBOL(name, ret, args) {#name, #ret, #args},
#define NVML_CLIENT_SYMBOL(name, ret, args) {#name, #ret, #args},
#include "abi/symbols.h"
};
enum { LISTED = sizeof listed / sizeof *listed };

Signature signatures[LISTED];
unsigned signature_count;

static Kind kind_of(const char *type) {
  if (strchr(type, '*') != NULL) return POINTER;
  if (strstr(type, "nvmlDevice_t") != NULL) return DEVICE;
  if (strstr(type, "nvmlGpuInstance_t") != NULL) return GPU_INSTANCE;
  if (strstr(type, "nvmlComputeInstance_t") != NULL) return COMPUTE_INSTANCE;
  static const char *const opaque[] = {"nvmlEventSet_t", "nvmlUnit_t", "nvmlGpmSample_t"};
  for (size_t i = 0; i < sizeof opaque / sizeof *opaque; i++) {
    if (strstr(type, opaque[i]) != NULL) return OTHER_HANDLE;
  }
  return NUMBER;
}

// "(nvmlDevice_t device, unsigned int* index)"
static void read_parameters(const char *text, Signature *function) {
  char copy[512], *rest = copy;
  snprintf(copy, sizeof copy, "%s", text + 1);
  *strrchr(copy, ')') = '\0';
  if (strcmp(copy, "void") == 0) return;
  for (char *one; (one = strsep(&rest, ",")) != NULL; function->parameters++) {
    if (function->parameters == MOST_PARAMETERS) abort();
    const char *const name = strrchr(one, ' ');
    if (name == NULL) abort();
    snprintf(function->parameter[function->parameters], sizeof *function->parameter, "%s", name + 1);
    function->kind[function->parameters] = kind_of(one);
  }
}

void read_signatures(void) {
  signature_count = 0;
  for (unsigned i = 0; i < LISTED; i++) {
    Signature *const next = &signatures[signature_count];
    memset(next, 0, sizeof *next);
    next->name = listed[i].name;
    if (strcmp(listed[i].result, "nvmlReturn_t") != 0) continue;
    if (strncmp(next->name, "nvmlInit", 8) == 0 && strcmp(next->name, "nvmlInternalGetExportTable")) {
      continue;
    }
    if (strcmp(next->name, "nvmlShutdown") == 0) continue;
    void *const found = symbol(next->name);
    if (found == NULL) continue;
    memcpy(&next->call, &found, sizeof found);
    read_parameters(listed[i].parameters, next);
    signature_count++;
  }
}

bool is_answered(const char *name) {
  for (unsigned i = 0; i < LISTED; i++) {
    if (strcmp(listed[i].name, name) == 0) return true;
  }
  return false;
}

// Arguments that a function does not take are not looked at: on this platform the caller clears
// them away.
int call(const Signature *function, const uintptr_t *values) {
  return function->call(values[0], values[1], values[2], values[3], values[4], values[5]);
}

bool takes_kind(const Signature *function, Kind kind) {
  for (unsigned i = 0; i < function->parameters; i++) {
    if (function->kind[i] == kind) return true;
  }
  return false;
}
