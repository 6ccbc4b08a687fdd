// libcublasLt.so.13 of the emulator: column-major products with the epilogues of a GPT-2's linear layers, in f32. Descriptors are checked as
// the real library does, and more strictly where that refuses only on some cards. Which algorithms a card has, it cannot show.
#include <cmath>
#include <cstdio>

#include "emulator.h"
#include "numbers.h"

using namespace emulator;

namespace {

enum Result { kOk = 0, kNoHandle = 1, kAllocFailed = 3, kInvalid = 7, kArchMismatch = 8, kExecution = 13, kInternal = 14, kUnsupported = 15 };
enum Type { kF32 = 0, kF16 = 2, kBf16 = 14 };
enum EpilogueBits { kBias = 4, kBiasGradient = 16, kGelu = 32, kGeluGradient = 64, kAux = 128, kGradientA = 256, kGradientB = 512 };
constexpr int kComputeF32 = 68, kComputeTf32 = 77;
constexpr size_t kSplitWorkspace = 1 << 20;

struct Handle { int magic = 0x1717; };
struct Layout {
  int type = 0;
  uint64_t rows = 0, columns = 0;
  int64_t leading = 0;
  int order = 0, batch = 1;
  int64_t batchStride = 0;
};
struct Desc {
  int compute = 0, scale = 0, pointerMode = 0, transposeA = 0, transposeB = 0;
  uint32_t epilogue = 1;
  uint64_t bias = 0;
  int64_t biasBatchStride = 0;
  uint64_t aux = 0;
  int64_t auxLeading = 0, auxBatchStride = 0;
  int smCount = 0, auxType = -1, biasType = -1;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t searchMode = 0, reduction = ~0u, alignment[4] = {256, 256, 256, 256};
};
// The 64 opaque bytes of an algorithm.
struct Algo {
  uint64_t magic, problem, workspace;
  uint32_t alignment[4];
  uint32_t index, unused[5];
};
static_assert(sizeof(Algo) == 64, "cublasLtMatmulAlgo_t has 64 bytes");
struct Heuristic {
  Algo algo;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Heuristic) == 96, "cublasLtMatmulHeuristicResult_t has 96 bytes");
constexpr uint64_t kMagic = 0x4741545554414C47u;

struct Field { int name; void *at; size_t bytes; };

int put(const std::vector<Field> &fields, int name, const void *value, size_t bytes) {
  for (const Field &f : fields) {
    if (f.name != name) continue;
    if (!value || bytes != f.bytes) return kInvalid;
    memcpy(f.at, value, bytes);
    return kOk;
  }
  return kInvalid;
}
int get(const std::vector<Field> &fields, int name, void *value, size_t bytes, size_t *written) {
  for (const Field &f : fields) {
    if (f.name != name) continue;
    if (written) *written = f.bytes;
    if (bytes == 0 && written) return kOk;
    if (!value || bytes != f.bytes) return kInvalid;
    memcpy(value, f.at, bytes);
    return kOk;
  }
  return kInvalid;
}
std::vector<Field> fieldsOf(Desc *d) {
  return {{0, &d->compute, 4}, {1, &d->scale, 4}, {2, &d->pointerMode, 4}, {3, &d->transposeA, 4}, {4, &d->transposeB, 4}, {7, &d->epilogue, 4},
          {8, &d->bias, 8}, {10, &d->biasBatchStride, 8}, {11, &d->aux, 8}, {12, &d->auxLeading, 8}, {13, &d->auxBatchStride, 8},
          {15, &d->smCount, 4}, {22, &d->auxType, 4}, {26, &d->biasType, 4}};
}
std::vector<Field> fieldsOf(Layout *l) {
  return {{0, &l->type, 4}, {1, &l->order, 4}, {2, &l->rows, 8}, {3, &l->columns, 8}, {4, &l->leading, 8}, {5, &l->batch, 4}, {6, &l->batchStride, 8}};
}
std::vector<Field> fieldsOf(Preference *p) {
  return {{0, &p->searchMode, 4}, {1, &p->workspace, 8}, {3, &p->reduction, 4}, {5, &p->alignment[0], 4}, {6, &p->alignment[1], 4},
          {7, &p->alignment[2], 4}, {8, &p->alignment[3], 4}};
}

