// Uninitialised memory of one type for the length of a kernel call, from the caching allocator.
#pragma once
#include <cstdint>

#include "storage.h"

namespace monel {

template <class T>
class Workspace {
 public:
  explicit Workspace(int64_t n)
      : memory_(static_cast<size_t>(n) * sizeof(T)), data_(memory_.as<T>()) {}
  T* data() const { return data_; }
  operator T*() const { return data_; }

 private:
  Scratch memory_;
  T* data_;
};

}  // namespace monel
