// One function for each part of the contract. They leave NVML shut down, and the GPUs in any state.
#ifndef CONTRACT_SUITES_H
#define CONTRACT_SUITES_H

void library_suite(void);
// `names`: a file with the names that the release exports, one a line.
void symbols_suite(const char *names);
void profiles_suite(void);
void instances_suite(void);
void mig_devices_suite(void);
void answered_suite(void);
void handles_suite(void);
void arguments_suite(void);
void fork_suite(void);

#endif
