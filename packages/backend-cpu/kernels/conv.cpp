#include "conv.h"

#include <algorithm>
#include <cstring>

#include "copy.h"
#include "pool.h"
#include "products.h"
#include "scratch.h"
#include "steps.h"

namespace monel {
namespace {

constexpr int kMostRows = 8;         // of a tile on any instruction set
constexpr int64_t kBlockTiles = 16;  // tiles whose rows stay in cache while the depth is walked
constexpr int64_t kDepth = 512;
constexpr int64_t kTaskFlops = 1 << 21;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Where the taps of an output pixel read.
class Pixels {
 public:
  Pixels(const View& x, const View& w, const ConvParameters& p, const View& out,
         int64_t* tap_positions, const float* zeros)
      : x_(x), p_(p), out_(out), zeros_(zeros), axes_(x.rank - 2), positions_(tap_positions) {
    taps_ = 1;
    for (int d = 0; d < axes_; ++d) {
      taps_ *= w.shape[d + 1];
      reach_[d] = (w.shape[d + 1] - 1) * p.kernel_dilation[d];
      extent_[d] = (x.shape[d + 1] - 1) * p.input_dilation[d] + 1;
      dilated_ = dilated_ || p.input_dilation[d] != 1;
    }
    for (int64_t t = 0; t < taps_; ++t) {
      int64_t rest = t;
      for (int d = axes_ - 1; d >= 0; --d) {
        positions_[t * axes_ + d] = rest % w.shape[d + 1] * p.kernel_dilation[d];
        rest /= w.shape[d + 1];
      }
    }
  }

  int64_t taps() const { return taps_; }

  // at[t * step] = the channels that tap t of pixel i reads.
  void fill(int64_t i, const float** at, int64_t step) const {
    int64_t start[kMaxRank];
    bool inside = !dilated_;
    int64_t rest = i;
    for (int d = axes_ - 1; d >= 0; --d) {
      start[d] = rest % out_.shape[d + 1] * p_.stride[d] - p_.padding_low[d];
      rest /= out_.shape[d + 1];
      inside = inside && start[d] >= 0 && start[d] + reach_[d] < extent_[d];
    }
    const float* image = x_.as<float>() + rest * x_.strides[0];
    for (int64_t t = 0; t < taps_; ++t)
      at[t * step] = inside ? plain(image, start, t) : checked(image, start, t);
  }

 private:
  const float* plain(const float* image, const int64_t* start, int64_t t) const {
    for (int d = 0; d < axes_; ++d)
      image += (start[d] + positions_[t * axes_ + d]) * x_.strides[d + 1];
    return image;
  }

  const float* checked(const float* image, const int64_t* start, int64_t t) const {
    for (int d = 0; d < axes_; ++d) {
      const int64_t at = start[d] + positions_[t * axes_ + d], dilation = p_.input_dilation[d];
      if (at < 0 || at >= extent_[d] || at % dilation != 0) return zeros_;
      image += at / dilation * x_.strides[d + 1];
    }
    return image;
  }

  const View& x_;
  const ConvParameters& p_;
  const View& out_;
  const float* zeros_;
  int axes_;
  int64_t taps_;
  int64_t* positions_;
  int64_t reach_[kMaxRank], extent_[kMaxRank];
  bool dilated_ = false;
};

// Splits `count` items among tasks that each own a part of a workspace.
struct Tasks {
  int64_t count, each, tasks;
  Tasks(int64_t n, int64_t grain) : count(n) {
    tasks = std::clamp<int64_t>(n / std::max<int64_t>(grain, 1), 1, 4 * num_threads());
    each = ceil_div(n, tasks);
  }
  template <class F>
  void run(F&& body) const {
    parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        if (t * each < count) body(t, t * each, std::min(count, (t + 1) * each));
    });
  }
};

int64_t tap_of(int64_t t, int64_t taps, bool flip) { return flip ? taps - 1 - t : t; }

// ---- Dense and grouped -------------------------------------------------------

struct Dense {
  const Pixels& pixels;
  const float* packed;                        // [group][panel][tap, channel][cols]
  int64_t groups, in_channels, out_channels;  // of one group
  int64_t count;                              // output pixels
  const View& out;

  int64_t panels() const { return ceil_div(out_channels, products().cols); }

