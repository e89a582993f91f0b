// A kernel's result while it is being computed: dropped when an exception or an error leaves the
// kernel.
#pragma once
#include <cstdint>
#include <utility>

#include "registry.h"

namespace monel {

class Outcome {
 public:
  explicit Outcome(Buffer* b) : buffer_(b) {}
  Outcome(Dtype dtype, int rank, const int64_t* shape) : buffer_(new_buffer(dtype, rank, shape)) {}
  ~Outcome() { Py_XDECREF(reinterpret_cast<PyObject*>(buffer_)); }
  Outcome(const Outcome&) = delete;
  Outcome& operator=(const Outcome&) = delete;

  explicit operator bool() const { return buffer_ != nullptr; }
  Buffer* operator->() const { return buffer_; }
  Buffer* get() const { return buffer_; }
  View view() const { return view_of(buffer_); }
  PyObject* give() { return reinterpret_cast<PyObject*>(std::exchange(buffer_, nullptr)); }

 private:
  Buffer* buffer_;
};

inline constexpr int64_t kUnlockWork = 1 << 15;  // elements of simple work that take about 20 us

}  // namespace monel
