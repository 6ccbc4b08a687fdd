// Interprets an operation graph: each tensor is a dense array of f32, rounded to its declared type when it is made.
#include "cudnn_graph.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "emulator.h"
#include "numbers.h"

namespace emulator {
namespace {

typedef std::vector<int64_t> Numbers;
typedef std::vector<float> Values;

std::string text(const Numbers &numbers) {
  std::string t = "[";
  for (size_t i = 0; i < numbers.size(); i++) t += (i ? ", " : "") + std::to_string(numbers[i]);
  return t + "]";
}

Numbers rowMajor(const Numbers &dims) {
  Numbers strides(dims.size());
  int64_t step = 1;
  for (size_t i = dims.size(); i-- > 0; step *= dims[i]) strides[i] = step;
  return strides;
}

// Strides to walk `of` while going over `over`: 0 where a dimension of 1 is repeated.
Numbers repeated(const Numbers &of, const Numbers &strides, const Numbers &over) {
  Numbers r(over.size());
  for (size_t i = 0; i < over.size(); i++) r[i] = of[i] == 1 && over[i] != 1 ? 0 : strides[i];
  return r;
}

// Calls visit(n, offsets) for each row of the last dimension; offsets by the strides given.
template <size_t N, class F> void rows(const Numbers &dims, const Numbers (&strides)[N], F visit) {
  Numbers index(dims.size());
  int64_t offsets[N] = {};
  int64_t count = 1;
  for (size_t i = 0; i + 1 < dims.size(); i++) count *= dims[i];
  for (int64_t n = 0; n < count; n++) {
    visit(n * dims.back(), offsets);
    for (size_t k = dims.size() - 1; k-- > 0;) {
      for (size_t s = 0; s < N; s++) offsets[s] += strides[s][k];
      if (++index[k] < dims[k]) break;
      for (size_t s = 0; s < N; s++) offsets[s] -= strides[s][k] * dims[k];
      index[k] = 0;
    }
  }
}

float rounded(float f, int type) {
  switch (type) {
    case kBfloat16: return roundBf16(f);
    case kHalf: return fromHalf(toHalf(f));
    case kBoolean: return f != 0;
    case kInt32: case kInt64: return std::trunc(f);
    default: return f;
  }
}

Values loadAll(const TensorDesc &t, const void *memory) {
  Values v(t.volume());
  Numbers strides[] = {t.strides};
  rows(t.dims, strides, [&](int64_t n, int64_t *at) {
    for (int64_t i = 0, o = at[0]; i < t.dims.back(); i++, o += t.strides.back()) {
      switch (t.type) {
        case kBfloat16: v[n + i] = fromBf16(((const uint16_t *)memory)[o]); break;
        case kHalf: v[n + i] = fromHalf(((const uint16_t *)memory)[o]); break;
        case kInt32: v[n + i] = (float)((const int32_t *)memory)[o]; break;
        default: v[n + i] = ((const float *)memory)[o];
      }
    }
  });
  return v;
}

void storeAll(const TensorDesc &t, const Values &v, void *memory) {
  Numbers strides[] = {t.strides};
  rows(t.dims, strides, [&](int64_t n, int64_t *at) {
    for (int64_t i = 0, o = at[0]; i < t.dims.back(); i++, o += t.strides.back()) {
      switch (t.type) {
        case kBfloat16: ((uint16_t *)memory)[o] = toBf16(v[n + i]); break;
        case kHalf: ((uint16_t *)memory)[o] = toHalf(v[n + i]); break;
        case kInt32: ((int32_t *)memory)[o] = (int32_t)v[n + i]; break;
        default: ((float *)memory)[o] = v[n + i];
      }
    }
  });
}

__attribute__((optimize("O3"))) Values matmul(const TensorDesc &a, const Values &va, const TensorDesc &b, const Values &vb, const TensorDesc &c) {
  size_t d = c.dims.size();
  int64_t m = c.dims[d - 2], n = c.dims[d - 1], k = a.dims[d - 1];
  Values out(c.volume());
  Numbers over(c.dims.begin(), c.dims.end() - 2);
  Numbers ad(a.dims.begin(), a.dims.end() - 2), bd(b.dims.begin(), b.dims.end() - 2), as = rowMajor(ad), bs = rowMajor(bd);
  over.push_back(1), ad.push_back(1), bd.push_back(1), as.push_back(0), bs.push_back(0);
  Numbers strides[] = {repeated(ad, as, over), repeated(bd, bs, over)};
  rows(over, strides, [&](int64_t batch, int64_t *at) {
    const float *pa = va.data() + at[0] * m * k, *pb = vb.data() + at[1] * k * n;
    float *pc = out.data() + batch * m * n;
    for (int64_t i = 0; i < m; i++) {
      float *__restrict__ row = pc + i * n;
      for (int64_t q = 0; q < k; q++) {
        float f = pa[i * k + q];
        const float *__restrict__ other = pb + q * n;
        for (int64_t j = 0; j < n; j++) row[j] += f * other[j];
      }
    }
  });
  return out;
}

float apply(int mode, float x, float b) {
  switch (mode) {
    case kAdd: return x + b;
    case kMul: return x * b;
    case kDiv: return x / b;
    case kSub: return x - b;
    case kExp: return std::exp(x);
    case kLog: return std::log(x);
    case kGreater: return x > b;
    case kAtLeast: return x >= b;
    default: return x;
  }
}

Values pointwise(const OperationDesc &op, const Values &vx, const Values *vb, const Values *vp) {
  const TensorDesc &y = *op.y;
  Values out(y.volume());
  auto walk = [&](const TensorPtr &t) { return repeated(t->dims, rowMajor(t->dims), y.dims); };
  Numbers strides[] = {walk(op.x), walk(op.b ? op.b : op.x), walk(op.predicate ? op.predicate : op.x), rowMajor(y.dims)};
  size_t last = y.dims.size() - 1;
  int64_t sx = strides[0][last], sb = strides[1][last], sp = strides[2][last];
  Numbers outer = rowMajor(y.dims);
  rows(y.dims, strides, [&](int64_t n, int64_t *at) {
    for (int64_t i = 0; i < y.dims[last]; i++) {
      if (op.mode == kIndex) {
        out[n + i] = (float)((n + i) / outer[op.axis] % y.dims[op.axis]);
        continue;
      }
      float x = vx[at[0] + i * sx], b = vb ? (*vb)[at[1] + i * sb] : 0;
      out[n + i] = op.mode == kSelect ? ((*vp)[at[2] + i * sp] != 0 ? x : b) : apply(op.mode, x, b);
    }
  });
  return out;
}

Values reduce(const OperationDesc &op, const Values &vx) {
  Values out(op.y->volume(), op.mode == kReduceMax ? -INFINITY : 0.0f);
  Numbers strides[] = {repeated(op.y->dims, rowMajor(op.y->dims), op.x->dims)};
  int64_t step = strides[0].back();
  rows(op.x->dims, strides, [&](int64_t n, int64_t *at) {
    for (int64_t i = 0; i < op.x->dims.back(); i++) {
      float &o = out[at[0] + i * step], v = vx[n + i];
      o = op.mode == kReduceMax ? (v > o || std::isnan(v) ? v : o) : o + v;
    }
  });
  return out;
}

// The same memory, by other strides.
Values reshape(const OperationDesc &op, const Values &vx) {
  Values memory(std::max(op.x->extent(), op.y->extent())), out(op.y->volume());
  Numbers from[] = {op.x->strides}, to[] = {op.y->strides};
  rows(op.x->dims, from, [&](int64_t n, int64_t *at) {
    for (int64_t i = 0; i < op.x->dims.back(); i++) memory[at[0] + i * op.x->strides.back()] = vx[n + i];
  });
  rows(op.y->dims, to, [&](int64_t n, int64_t *at) {
    for (int64_t i = 0; i < op.y->dims.back(); i++) out[n + i] = memory[at[0] + i * op.y->strides.back()];
  });
  return out;
}

bool broadcasts(const TensorDesc &from, const TensorDesc &to) {
  if (from.dims.size() != to.dims.size()) return false;
  for (size_t i = 0; i < to.dims.size(); i++) if (from.dims[i] != to.dims[i] && from.dims[i] != 1) return false;
  return true;
}

std::string checkOperation(const OperationDesc &o) {
  switch (o.kind) {
    case OperationDesc::kMatmul: {
      size_t d = o.y->dims.size();
      if (d < 3 || o.x->dims.size() != d || o.b->dims.size() != d) return "a matmul's tensors need the same number of dimensions, 3 or more";
      if (o.x->dims[d - 1] != o.b->dims[d - 2]) return "matmul: A's last dimension is not B's last but one: " + o.x->name() + " by " + o.b->name();
      if (o.x->dims[d - 2] != o.y->dims[d - 2] || o.b->dims[d - 1] != o.y->dims[d - 1]) return "matmul: C does not fit: " + o.x->name() + " by " + o.b->name() + " into " + o.y->name();
      for (size_t i = 0; i + 2 < d; i++) {
        for (const TensorPtr &t : {o.x, o.b}) if (t->dims[i] != o.y->dims[i] && t->dims[i] != 1) return "matmul: batch dimensions differ: " + t->name() + " into " + o.y->name();
      }
      return "";
    }
    case OperationDesc::kPointwise: {
      bool two = o.mode == kAdd || o.mode == kMul || o.mode == kDiv || o.mode == kSub || o.mode == kGreater || o.mode == kAtLeast || o.mode == kSelect;
      bool one = o.mode == kExp || o.mode == kLog || o.mode == kIdentity || o.mode == kIndex;
      if (!two && !one) return "pointwise mode " + std::to_string(o.mode) + " is not emulated";
      if (two != (o.b != nullptr)) return "a pointwise operation of mode " + std::to_string(o.mode) + (two ? " needs a B" : " has no B");
      if ((o.mode == kSelect) != (o.predicate != nullptr)) return "a predicate is what selects, and nothing else";
      if (o.predicate && o.predicate->type != kBoolean) return "a predicate must be BOOLEAN: " + o.predicate->name();
      if (o.mode == kIndex && (o.axis < 0 || o.axis >= (int64_t)o.y->dims.size())) return "no such axis: " + std::to_string(o.axis);
      for (const TensorPtr &t : {o.x, o.b, o.predicate}) if (t && !broadcasts(*t, *o.y)) return "pointwise: " + t->name() + " does not fit " + o.y->name();
      return "";
    }
    case OperationDesc::kReduction:
      if (o.mode != kReduceAdd && o.mode != kReduceMax) return "reduction " + std::to_string(o.mode) + " is not emulated";
      return broadcasts(*o.y, *o.x) ? "" : "reduction: " + o.x->name() + " does not reduce to " + o.y->name();
    case OperationDesc::kReshape:
      return o.x->volume() == o.y->volume() ? "" : "reshape: " + o.x->name() + " has not as many elements as " + o.y->name();
  }
  return "";
}

}  // namespace

int64_t TensorDesc::volume() const {
  int64_t v = 1;
  for (int64_t d : dims) v *= d;
  return v;
}
int64_t TensorDesc::extent() const {
  int64_t e = 1;
  for (size_t i = 0; i < dims.size(); i++) e += (dims[i] - 1) * strides[i];
  return e;
}
std::string TensorDesc::name() const {
  return "tensor " + std::to_string(uid) + " of type " + std::to_string(type) + " " + text(dims) + " by " + text(strides);
}

int bytesOf(int type) {
  switch (type) {
    case kBoolean: return 1;
    case kHalf: case kBfloat16: return 2;
    case kInt64: return 8;
    default: return 4;
  }
}

std::string assemble(std::vector<OperationDesc> operations, GraphDesc *graph) {
  std::map<int64_t, TensorPtr> byUid;
  std::map<int64_t, int> made;
  for (const OperationDesc &o : operations) {
    std::string wrong = checkOperation(o);
    if (!wrong.empty()) return wrong;
    for (const TensorPtr &t : {o.x, o.b, o.predicate, o.y}) {
      if (!t) continue;
      TensorPtr &known = byUid[t->uid];
      // The real library takes this, and mixes up the addresses.
      if (known && known != t) return "two tensors share the uid " + std::to_string(t->uid);
      known = t;
    }
    if (made[o.y->uid]++) return o.y->name() + " is the result of two operations";
    if (o.y->byValue) return o.y->name() + " is a result, and cannot be by value";
  }
  std::set<int64_t> ready;
  for (auto &entry : byUid) {
    const TensorDesc &t = *entry.second;
    if (!made.count(t.uid) && t.isVirtual) return t.name() + " is virtual, and no operation makes it";
    if (!made.count(t.uid)) ready.insert(t.uid);
    if (!t.isVirtual) graph->real.push_back(entry.second);
  }
  while (!operations.empty()) {
    auto runs = [&](const OperationDesc &o) {
      for (const TensorPtr &t : {o.x, o.b, o.predicate}) if (t && !ready.count(t->uid)) return false;
      return true;
    };
    auto next = std::find_if(operations.begin(), operations.end(), runs);
    if (next == operations.end()) return "the operations depend on each other in a circle";
    ready.insert(next->y->uid);
    graph->operations.push_back(*next);
    operations.erase(next);
  }
  return "";
}

std::string withoutEngine(const GraphDesc &graph) {
  int halves = -1;
  for (const TensorPtr &t : graph.real) {
    if (t->byValue || t->dims.size() != 4) continue;
    if (t->type == kHalf || t->type == kBfloat16) {
      if (halves >= 0 && t->type != halves) return "FP16 and BF16 are mixed: " + t->name();
      halves = t->type;
      bool rows = t->strides[3] == 1, columns = t->strides[2] == 1;
      if (!rows && !columns) return t->name() + " has no stride of 1";
      if (t->dims[rows ? 3 : 2] % 8) return "the head size is not a multiple of 8: " + t->name();
    }
  }
  std::set<int64_t> quotients, realInputs;
  for (const TensorPtr &t : graph.real) realInputs.insert(t->uid);
  for (const OperationDesc &o : graph.operations) {
    realInputs.erase(o.y->uid);
    if (o.kind == OperationDesc::kPointwise && o.mode == kDiv) quotients.insert(o.y->uid);
  }
  for (const OperationDesc &o : graph.operations) {
    if (o.kind != OperationDesc::kMatmul) continue;
    for (const TensorPtr &t : {o.x, o.b}) if (realInputs.count(t->uid) && t->type != halves) return "a matmul's input is not BF16 or FP16: " + t->name();
    if (quotients.count(o.x->uid) && o.x->type != halves) return "the weights must be rounded before they multiply the values: " + o.x->name();
  }
  return "";
}

// 256 bytes as on a Hopper; without a buffer of the caller's for dQ, the scores' gradients besides.
int64_t workspaceOf(const GraphDesc &graph) {
  int matmuls = 0;
  int64_t scores = 0;
  bool buffered = false;
  for (const OperationDesc &o : graph.operations) {
    if (o.kind != OperationDesc::kMatmul) continue;
    matmuls++;
    if (o.y->isVirtual) scores = std::max(scores, o.y->volume());
    buffered |= !o.y->isVirtual && o.y->type == kFloat;
  }
  return 256 + (matmuls >= 4 && !buffered ? scores * 2 : 0);
}

void interpret(const GraphDesc &graph, const std::map<int64_t, void *> &pointers, const std::map<int64_t, float> &scalars) {
  for (const TensorPtr &t : graph.real) {
    if (t->byValue) continue;
    size_t bytes = (size_t)t->extent() * bytesOf(t->type);
    auto address = (uintptr_t)pointers.at(t->uid);
    if (!blockOf(address, bytes)) fail(kIllegalAddress, t->name() + " leaves device memory: its last byte is " + describe(address + bytes - 1));
  }
  std::map<int64_t, Values> values;
  auto get = [&](const TensorPtr &t) -> const Values & {
    auto it = values.find(t->uid);
    if (it != values.end()) return it->second;
    return values[t->uid] = t->byValue ? Values(1, scalars.at(t->uid)) : loadAll(*t, pointers.at(t->uid));
  };
  for (const OperationDesc &o : graph.operations) {
    Values out;
    switch (o.kind) {
      case OperationDesc::kMatmul: out = matmul(*o.x, get(o.x), *o.b, get(o.b), *o.y); break;
      case OperationDesc::kPointwise:
        out = pointwise(o, get(o.x), o.b ? &get(o.b) : nullptr, o.predicate ? &get(o.predicate) : nullptr);
        break;
      case OperationDesc::kReduction: out = reduce(o, get(o.x)); break;
      case OperationDesc::kReshape: out = reshape(o, get(o.x)); break;
    }
    for (float &f : out) f = rounded(f, o.y->type);
    if (!o.y->isVirtual) storeAll(*o.y, out, pointers.at(o.y->uid));
    values[o.y->uid] = std::move(out);
  }
}

}  // namespace emulator
