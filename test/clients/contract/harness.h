// The tests of this client speak TAP: one line for each sentence, which holds if every expectation
// since the one before held; a "#" line above it says which did not.
#ifndef CONTRACT_HARNESS_H
#define CONTRACT_HARNESS_H

#include <stdbool.h>
#include <stddef.h>

#include "nvml.h"

// dlopens libnvidia-ml.so.1 by that name and looks every function up; ends the program if it cannot.
void load(void);
// A function by name, or NULL. Its type is the caller's business.
void *symbol(const char *name);
// The handle dlopen gave.
extern void *library;
// The driver's branch, 550 of 550.163.01: a client knows what its driver is.
extern unsigned branch;

#define PRINTS(text, values) __attribute__((format(printf, text, values)))
void begin(const char *sentence);
bool expect(bool held, const char *format, ...) PRINTS(2, 3);
void end(void);
// Prints the plan; the exit status.
int finish(void);

// Says what is going on, for the case that it never ends or crashes.
void about(const char *format, ...) PRINTS(1, 2);

// An expectation on what a call returns.
#define RETURNS(code, call) returns((code), (call), #call)
bool returns(int wanted, int got, const char *call);

// What is said to fit on an empty GPU, MIG on, where `most` do: some old releases say 0.
unsigned fits_when_empty(unsigned most);

// What most tests begin with.
nvmlDevice_t gpu(unsigned index);
void set_mig(nvmlDevice_t device, unsigned mode);
// MIG on and nothing on it; MIG off.
nvmlDevice_t empty_gpu(unsigned index);
nvmlDevice_t whole_gpu(unsigned index);
void destroy_all(nvmlDevice_t device);

// Numbers for every choice at random, the same in every run.
unsigned long long random_bits(void);

// More than any release has.
#define MANY_SLOTS 32
#define MANY 16

// The profile at a slot by the call every release has; false if the board lacks it.
bool profile_at(nvmlDevice_t device, unsigned slot, GpuProfile *profile);
// Slots as NVIDIA's header names them, and the one of the board's largest profile.
enum { SLOT_1G = 0, SLOT_2G = 1, SLOT_3G = 2 };
unsigned largest_slot(nvmlDevice_t device);
unsigned profile_id(nvmlDevice_t device, unsigned slot);

nvmlGpuInstance_t create_gpu_instance(nvmlDevice_t device, unsigned slot);
GpuInstanceInfo gpu_instance_info(nvmlGpuInstance_t instance);
nvmlComputeInstance_t create_compute_instance(nvmlGpuInstance_t instance, unsigned profile);
unsigned mig_devices(nvmlDevice_t device, nvmlDevice_t *found);

#endif
