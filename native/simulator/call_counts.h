// How often each exported function was called on a node: words among the commons, to which all of its
// processes add, so that a process that is killed in a call has made it.
//
// Before init, in a process that may not write the image, and once another image took its place, a call
// is counted aside, in words of the process. Whenever the library opens the image they are handed over
// to it, if it may be written.
#ifndef NVML_MIG_SIMULATOR_CALL_COUNTS_H
#define NVML_MIG_SIMULATOR_CALL_COUNTS_H

#include "exported.h"
#include "image.h"

namespace nvml_mig::simulator {

// Counts a call, in the image that the process is initialised on; nullptr: on none.
void CountCall(const Image* image, Exported function);
void HandOverCalls(const Image& image);
// What a child has of its parent's is the parent's to hand over.
void ForgetCallsInChild();
// Calls of the function so far, of all processes and, where it cannot hand them over, of this one; ~0
// when no such function is exported.
unsigned long long CallsOf(const char* function);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_CALL_COUNTS_H
