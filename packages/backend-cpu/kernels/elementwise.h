// Bodies of elementwise operations, run tile by tile so that intermediate values stay in the first-level cache.
#pragma once
#include "ops.h"
#include "steps_chain.h"
#include "view.h"

namespace monel {

inline constexpr int kMaxInputs = 16;
inline constexpr int kMaxNodes = 96;
inline constexpr int kMaxOutputs = 8;

struct Node {
  OpEntry entry;
  int16_t refs[3];  // below `inputs`: an operand; else node ref - inputs
  uint8_t arity;
  Op op;
  Dtype dtype;      // of the value
  int16_t before;   // the node whose result, which no other reads, is this node's running value; or -1
  bool inner;       // its result is the running value of a later node, and is stored nowhere
  uint8_t links;    // nodes from the first of the chain to this one
  int16_t slot;     // of scratch memory; -1: written straight to an output
  int16_t output;   // the output it is written to, or -1
};

struct Body {
  int inputs = 0, nodes = 0, outputs = 0, slots = 0;
  int cost = 0;  // of one element, in additions
  Dtype input_dtypes[kMaxInputs];
  Node node[kMaxNodes];
  int16_t output_refs[kMaxOutputs];

  // Appends a node; false where the operation does not exist for the dtypes or there is no room.
  bool add(Op op, int arity, const int16_t* refs, Dtype dtype);
  // Forms chains and chooses scratch memory by last use; after the last node and `output_refs`.
  void plan();
  void form_chains();
  // The references that the chain ending in a node reads, its own running values left out; returns their number.
  int reads(int i, int16_t* refs) const;
  Dtype dtype_of(int ref) const { return ref < inputs ? input_dtypes[ref] : node[ref - inputs].dtype; }
};

// Runs a body. The inputs are broadcast to one shape (stride 0); outputs are contiguous, and may be the memory of an
// input that is contiguous with items of the same size.
void run_body(const Body& body, const View* inputs, void* const* outputs);

// One operation over contiguous memory, split over the pool where that pays.
void run_tile(Tile f, int64_t n, int cost, const void* a, int64_t a_step, const void* b, int64_t b_step, void* out,
              int64_t out_step);

// Elements below which one thread is faster, for operations of this cost.
constexpr int64_t parallel_grain(int cost) {
  const int64_t grain = 32768 / (cost < 1 ? 1 : cost);
  return grain < 2048 ? 2048 : grain;
}

// n items of `item` <= 8 bytes, `stride` items apart, one after another in `out`.
void pack_line(const void* data, int64_t stride, int64_t n, int64_t item, void* out);

}  // namespace monel
