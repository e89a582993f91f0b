#include "isa.h"

#include <cstdlib>
#include <cstring>

namespace monel {
namespace {

#if defined(__x86_64__) || defined(_M_X64)
Isa best() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
    return Isa::v4;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2"))
    return Isa::v3;
  return Isa::v2;
}

Isa choose() {
  const Isa have = best();
  const char* wish = std::getenv("MONEL_CPU_ISA");
  if (!wish) return have;
  const Isa wanted = !std::strcmp(wish, "v2") ? Isa::v2 : !std::strcmp(wish, "v3") ? Isa::v3 : Isa::v4;
  return wanted < have ? wanted : have;
}
#else
Isa choose() { return Isa::native; }
#endif

}  // namespace

Isa isa() {
  static const Isa chosen = choose();
  return chosen;
}

bool isa_limited() { return std::getenv("MONEL_CPU_ISA") != nullptr; }

const char* isa_name() {
  constexpr const char* names[] = {"v2", "v3", "v4", "native"};
  return names[static_cast<int>(isa())];
}

}  // namespace monel
