// A finalized operation graph of the emulated cuDNN, and its interpretation.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace emulator {

enum DataType { kFloat = 0, kHalf = 2, kInt32 = 4, kBfloat16 = 9, kInt64 = 10, kBoolean = 11 };
enum PointwiseMode {
  kAdd = 0, kMul = 1, kDiv = 6, kSub = 9, kExp = 13, kLog = 15, kIdentity = 21, kGreater = 302, kAtLeast = 303, kIndex = 501, kSelect = 601
};
constexpr int kReduceAdd = 0, kReduceMax = 3;

struct TensorDesc {
  int64_t uid;
  int type;
  std::vector<int64_t> dims, strides;
  int64_t alignment;
  bool isVirtual, byValue;
  int64_t volume() const;
  int64_t extent() const;  // elements from the first to the last in memory
  std::string name() const;
};
typedef std::shared_ptr<const TensorDesc> TensorPtr;

struct OperationDesc {
  enum Kind { kMatmul, kPointwise, kReduction, kReshape } kind;
  int mode = 0;  // of pointwise and reduction
  int64_t axis = 0;
  TensorPtr x, b, predicate, y;
};

struct GraphDesc {
  std::vector<OperationDesc> operations;  // each after those whose results it takes
  std::vector<TensorPtr> real;            // tensors that a variant pack must name
};

int bytesOf(int type);
// Sorts and checks; a sentence if the operations make no graph.
std::string assemble(std::vector<OperationDesc> operations, GraphDesc *graph);
// Why no kernel would be found for a graph that is valid, as observed with cuDNN 9.24; empty if there is none.
std::string withoutEngine(const GraphDesc &graph);
int64_t workspaceOf(const GraphDesc &graph);
// Computes all operations; what real tensors hold is at their addresses, by-value ones in `scalars`.
void interpret(const GraphDesc &graph, const std::map<int64_t, void *> &pointers, const std::map<int64_t, float> &scalars);

}  // namespace emulator
