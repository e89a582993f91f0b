/* Kernels for monel in plain C: all that their author includes.
 *
 * A table of kernels is published as a capsule:
 *
 *     static const monel_kernel entries[] = {{"square", MONEL_BIT(MONEL_FLOAT32), 0, square}};
 *     static const monel_kernels table = MONEL_KERNELS(entries);
 *     ... PyCapsule_New((void*)&table, MONEL_CAPSULE, NULL) ...
 *
 * The hook monel_kernels of a plugin returns the capsule, or a backend gives it to
 * KernelTable.register_capsule. The table and what it points to must live as long as the capsule.
 *
 * To use this beside DLPack's own header, include that one first.
 */
#ifndef MONEL_KERNEL_H_
#define MONEL_KERNEL_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef DLPACK_DLPACK_H_

/* As in dlpack.h 1.0; the values of device_type and code are those of DLPack. */
typedef struct {
  int32_t device_type; /* 1: memory of the host */
  int32_t device_id;
} DLDevice;

typedef struct {
  uint8_t code; /* 0 int, 1 uint, 2 float, 4 bfloat, 5 complex, 6 bool */
  uint8_t bits;
  uint16_t lanes;
} DLDataType;

typedef struct {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides; /* in elements; never NULL here */
  uint64_t byte_offset; /* 0 here */
} DLTensor;

#endif

#define MONEL_CAPSULE "monel.kernels.v1"
#define MONEL_ABI 1

/* Dtypes by their code, which is also what a parameter that is a dtype arrives as. */
enum {
  MONEL_BOOL = 0,
  MONEL_UINT8 = 1,
  MONEL_UINT16 = 2,
  MONEL_UINT32 = 3,
  MONEL_UINT64 = 4,
  MONEL_INT8 = 5,
  MONEL_INT16 = 6,
  MONEL_INT32 = 7,
  MONEL_INT64 = 8,
  MONEL_FLOAT16 = 9,
  MONEL_BFLOAT16 = 10,
  MONEL_FLOAT32 = 11,
  MONEL_FLOAT64 = 12,
  MONEL_COMPLEX64 = 13
};

/* A set of dtypes is the sum of the bits of its members. */
#define MONEL_BIT(dtype) ((uint64_t)1 << (dtype))

/* Flags of an entry. */
#define MONEL_STRIDED 1u    /* operands may have any strides, 0 among them; else they are row-major */
#define MONEL_BROADCASTS 2u /* elementwise operands may have different shapes; else they have one */
#define MONEL_OVERRIDE 4u   /* replaces the kernel that the backend has */

/* Computes the outputs; 0 is success.
 *
 * It is called without the GIL, from any thread, and must not call Python. in and out are read
 * only as structs; the memory of in is read only, too. The outputs are allocated, row-major, not
 * initialised, and share no memory with the operands. ints and floats are the parameters of the
 * primitive in the order of its fields, flattened; each has its kind of numbers. stream is the
 * backend's native handle where that is a number, else NULL.
 *
 * Anything but 0 is an error. Write its text, UTF-8 that ends with a zero, to err, which has
 * err_len bytes and holds an empty text before the call.
 */
typedef int (*monel_run)(const DLTensor* in, int n_in, DLTensor* out, int n_out,
                         const int64_t* ints, const double* floats, void* stream, char* err,
                         size_t err_len);

typedef struct {
  const char* primitive; /* "square"; of a vendor: "vendor::op" */
  uint64_t dtypes;       /* bits of those that the deciding operand may have; 0: any */
  uint32_t flags;
  monel_run run;
} monel_kernel;

typedef struct {
  uint32_t abi;         /* MONEL_ABI */
  uint32_t struct_size; /* sizeof(monel_kernel): later versions add to its end */
  uint64_t count;
  const monel_kernel* entries;
} monel_kernels;

/* The table of an array of entries. */
#define MONEL_KERNELS(array) \
  {MONEL_ABI, (uint32_t)sizeof(monel_kernel), sizeof(array) / sizeof((array)[0]), (array)}

#ifdef __cplusplus
}
#endif

#endif
