// Scaled dot-product attention that never stores the whole score matrix.
// Dao, Fu, Ermon, Rudra and Re, "FlashAttention", arXiv:2205.14135; Milakov and Gimelshein,
// arXiv:1805.02867.
#pragma once
#include "view.h"

namespace monel {

// out = softmax(scale * q @ k^T + mask) @ v for q (B, H, L, D), k (B, G, S, D), v (B, G, S, E), H a
// multiple of G, out (B, H, L, E) contiguous; one of float32, float16, bfloat16, computed in
// float32. mask, null or broadcast to (B, H, L, S), is bool (false: the lowest finite score) or
// floating (added). `causal`: query i sees the keys up to i + S - L.
void attention(const View& q, const View& k, const View& v, const View* mask, double scale,
               bool causal, const View& out);

}  // namespace monel
