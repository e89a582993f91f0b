// Which instruction set the vector units use. A unit is a file `kernels/<name>_isa.cpp`, compiled once for
// each of v2, v3, v4 on x86-64 (-DMONEL_ISA=v2...) and once as `native` elsewhere. It keeps everything in
// an anonymous namespace, static or always_inline (weak symbols would let AVX-512 code be linked into the
// baseline; a test runs nm) and ends by defining its table:
//
//   MONEL_DEFINE_TABLE(HeavyTable, heavy) = {...};
//
// and one ordinary file says `MONEL_CHOOSE_TABLE(HeavyTable, heavy)`, which defines
// `const HeavyTable& heavy()`: the table of the chosen instruction set.
#pragma once

namespace monel {

enum class Isa { v2, v3, v4, native };

// The best set this processor has, or what MONEL_CPU_ISA (v2, v3, v4) names if the processor has that.
Isa isa();
// Whether MONEL_CPU_ISA is set: nothing beyond the sets above is used then.
bool isa_limited();
const char* isa_name();

#define MONEL_JOIN2(a, b) a##b
#define MONEL_JOIN(a, b) MONEL_JOIN2(a, b)
#define MONEL_DEFINE_TABLE(Type, name)               \
  extern const Type MONEL_JOIN(name##_, MONEL_ISA); \
  const Type MONEL_JOIN(name##_, MONEL_ISA)

#if defined(__x86_64__) || defined(_M_X64)
#define MONEL_CHOOSE_TABLE(Type, name)                                     \
  extern const Type name##_v2, name##_v3, name##_v4;                       \
  const Type& name() {                                                     \
    static const Type& chosen = isa() == Isa::v4   ? name##_v4             \
                                : isa() == Isa::v3 ? name##_v3 : name##_v2; \
    return chosen;                                                         \
  }
#else
#define MONEL_CHOOSE_TABLE(Type, name) \
  extern const Type name##_native;     \
  const Type& name() { return name##_native; }
#endif

}  // namespace monel