size_t sizeOf(int type) { return type == kF32 ? 4 : 2; }
float load(const void *p, int type, int64_t i) {
  return type == kF32 ? ((const float *)p)[i] : type == kBf16 ? fromBf16(((const uint16_t *)p)[i]) : fromHalf(((const uint16_t *)p)[i]);
}
void store(void *p, int type, int64_t i, float f) {
  if (type == kF32) ((float *)p)[i] = f;
  else ((uint16_t *)p)[i] = type == kBf16 ? toBf16(f) : toHalf(f);
}

// The tanh form, as cuBLASLt's.
constexpr float kRoot = 0.7978845608028654f, kCube = 0.044715f;
float gelu(float x) { return 0.5f * x * (1 + std::tanh(kRoot * (x + kCube * x * x * x))); }
float geluDerivative(float x) {
  float t = std::tanh(kRoot * (x + kCube * x * x * x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * kRoot * (1 + 3 * kCube * x * x);
}

struct Problem {
  Desc desc;
  Layout a, b, c, d;
  int64_t m, n, k;
  int biasType, auxType;
};

bool isKnown(uint32_t epilogue) {
  for (uint32_t e : {1u, 4u, 32u, 36u, 160u, 164u, 192u, 208u, 256u, 512u}) if (e == epilogue) return true;
  return false;
}

// What the shapes, types and attributes ask for, or why not.
int problemOf(const Desc *desc, const Layout *a, const Layout *b, const Layout *c, const Layout *d, Problem *p) {
  if (!desc || !a || !b || !c || !d) return kInvalid;
  *p = Problem{*desc, *a, *b, *c, *d, 0, 0, 0, 0, 0};
  if (desc->transposeA > 1 || desc->transposeB > 1) return kUnsupported;
  p->m = desc->transposeA ? a->columns : a->rows;
  p->k = desc->transposeA ? a->rows : a->columns;
  p->n = desc->transposeB ? b->rows : b->columns;
  int64_t inner = desc->transposeB ? b->columns : b->rows;
  if (p->k != inner || (int64_t)d->rows != p->m || (int64_t)d->columns != p->n || (int64_t)c->rows != p->m || (int64_t)c->columns != p->n) return kInvalid;
  if (p->m == 0 || p->n == 0 || p->k == 0) return kInvalid;
  for (const Layout *l : {a, b, c, d}) {
    if (l->order != 0) return kUnsupported;
    if (l->leading < (int64_t)l->rows || l->batch < 1 || l->batch != d->batch) return kInvalid;
  }
  if (desc->scale != kF32 || (desc->compute != kComputeF32 && desc->compute != kComputeTf32)) return kUnsupported;
  if (a->type != b->type || c->type != d->type) return kUnsupported;
  bool types = (a->type == kF32 && d->type == kF32) || ((a->type == kBf16 || a->type == kF16) && (d->type == a->type || d->type == kF32));
  if (!types || (desc->compute == kComputeTf32 && a->type != kF32)) return kUnsupported;
  uint32_t e = desc->epilogue;
  if (!isKnown(e)) return kUnsupported;
  p->biasType = desc->biasType < 0 ? d->type : desc->biasType;
  p->auxType = desc->auxType < 0 ? d->type : desc->auxType;
  bool bias = e & (kBias | kBiasGradient | kGradientA | kGradientB);
  if (bias && (!desc->bias || (p->biasType != d->type && p->biasType != kF32 && p->biasType != a->type))) return kInvalid;
  if (bias && desc->bias % 16) return kUnsupported;  // the heuristics look at its alignment
  if (e & kAux) {
    if (!desc->aux || desc->auxLeading < p->m || desc->auxLeading % 8 || p->auxType != d->type) return kInvalid;
    if (d->batch > 1 && desc->auxBatchStride % 8) return kInvalid;
    if (desc->aux % 16) return kUnsupported;
  }
  return kOk;
}

uint64_t numberOf(const Problem &p) {
  uint64_t h = kMagic;
  for (uint64_t v : {(uint64_t)p.m, (uint64_t)p.n, (uint64_t)p.k, (uint64_t)p.a.type, (uint64_t)p.d.type, (uint64_t)p.desc.transposeA,
                     (uint64_t)p.desc.transposeB, (uint64_t)p.desc.epilogue, (uint64_t)p.desc.compute, (uint64_t)p.d.batch,
                     (uint64_t)p.a.leading, (uint64_t)p.b.leading, (uint64_t)p.c.leading, (uint64_t)p.d.leading}) h = mix(h ^ v);
  return h;
}

// A panel of f32: rows by columns, column-major and packed, of a matrix or its transpose.
std::vector<float> pack(const void *p, const Layout &l, bool transpose, bool tf32) {
  std::vector<float> out(l.rows * l.columns);
  for (uint64_t c = 0; c < l.columns; c++) {
    for (uint64_t r = 0; r < l.rows; r++) {
      float f = load(p, l.type, (int64_t)(c * (uint64_t)l.leading + r));
      out[transpose ? r * l.columns + c : c * l.rows + r] = tf32 ? roundTf32(f) : f;
    }
  }
  return out;
}

// product(m, n) += a(m, k) b(k, n), four columns at a time, each element's terms in the order of k.
__attribute__((optimize("O3"))) void multiply(const float *a, const float *b, float *product, int64_t m, int64_t n, int64_t k) {
  constexpr int64_t strip = 1024;
  for (int64_t from = 0; from < m; from += strip) {
    int64_t rows = std::min(strip, m - from);
    for (int64_t j = 0; j < n; j += 4) {
      int64_t columns = std::min<int64_t>(4, n - j);
      for (int64_t q = 0; q < k; q++) {
        const float *__restrict__ column = a + q * m + from;
        if (columns == 4) {
          float b0 = b[j * k + q], b1 = b[(j + 1) * k + q], b2 = b[(j + 2) * k + q], b3 = b[(j + 3) * k + q];
          float *__restrict__ p0 = product + j * m + from, *__restrict__ p1 = p0 + m, *__restrict__ p2 = p1 + m, *__restrict__ p3 = p2 + m;
          for (int64_t i = 0; i < rows; i++) {
            p0[i] += column[i] * b0;
            p1[i] += column[i] * b1;
            p2[i] += column[i] * b2;
            p3[i] += column[i] * b3;
          }
        } else {
          for (int64_t jj = j; jj < j + columns; jj++) {
            float bj = b[jj * k + q];
            float *__restrict__ p0 = product + jj * m + from;
            for (int64_t i = 0; i < rows; i++) p0[i] += column[i] * bj;
          }
        }
      }
    }
  }
}

struct Call {
  Problem p;
  const void *a, *b, *c;
  void *d;
  float alpha, beta;
  const float *deviceAlpha, *deviceBeta;
  void *workspace;
  size_t workspaceBytes;
};

void within(const void *address, int64_t elements, int type, const char *what) {
  size_t bytes = (size_t)elements * sizeOf(type);
  if (!blockOf((uintptr_t)address, bytes)) {
    fail(kIllegalAddress, std::string(what) + " of " + std::to_string(bytes) + " bytes leaves device memory: its last byte is " + describe((uintptr_t)address + bytes - 1));
  }
}
int64_t extent(const Layout &l) { return (l.batch - 1) * l.batchStride + ((int64_t)l.columns - 1) * l.leading + (int64_t)l.rows; }

int runOne(const Call &call, const char *a, const char *b, const char *c, char *d, int batch) {
  const Problem &p = call.p;
  uint32_t e = p.desc.epilogue;
  int64_t m = p.m, n = p.n, k = p.k;
  bool tf32 = p.desc.compute == kComputeTf32;
  std::vector<float> pa = pack(a, p.a, p.desc.transposeA, tf32), pb = pack(b, p.b, p.desc.transposeB, tf32), z(m * n), gradient(m);
  multiply(pa.data(), pb.data(), z.data(), m, n, k);
  auto bias = (char *)p.desc.bias + (size_t)(batch * p.desc.biasBatchStride) * sizeOf(p.biasType);
  auto aux = (char *)p.desc.aux + (size_t)(batch * p.desc.auxBatchStride) * sizeOf(p.auxType);
  for (int64_t j = 0; j < n; j++) {
    for (int64_t i = 0; i < m; i++) {
      float s = call.alpha * z[j * m + i];
      if (call.beta != 0) s += call.beta * load(c, p.c.type, j * p.c.leading + i);
      if (e & kBias) s += load(bias, p.biasType, i);
      if (e & kGelu) {
        if (e & kAux) store(aux, p.auxType, j * p.desc.auxLeading + i, s);
        s = gelu(s);
      }
      if (e & kGeluGradient) s *= geluDerivative(load(aux, p.auxType, j * p.desc.auxLeading + i));
      if (e & kBiasGradient) gradient[i] += s;
      store(d, p.d.type, j * p.d.leading + i, s);
    }
  }
  if (e & kBiasGradient) for (int64_t i = 0; i < m; i++) store(bias, p.biasType, i, gradient[i]);
  if (e & kGradientA) {
    for (int64_t i = 0; i < m; i++) {
      float s = 0;
      for (int64_t q = 0; q < k; q++) s += pa[q * m + i];
      store(bias, p.biasType, i, s);
    }
  }
  if (e & kGradientB) {
    for (int64_t j = 0; j < n; j++) {
      float s = 0;
      for (int64_t q = 0; q < k; q++) s += pb[j * k + q];
      store(bias, p.biasType, j, s);
    }
  }
  return kSuccess;
}

int run(Call &call) {
  const Problem &p = call.p;
  uint32_t e = p.desc.epilogue;
  if (call.deviceAlpha) call.alpha = *call.deviceAlpha, call.beta = *call.deviceBeta;
  within(call.a, extent(p.a), p.a.type, "matrix A");
  within(call.b, extent(p.b), p.b.type, "matrix B");
  if (call.beta != 0) within(call.c, extent(p.c), p.c.type, "matrix C");
  within(call.d, extent(p.d), p.d.type, "matrix D");
  if (e & (kBias | kBiasGradient | kGradientA)) within((void *)p.desc.bias, p.m, p.biasType, "the bias");
  if (e & kGradientB) within((void *)p.desc.bias, p.n, p.biasType, "the bias gradient");
  if (e & kAux) within((void *)p.desc.aux, (p.n - 1) * p.desc.auxLeading + p.m, p.auxType, "the epilogue's auxiliary matrix");
  if (call.workspaceBytes) {
    // All of it is written, so that a workspace in use elsewhere, or too small, shows.
    within(call.workspace, (int64_t)(call.workspaceBytes / 4), kF32, "the workspace");
    for (size_t i = 0; i < call.workspaceBytes / 4; i++) ((uint32_t *)call.workspace)[i] = gatun::kPoison;
  }
  for (int i = 0; i < p.d.batch; i++) {
    auto at = [i](const void *base, const Layout &l) { return (char *)base + (size_t)(i * l.batchStride) * sizeOf(l.type); };
    runOne(call, at(call.a, p.a), at(call.b, p.b), at(call.c, p.c), at(call.d, p.d), i);
  }
  return kSuccess;
}

template <class T> int make(T **out) { return out ? (*out = new T, kOk) : kInvalid; }

}  // namespace

API size_t cublasLtGetVersion() { return 130101; }
API size_t cublasLtGetCudartVersion() { return 13000; }
API const char *cublasLtGetStatusName(int status) {
  switch (status) {
    case 0: return "CUBLAS_STATUS_SUCCESS";
    case 1: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3: return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7: return "CUBLAS_STATUS_INVALID_VALUE";
    case 8: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 13: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15: return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "CUBLAS_STATUS unknown";
}
API const char *cublasLtGetStatusString(int status) { return cublasLtGetStatusName(status); }
API int cublasLtCreate(Handle **handle) { return currentDevice() < 0 ? kNoHandle : make(handle); }
API int cublasLtDestroy(Handle *handle) {
  if (!handle || handle->magic != 0x1717) return kNoHandle;
  handle->magic = 0;
  delete handle;
  return kOk;
}
API int cublasLtMatmulDescCreate(Desc **desc, int compute, int scale) {
  if (int status = make(desc)) return status;
  (*desc)->compute = compute;
  (*desc)->scale = scale;
  return kOk;
}
API int cublasLtMatmulDescDestroy(Desc *desc) { return delete desc, kOk; }
API int cublasLtMatmulDescSetAttribute(Desc *d, int name, const void *value, size_t bytes) { return d ? put(fieldsOf(d), name, value, bytes) : kInvalid; }
API int cublasLtMatmulDescGetAttribute(Desc *d, int name, void *value, size_t bytes, size_t *written) {
  return d ? get(fieldsOf(d), name, value, bytes, written) : kInvalid;
}
API int cublasLtMatrixLayoutCreate(Layout **layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  if (int status = make(layout)) return status;
  (*layout)->type = type;
  (*layout)->rows = rows;
  (*layout)->columns = columns;
  (*layout)->leading = leading;
  return kOk;
}
API int cublasLtMatrixLayoutDestroy(Layout *layout) { return delete layout, kOk; }
API int cublasLtMatrixLayoutSetAttribute(Layout *l, int name, const void *value, size_t bytes) { return l ? put(fieldsOf(l), name, value, bytes) : kInvalid; }
API int cublasLtMatrixLayoutGetAttribute(Layout *l, int name, void *value, size_t bytes, size_t *written) {
  return l ? get(fieldsOf(l), name, value, bytes, written) : kInvalid;
}
API int cublasLtMatmulPreferenceCreate(Preference **preference) { return make(preference); }
API int cublasLtMatmulPreferenceDestroy(Preference *preference) { return delete preference, kOk; }
API int cublasLtMatmulPreferenceSetAttribute(Preference *p, int name, const void *value, size_t bytes) {
  return p ? put(fieldsOf(p), name, value, bytes) : kInvalid;
}
API int cublasLtMatmulPreferenceGetAttribute(Preference *p, int name, void *value, size_t bytes, size_t *written) {
  return p ? get(fieldsOf(p), name, value, bytes, written) : kInvalid;
}

// Two candidates: one that wants a workspace, if the preference grants it, and one that wants none.
API int cublasLtMatmulAlgoGetHeuristic(Handle *handle, const Desc *desc, const Layout *a, const Layout *b, const Layout *c, const Layout *d,
                                       const Preference *preference, int wanted, Heuristic *results, int *found) {
  if (!handle || handle->magic != 0x1717) return kNoHandle;
  if (!preference || !results || !found || wanted < 1) return kInvalid;
  *found = 0;
  Problem p;
  if (int status = problemOf(desc, a, b, c, d, &p)) return status;
  for (uint64_t workspace : {(uint64_t)kSplitWorkspace, (uint64_t)0}) {
    if (workspace > preference->workspace || *found == wanted) continue;
    Heuristic &r = results[(*found)++];
    memset(&r, 0, sizeof r);
    r.algo = Algo{kMagic, numberOf(p), workspace, {}, (uint32_t)*found, {}};
    memcpy(r.algo.alignment, preference->alignment, sizeof r.algo.alignment);
    r.workspace = workspace;
    r.waves = 1;
  }
  return kOk;
}

API int cublasLtMatmul(Handle *handle, const Desc *desc, const float *alpha, const void *a, const Layout *la, const void *b, const Layout *lb,
                       const float *beta, const void *c, const Layout *lc, void *d, const Layout *ld, const Algo *algo, void *workspace,
                       size_t workspaceBytes, void *stream) {
  if (!handle || handle->magic != 0x1717) return kNoHandle;
  if (!alpha || !beta || !a || !b || !d) return kInvalid;
  Call call{};
  if (int status = problemOf(desc, la, lb, lc, ld, &call.p)) return status;
  if (desc->pointerMode > 1) return kUnsupported;
  if (desc->pointerMode == 1) call.deviceAlpha = alpha, call.deviceBeta = beta;
  else call.alpha = *alpha, call.beta = *beta;
  if (!c && (desc->pointerMode == 1 || call.beta != 0)) return kInvalid;
  call.a = a, call.b = b, call.c = c, call.d = d;
  if (c == d && (lc->leading != ld->leading || lc->batchStride != ld->batchStride)) return kInvalid;
  if (algo) {
    if (algo->magic != kMagic || algo->problem != numberOf(call.p)) return kUnsupported;
    if (algo->workspace > workspaceBytes || (algo->workspace && (!workspace || (uintptr_t)workspace % 16))) return kInvalid;
    const void *pointers[] = {a, b, c && call.beta != 0 ? c : d, d};
    // An algorithm chosen for aligned matrices reads other ones wrongly, or faults.
    for (int i = 0; i < 4; i++) if (algo->alignment[i] && (uintptr_t)pointers[i] % algo->alignment[i]) return kUnsupported;
    call.workspace = workspace;
    call.workspaceBytes = algo->workspace;
  }
  int status = enqueue(stream, "cublasLtMatmul", [call]() mutable { return run(call); });
  return status ? kExecution : kOk;
}
