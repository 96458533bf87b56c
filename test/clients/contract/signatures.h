// The functions of native/abi/symbols.h and what they take, to call each with arguments of any kind.
// The list is the only thing this client shares with the simulator.
#ifndef CONTRACT_SIGNATURES_H
#define CONTRACT_SIGNATURES_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { NUMBER, POINTER, DEVICE, GPU_INSTANCE, COMPUTE_INSTANCE, OTHER_HANDLE } Kind;
enum { KINDS = OTHER_HANDLE + 1, MOST_PARAMETERS = 6 };

typedef struct {
  const char *name;
  unsigned parameters;
  Kind kind[MOST_PARAMETERS];
  char parameter[MOST_PARAMETERS][48];
  // NULL if the release does not export it.
  int (*call)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);
} Signature;

// Those that return a code, that are there, and that do not start or end NVML.
extern Signature signatures[];
extern unsigned signature_count;
void read_signatures(void);
// Whether the simulator answers the function at all; the others it only has.
bool is_answered(const char *name);

int call(const Signature *function, const uintptr_t *values);
bool takes_kind(const Signature *function, Kind kind);

#endif
