// Boards for the tests, written by hand from recorded listings; the rows that users get are data of
// lib/simulator and are not used here.
#ifndef NVML_MIG_TESTS_BOARDS_H
#define NVML_MIG_TESTS_BOARDS_H

#include "simulator/image_layout.h"

namespace nvml_mig::tests {

// A100-SXM4-40GB as R525 to R550 report it. Sources: recorded -lgip, -lgipp, -lcip and -lcipp of that
// board, and the MIG user guide's tables.
simulator::GpuBoard A100();
// The same before R525 had 1g.10gb, and before R470 had 1g.5gb+me.
simulator::GpuBoard A100OfR460();
// A30: four slices, one +me instance in total. Source: recorded -lgip and -lgipp, R535.
simulator::GpuBoard A30();
// H100 80GB SXM: compute slots are aligned, MIG mode needs no reset. Source: recorded -lgip, -lgipp
// and -lci.
simulator::GpuBoard H100();
// RTX PRO 6000 Blackwell Server Edition: twelve placement units. Source: recorded -lgip, -lgipp.
simulator::GpuBoard RtxPro6000();

// A driver release as an image names it.
simulator::Node Driver(unsigned branch);

// Index of the profile with the id; the test fails when the board has none.
unsigned ProfileIndex(const simulator::GpuBoard& board, unsigned id);

}  // namespace nvml_mig::tests
#endif  // NVML_MIG_TESTS_BOARDS_H