  // Rows of up to kBlockTiles tiles from pixel `first` on, all output channels.
  void block(int64_t first, int64_t last, const float** table) const {
    const ProductTable& isa = products();
    const int64_t taps = pixels.taps(), tile_size = taps * isa.rows;
    for (int64_t i = first; i < last; i += isa.rows)
      for (int r = 0; r < isa.rows; ++r)
        pixels.fill(std::min(i + r, last - 1), table + (i - first) / isa.rows * tile_size + r,
                    isa.rows);
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t p = 0; p < panels(); ++p) panel(first, last, table, g, p);
      if (g + 1 < groups)
        for (int64_t i = 0; i < ceil_div(last - first, isa.rows) * tile_size; ++i)
          table[i] += in_channels;
    }
  }

  void panel(int64_t first, int64_t last, const float* const* table, int64_t g, int64_t p) const {
    const ProductTable& isa = products();
    const int64_t taps = pixels.taps(), width = groups * out_channels,
                  col = g * out_channels + p * isa.cols;
    const int cols = static_cast<int>(std::min<int64_t>(isa.cols, out_channels - p * isa.cols));
    const float* b = packed + (g * panels() + p) * taps * in_channels * isa.cols;
    float wide[kBlockTiles * kMostRows * 64];
    const bool direct = out.dtype == Dtype::float32;
    float* c = direct ? out.as<float>() + first * width + col : wide;
    const int64_t ld = direct ? width : isa.cols;
    // Depth in pieces: several whole taps, or a part of the channels of one.
    const int64_t step = in_channels > kDepth + kDepth / 2 ? kDepth : in_channels;
    const int64_t tap_step = step == in_channels ? std::max<int64_t>(1, kDepth / in_channels) : 1;
    for (int64_t t = 0; t < taps; t += tap_step)
      for (int64_t ch = 0; ch < in_channels; ch += step)
        for (int64_t i = first; i < last; i += isa.rows) {
          const float* const* a = table + ((i - first) / isa.rows * taps + t) * isa.rows;
          const float* shifted[kMostRows];
          if (ch > 0) {
            for (int r = 0; r < isa.rows; ++r) shifted[r] = a[r] + ch;
            a = shifted;
          }
          isa.tile(std::min(tap_step, taps - t), std::min(step, in_channels - ch), a, 1,
                   b + (t * in_channels + ch) * isa.cols, isa.cols, c + (i - first) * ld, ld,
                   static_cast<int>(std::min<int64_t>(isa.rows, last - i)), cols, t > 0 || ch > 0);
        }
    if (direct) return;
    for (int64_t i = first; i < last; ++i)
      isa.narrow(out.dtype, c + (i - first) * ld,
                 out.as<char>() + (i * width + col) * itemsize(out.dtype), cols);
  }

  void run() const {
    const ProductTable& isa = products();
    const int64_t rows = kBlockTiles * isa.rows, taps = pixels.taps();
    const int64_t flops = 2 * rows * groups * out_channels * in_channels * taps;
    const Tasks tasks(ceil_div(count, rows), kTaskFlops / std::max<int64_t>(flops, 1));
    Workspace<const float*> tables(tasks.tasks * rows * taps);
    tasks.run([&](int64_t task, int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        block(b * rows, std::min(count, (b + 1) * rows), tables + task * rows * taps);
    });
  }
};

void pack_weights(const View& w, int64_t groups, int64_t taps, bool flip, float* packed) {
  const ProductTable& isa = products();
  const int64_t outs = w.shape[0] / groups, channels = w.shape[w.rank - 1],
                panels = ceil_div(outs, isa.cols);
  const int64_t depth = taps * channels, item = itemsize(w.dtype);
  parallel_for(groups * panels, std::max<int64_t>(1, 65536 / (depth * isa.cols)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t o = i / panels * outs + i % panels * isa.cols;
                   const int n =
                       static_cast<int>(std::min<int64_t>(isa.cols, outs - i % panels * isa.cols));
                   const char* src = w.as<char>() + o * depth * item;
                   float* to = packed + i * depth * isa.cols;
                   if (!flip) {
                     isa.pack(w.dtype, src, 1, depth, depth, n, to);
                   } else {
                     for (int64_t t = 0; t < taps; ++t)
                       isa.pack(w.dtype, src + (taps - 1 - t) * channels * item, 1, depth, channels,
                                n, to + t * channels * isa.cols);
                   }
                 }
               });
}

