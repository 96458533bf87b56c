// The faults that stand in a node, as all processes share them: records among the commons, written
// with changes kept out, read without a lock.
#ifndef NVML_MIG_SIMULATOR_FAULT_RECORDS_H
#define NVML_MIG_SIMULATOR_FAULT_RECORDS_H

#include "exported.h"
#include "image.h"

namespace nvml_mig::simulator {

// Fault.function of a fault that is for all of them, Fault.times of one that never ends, Fault.chance
// of one that strikes each time.
inline constexpr std::uint64_t kAnyFunction = ~std::uint64_t{0};
inline constexpr std::uint64_t kForEver = ~std::uint64_t{0};
inline constexpr std::uint64_t kCertain = std::uint64_t{1} << 32;

// Adds the fault that the arguments of kSimulatorInject ask for, and says its id.
nvmlReturn_t InjectFault(Image& image, const unsigned* asked, const char* name, Reason* reason);
// Takes one out, and says the figures it leaves with.
nvmlReturn_t RemoveFault(Image& image, std::uint64_t id, Reason* reason);
// Lets go on what hangs in one.
nvmlReturn_t ReleaseFault(Image& image, std::uint64_t id, Reason* reason);
// Says "matched fired".
nvmlReturn_t ReportFault(const Image& image, std::uint64_t id, Reason* reason);

// What follows names a fault by its place among the records.
//
// A record as it is at one moment; false when it is free.
bool ReadFault(const Image& image, unsigned place, Fault* out);
// Whether the record still is that fault's.
bool Stands(const Image& image, unsigned place, std::uint64_t id);

// Gives a call its number, from 1 on, in a fault that it matches. A process that may not write the
// image counts for itself.
std::uint64_t NumberCall(const Image& image, unsigned place, std::uint64_t id);
// Counts that a fault has fired, where the image may be written.
void CountFired(const Image& image, unsigned place);
// Whether a fault strikes the call of that number.
bool StrikesCall(const Fault& fault, std::uint64_t number);
// What is compared with a chance: the upper half of what splitmix64 makes of the state seed * 2^32 +
// number. The same seed strikes the same numbers.
std::uint32_t Draw(std::uint64_t seed, std::uint64_t number);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_FAULT_RECORDS_H
