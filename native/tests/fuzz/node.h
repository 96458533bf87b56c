// The nodes that inputs start from, and the one that lies beside this program: the library under test
// is linked into it, so that is where it looks for its node.
#ifndef NVML_MIG_TESTS_FUZZ_NODE_H
#define NVML_MIG_TESTS_FUZZ_NODE_H

#include "known.h"
#include "layout.h"
#include "ring.h"

namespace nvml_mig::fuzz {

// What a node keeps in its directory.
struct Files {
  FileBytes image;
  FileBytes description;
};
struct Node {
  Files files;
  Known known;  // what a client of this node learns by asking for all there is
};
// Each twice: as it was made, and with instances on every GPU.
const Ring<Node>& Nodes();
// Each target's own: how far the sections of its nodes lie apart; 0 for the layout that simulate() has.
// What lies between them is poisoned.
extern const std::size_t kSectionGap;

// Puts a node in place of the one that is there, as a writer that renames does.
void Place(const Files& files);
void RemovePlaced();
bool IsPlaced();
// The node is placed and in the state that it starts in, by the cheapest way.
void Restore(const Node& node);

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_NODE_H