// ---- Depthwise ---------------------------------------------------------------

void run_depthwise(const Pixels& pixels, const View& w, bool flip, int64_t count, const View& out) {
  const ProductTable& isa = products();
  const int64_t channels = w.shape[0], taps = pixels.taps(), item = itemsize(w.dtype);
  Workspace<float> turned(taps * channels);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t t = 0; t < taps; ++t)
      isa.widen(w.dtype, w.as<char>() + (c * taps + tap_of(t, taps, flip)) * item,
                turned + t * channels + c, 1);
  const Tasks tasks(count, kTaskFlops / 8 / std::max<int64_t>(1, taps * channels));
  const bool direct = out.dtype == Dtype::float32;
  Workspace<const float*> tables(tasks.tasks * taps);
  Workspace<float> rows(direct ? 0 : tasks.tasks * channels);
  tasks.run([&](int64_t task, int64_t begin, int64_t end) {
    const float** table = tables + task * taps;
    for (int64_t i = begin; i < end; ++i) {
      pixels.fill(i, table, 1);
      float* row = direct ? out.as<float>() + i * channels : rows + task * channels;
      steps().depthwise(taps, table, turned, channels, row);
      if (!direct)
        isa.narrow(out.dtype, row, out.as<char>() + i * channels * itemsize(out.dtype), channels);
    }
  });
}

// ---- Operands ----------------------------------------------------------------

View contiguous_like(const View& v, void* data) {
  View out = v;
  out.data = data;
  fill_strides(out);
  return out;
}

void widen_all(const View& from, float* to) {
  parallel_for(from.size(), 1 << 15, [&](int64_t begin, int64_t end) {
    products().widen(from.dtype, from.as<char>() + begin * itemsize(from.dtype), to + begin,
                     end - begin);
  });
}

}  // namespace

void conv(const View& x, const View& w, const ConvParameters& p, const View& out) {
  if (out.size() == 0) return;
  if (x.size() == 0 || w.size() == 0) {
    std::memset(out.data, 0, static_cast<size_t>(out.size() * itemsize(out.dtype)));
    return;
  }
  const int64_t item = itemsize(x.dtype), channels = x.shape[x.rank - 1];
  // Pixels are read through pointers to float32 channels side by side; whatever else comes is
  // copied.
  const bool readable = x.dtype == Dtype::float32 && (x.strides[x.rank - 1] == 1 || channels == 1);
  const bool plain = readable || x.contiguous(), weights_plain = w.contiguous();
  Workspace<char> copied(plain ? 0 : x.size() * item),
      weights_copied(weights_plain ? 0 : w.size() * item);
  View source = plain ? x : contiguous_like(x, copied.data());
  const View weights = weights_plain ? w : contiguous_like(w, weights_copied.data());
  if (!plain) copy(x, source.data);
  if (!weights_plain) copy(w, weights.data);
  const bool wide = x.dtype == Dtype::float32;
  Workspace<float> widened(wide ? 0 : x.size());
  if (!wide) {
    widen_all(source, widened);
    source = contiguous_like(source, widened.data());
    source.dtype = Dtype::float32;
  }
  int64_t taps = 1;
  for (int d = 1; d + 1 < w.rank; ++d) taps *= w.shape[d];
  Workspace<float> zeros(channels);
  std::fill_n(zeros.data(), channels, 0.0f);
  Workspace<int64_t> positions(taps * std::max(1, x.rank - 2));
  const Pixels pixels(source, weights, p, out, positions, zeros);
  const int64_t outs = w.shape[0], count = out.size() / outs;
  if (p.groups == channels && outs == channels && channels > 1)
    return run_depthwise(pixels, weights, p.flip, count, out);
  const int64_t panels = p.groups * ceil_div(outs / p.groups, products().cols);
  Workspace<float> packed(panels * products().cols * taps * w.shape[w.rank - 1]);
  pack_weights(weights, p.groups, taps, p.flip, packed);
  Dense{pixels, packed, p.groups, w.shape[w.rank - 1], outs / p.groups, count, out}.run();
}

}  // namespace monel
