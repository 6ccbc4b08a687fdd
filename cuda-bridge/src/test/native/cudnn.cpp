// libcudnn.so.9 of the emulator: backend descriptors, checked when they are set and finalized; plans of operation graphs, which are
// interpreted. That a card has a kernel for a graph, only the real library can say (it does, without a device).
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "cudnn_graph.h"
#include "emulator.h"

using namespace emulator;

namespace {

enum Result { kOk = 0, kNotInitialised = 1001, kBadParam = 2000, kNull = 2002, kMisaligned = 2003, kNotFinalized = 2004, kUnsupported = 3000,
              kArchMismatch = 3007, kExecutionFailed = 5000 };
enum Kind { kPointwiseDesc = 0, kEngine = 2, kConfig = 3, kHeuristics = 4, kPlan = 5, kOpPointwise = 13, kOpGraph = 15, kVariantPack = 16, kTensor = 17,
            kMatmulDesc = 18, kOpMatmul = 19, kReductionDesc = 21, kOpReduction = 22, kOpReshape = 31, kDeviceProp = 38 };
enum ValueType { kTypeHandle = 0, kTypeData = 1, kTypeBool = 2, kTypeInt64 = 3, kTypeFloat = 4, kTypeDouble = 5, kTypePointer = 6, kTypeHeuristicMode = 8,
                 kTypeNumericalNote = 11, kTypePointwiseMode = 14, kTypeDescriptor = 15, kTypeReduction = 18, kTypeBehaviourNote = 19, kTypeInt32 = 23,
                 kTypeChar = 24 };

struct Rule { int kind, name, type; bool required; };
constexpr Rule kRules[] = {
  {kPointwiseDesc, 0, kTypePointwiseMode, true}, {kPointwiseDesc, 1, kTypeData, true}, {kPointwiseDesc, 9, kTypeInt64, false},
  {kEngine, 1300, kTypeDescriptor, false}, {kEngine, 1301, kTypeInt64, false}, {kEngine, 1303, kTypeNumericalNote, false},
  {kEngine, 1305, kTypeBehaviourNote, false}, {kConfig, 300, kTypeDescriptor, true},
  {kHeuristics, 200, kTypeHeuristicMode, true}, {kHeuristics, 201, kTypeDescriptor, true}, {kHeuristics, 202, kTypeDescriptor, false},
  {kHeuristics, 204, kTypeDescriptor, false},
  {kPlan, 400, kTypeHandle, false}, {kPlan, 401, kTypeDescriptor, true}, {kPlan, 402, kTypeInt64, false}, {kPlan, 407, kTypeDescriptor, false},
  {kOpPointwise, 750, kTypeDescriptor, true}, {kOpPointwise, 751, kTypeDescriptor, true}, {kOpPointwise, 752, kTypeDescriptor, false},
  {kOpPointwise, 753, kTypeDescriptor, true}, {kOpPointwise, 758, kTypeDescriptor, false},
  {kOpGraph, 800, kTypeHandle, false}, {kOpGraph, 801, kTypeDescriptor, true}, {kOpGraph, 802, kTypeInt64, false},
  {kVariantPack, 1000, kTypeInt64, true}, {kVariantPack, 1001, kTypePointer, true}, {kVariantPack, 1003, kTypePointer, true},
  {kTensor, 900, kTypeInt64, true}, {kTensor, 901, kTypeData, true}, {kTensor, 902, kTypeInt64, true}, {kTensor, 903, kTypeInt64, true},
  {kTensor, 906, kTypeInt64, true}, {kTensor, 907, kTypeBool, false}, {kTensor, 908, kTypeBool, false},
  {kMatmulDesc, 1500, kTypeData, true},
  {kOpMatmul, 1520, kTypeDescriptor, true}, {kOpMatmul, 1521, kTypeDescriptor, true}, {kOpMatmul, 1522, kTypeDescriptor, true},
  {kOpMatmul, 1523, kTypeDescriptor, true},
  {kReductionDesc, 1600, kTypeReduction, true}, {kReductionDesc, 1601, kTypeData, true},
  {kOpReduction, 1610, kTypeDescriptor, true}, {kOpReduction, 1611, kTypeDescriptor, true}, {kOpReduction, 1612, kTypeDescriptor, true},
  {kOpReshape, 2200, kTypeDescriptor, true}, {kOpReshape, 2201, kTypeDescriptor, true},
  {kDeviceProp, 2700, kTypeInt32, false}, {kDeviceProp, 2701, kTypeHandle, false}, {kDeviceProp, 2702, kTypeChar, false},
};

struct Descriptor {
  int kind;
  bool finalized = false;
  std::map<int, std::vector<char>> attributes;
  std::map<int, int64_t> counts;
  // What finalizing made.
  TensorPtr tensor;
  std::shared_ptr<OperationDesc> operation;
  std::shared_ptr<GraphDesc> graph;
  int architecture = 0;
  int candidate = 0;

  bool has(int name) const { return attributes.count(name) > 0; }
  template <class T> T get(int name, size_t i = 0) const {
    T value;
    memcpy(&value, attributes.at(name).data() + i * sizeof(T), sizeof(T));
    return value;
  }
  Descriptor *at(int name, size_t i = 0) const { return get<Descriptor *>(name, i); }
  int64_t count(int name) const { return counts.at(name); }
  std::string string(int name) const { return std::string(attributes.at(name).begin(), attributes.at(name).end()); }
};

struct Handle {
  void *stream = nullptr;
};

std::mutex liveLock;
std::set<const void *> &live = *new std::set<const void *>;
thread_local std::string lastError;

int refuse(int status, const std::string &why) {
  lastError = why;
  return status;
}
bool isLive(const void *p) {
  std::lock_guard<std::mutex> hold(liveLock);
  return live.count(p) > 0;
}
template <class T> T *born(T *p) {
  std::lock_guard<std::mutex> hold(liveLock);
  live.insert(p);
  return p;
}
bool buried(const void *p) {
  std::lock_guard<std::mutex> hold(liveLock);
  return live.erase(p) > 0;
}

size_t sizeOf(int type) {
  switch (type) {
    case kTypeBool: case kTypeChar: return 1;
    case kTypeHandle: case kTypeInt64: case kTypeDouble: case kTypePointer: case kTypeDescriptor: return 8;
    default: return 4;
  }
}
const Rule *ruleOf(int kind, int name) {
  for (const Rule &r : kRules) if (r.kind == kind && r.name == name) return &r;
  return nullptr;
}

int finalizeTensor(Descriptor *d) {
  auto t = std::make_shared<TensorDesc>();
  t->uid = d->get<int64_t>(906);
  t->type = d->get<int>(901);
  t->alignment = d->get<int64_t>(900);
  t->isVirtual = d->has(907) && d->get<char>(907);
  t->byValue = d->has(908) && d->get<char>(908);
  for (int64_t i = 0; i < d->count(902); i++) t->dims.push_back(d->get<int64_t>(902, i));
  for (int64_t i = 0; i < d->count(903); i++) t->strides.push_back(d->get<int64_t>(903, i));
  bool known = false;
  for (int type : {kFloat, kHalf, kInt32, kBfloat16, kInt64, kBoolean}) known |= t->type == type;
  if (!known) return refuse(kBadParam, "data type " + std::to_string(t->type) + " is not emulated");
  if (t->dims.empty() || t->dims.size() > 8 || t->dims.size() != t->strides.size()) return refuse(kBadParam, "as many strides as dimensions, 1 to 8: " + t->name());
  for (size_t i = 0; i < t->dims.size(); i++) if (t->dims[i] <= 0 || t->strides[i] <= 0) return refuse(kBadParam, "dimensions and strides must be positive: " + t->name());
  if (t->alignment <= 0 || t->alignment & (t->alignment - 1)) return refuse(kBadParam, "an alignment must be a power of two: " + t->name());
  if (t->isVirtual && t->byValue) return refuse(kBadParam, "virtual and by value: " + t->name());
  if (t->byValue && t->volume() != 1) return refuse(kBadParam, "one value: " + t->name());
  d->tensor = t;
  return kOk;
}

int finalizeOperation(Descriptor *d) {
  auto o = std::make_shared<OperationDesc>();
  auto tensor = [&](int name) -> TensorPtr { return d->has(name) ? d->at(name)->tensor : nullptr; };
  switch (d->kind) {
    case kOpMatmul: *o = {OperationDesc::kMatmul, 0, 0, tensor(1520), tensor(1521), nullptr, tensor(1522)}; break;
    case kOpPointwise: {
      Descriptor *mode = d->at(750);
      *o = {OperationDesc::kPointwise, mode->get<int>(0), mode->has(9) ? mode->get<int64_t>(9) : -1, tensor(751), tensor(752), tensor(758), tensor(753)};
      break;
    }
    case kOpReduction: *o = {OperationDesc::kReduction, d->at(1612)->get<int>(1600), 0, tensor(1610), nullptr, nullptr, tensor(1611)}; break;
    default: *o = {OperationDesc::kReshape, 0, 0, tensor(2200), nullptr, nullptr, tensor(2201)};
  }
  if (!o->x || !o->y || (d->kind == kOpMatmul && !o->b)) return refuse(kBadParam, "an operation's attributes must be tensors");
  GraphDesc alone;
  std::string wrong = assemble({*o}, &alone);
  // Alone it may take what other operations make.
  if (!wrong.empty() && wrong.find("no operation makes it") == std::string::npos) return refuse(kBadParam, wrong);
  d->operation = o;
  return kOk;
}

int finalizeGraph(Descriptor *d) {
  std::vector<OperationDesc> operations;
  for (int64_t i = 0; i < d->count(801); i++) {
    Descriptor *o = d->at(801, i);
    if (!o->operation) return refuse(kBadParam, "an operation graph is of operations");
    operations.push_back(*o->operation);
  }
  d->graph = std::make_shared<GraphDesc>();
  std::string wrong = assemble(operations, d->graph.get());
  return wrong.empty() ? kOk : refuse(kBadParam, wrong);
}

const char *const kDeviceKeys[] = {"deviceVer", "driverVer", "cudaDeviceId", "deviceName", "multiProcessorCount", "maxGridSize", "maxBlockSize",
    "regsPerBlock", "warpSize", "maxSharedMemoryPerBlock", "maxSharedMemoryPerBlockOptin", "reservedSharedMemoryPerBlock", "maxRegistersPerSM",
    "maxCtasPerSM", "maxThreadsPerBlock", "maxThreadsPerSM", "pciDeviceId", "isTccDriver", "supportCoopLaunch", "totalGlobalMem", "smClockRateKHz",
    "memClockRateKHz", "l2CacheSize"};

std::string describeDevice(int ordinal) {
  int cc = computeCapability();
  return "{\"cudnnVersion\":92400,\"schemaVersion\":4,\"deviceVer\":" + std::to_string(cc * 10) + ",\"driverVer\":13000,\"cudaDeviceId\":"
      + std::to_string(ordinal) + ",\"deviceName\":\"Gatun emulator (no GPU)\",\"multiProcessorCount\":4,\"maxGridSize\":[2147483647,65535,65535],"
      "\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,\"warpSize\":32,\"maxSharedMemoryPerBlock\":49152,"
      "\"maxSharedMemoryPerBlockOptin\":232448,\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":32,"
      "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"pciDeviceId\":0,\"isTccDriver\":0,\"supportCoopLaunch\":1,\"totalGlobalMem\":4294967296,"
      "\"smClockRateKHz\":1980000,\"memClockRateKHz\":3201000,\"l2CacheSize\":62914560,\"smCountOrigin\":0}";
}

int finalizeDevice(Descriptor *d) {
  if (d->has(2702)) {
    std::string json = d->string(2702);
    for (const char *key : kDeviceKeys) {
      if (json.find("\"" + std::string(key) + "\"") == std::string::npos) return refuse(kBadParam, "!json_object.HasMember(\"" + std::string(key) + "\")");
    }
    size_t at = json.find(':', json.find("\"deviceVer\""));
    d->architecture = atoi(json.c_str() + at + 1) / 10;
    return kOk;
  }
  if (!d->has(2700) && !d->has(2701)) return refuse(kBadParam, "device properties need a device, a handle or a text");
  int ordinal = d->has(2700) ? d->get<int>(2700) : currentDevice();
  if (ordinal < 0 || ordinal >= setting("DEVICES", 1)) return refuse(kBadParam, "there is no device " + std::to_string(ordinal));
  std::string json = describeDevice(ordinal);
  d->attributes[2702].assign(json.begin(), json.end());
  d->counts[2702] = (int64_t)json.size();
  d->architecture = computeCapability();
  return kOk;
}

int architectureOf(Descriptor *d, int deviceName, int handleName) {
  if (d->has(deviceName)) return d->at(deviceName)->architecture;
  return d->has(handleName) ? computeCapability() : 0;
}

int finalizeHeuristics(Descriptor *d) {
  Descriptor *graph = d->at(201);
  if (!graph->graph) return refuse(kBadParam, "heuristics are asked about an operation graph");
  d->architecture = architectureOf(d, 204, -1);
  if (!d->architecture) d->architecture = architectureOf(graph, -1, 800);
  if (!d->architecture) return refuse(kBadParam, "heuristics need a device: its properties here, or a handle in the graph");
  d->graph = graph->graph;
  return kOk;
}

int finalizePlan(Descriptor *d) {
  Descriptor *config = d->at(401);
  if (!config->graph) return refuse(kBadParam, "a plan needs a configuration that the heuristics gave");
  d->architecture = architectureOf(d, 407, 400);
  if (!d->architecture) return refuse(kBadParam, "a plan needs a device's properties or a handle: the real library ends the process without");
  if (d->architecture != config->architecture) return refuse(kArchMismatch, "the configuration is for another device");
  d->graph = config->graph;
  d->candidate = config->candidate;
  return kOk;
}

int finalizePack(Descriptor *d) {
  std::set<int64_t> seen;
  if (d->count(1000) != d->count(1001)) return refuse(kBadParam, "as many pointers as uids");
  for (int64_t i = 0; i < d->count(1000); i++) {
    // The real library takes duplicates, and uses either.
    if (!seen.insert(d->get<int64_t>(1000, i)).second) return refuse(kBadParam, "two pointers for uid " + std::to_string(d->get<int64_t>(1000, i)));
  }
  return kOk;
}

// Candidates 0 and 1 differ in what they want of workspace.
int64_t workspaceOf(const Descriptor &plan) { return plan.candidate == 0 ? workspaceOf(*plan.graph) : workspaceOf(*plan.graph) + 4096; }

int results(Descriptor *d, int64_t wanted, int64_t *count, void *out) {
  std::string why = withoutEngine(*d->graph);
  if (!why.empty()) lastError = why;
  int mode = d->get<int>(200);
  int64_t found = why.empty() && mode != 2 ? 2 : 0;
  if (wanted == 0 || !out) return *count = found, kOk;
  auto configs = static_cast<Descriptor **>(out);
  *count = std::min(found, wanted);
  for (int64_t i = 0; i < *count; i++) {
    if (!isLive(configs[i]) || configs[i]->kind != kConfig) return refuse(kBadParam, "results go into configurations made for them");
    configs[i]->graph = d->graph;
    configs[i]->architecture = d->architecture;
    configs[i]->candidate = (int)i;
    configs[i]->finalized = true;
  }
  return kOk;
}

template <class T> int give(const std::vector<T> &values, int64_t wanted, int64_t *count, void *out) {
  if (count) *count = (int64_t)values.size();
  if (out) memcpy(out, values.data(), std::min<size_t>(values.size(), (size_t)wanted) * sizeof(T));
  return kOk;
}

}  // namespace

API size_t cudnnGetVersion() { return 92400; }
API size_t cudnnGetMaxDeviceVersion() { return 1210; }
API size_t cudnnGetCudartVersion() { return 13030; }
API const char *cudnnGetErrorString(int status) {
  switch (status) {
    case 0: return "CUDNN_STATUS_SUCCESS";
    case 1001: return "CUDNN_STATUS_NOT_INITIALIZED";
    case 2000: return "CUDNN_STATUS_BAD_PARAM";
    case 2002: return "CUDNN_STATUS_BAD_PARAM_NULL_POINTER";
    case 2003: return "CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER";
    case 2004: return "CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED";
    case 3000: return "CUDNN_STATUS_NOT_SUPPORTED";
    case 3007: return "CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH";
    case 5000: return "CUDNN_STATUS_EXECUTION_FAILED";
  }
  return "CUDNN_UNKNOWN_STATUS";
}
API void cudnnGetLastErrorString(char *text, size_t bytes) {
  if (bytes) snprintf(text, bytes, "%s", lastError.c_str());
}
API int cudnnCreate(Handle **handle) {
  if (!handle) return kNull;
  if (currentDevice() < 0) return refuse(kNotInitialised, "there is no current CUDA context");
  *handle = born(new Handle);
  return kOk;
}
API int cudnnDestroy(Handle *handle) {
  if (!buried(handle)) return kBadParam;
  delete handle;
  return kOk;
}
API int cudnnSetStream(Handle *handle, void *stream) {
  if (!isLive(handle)) return refuse(kBadParam, "no handle");
  handle->stream = stream;
  return kOk;
}
API int cudnnGetStream(Handle *handle, void **stream) {
  if (!isLive(handle)) return refuse(kBadParam, "no handle");
  *stream = handle->stream;
  return kOk;
}

API int cudnnBackendCreateDescriptor(int kind, Descriptor **descriptor) {
  if (!descriptor) return kNull;
  bool known = kind == kEngine;
  for (const Rule &r : kRules) known |= r.kind == kind;
  if (!known) return refuse(kUnsupported, "descriptors of type " + std::to_string(kind) + " are not emulated");
  *descriptor = born(new Descriptor{kind});
  return kOk;
}
API int cudnnBackendDestroyDescriptor(Descriptor *d) {
  if (!buried(d)) return refuse(kBadParam, "no descriptor");
  delete d;
  return kOk;
}
API int cudnnBackendSetAttribute(Descriptor *d, int name, int type, int64_t count, const void *values) {
  if (!isLive(d) || !values) return refuse(kNull, "no descriptor, or no values");
  if (d->finalized) return refuse(kBadParam, "the descriptor is finalized");
  const Rule *rule = ruleOf(d->kind, name);
  if (!rule) return refuse(kBadParam, "a descriptor of type " + std::to_string(d->kind) + " has no attribute " + std::to_string(name));
  if (rule->type != type) return refuse(kBadParam, "attribute " + std::to_string(name) + " has values of type " + std::to_string(rule->type) + ", not " + std::to_string(type));
  bool many = name == 801 || name == 902 || name == 903 || name == 1000 || name == 1001 || name == 2702;
  if (count < 1 || (!many && count != 1)) return refuse(kBadParam, "attribute " + std::to_string(name) + " cannot have " + std::to_string(count) + " values");
  if (type == kTypeDescriptor) {
    for (int64_t i = 0; i < count; i++) {
      auto other = static_cast<Descriptor *const *>(values)[i];
      if (!isLive(other)) return refuse(kBadParam, "attribute " + std::to_string(name) + " is no descriptor");
      if (!other->finalized) return refuse(kNotFinalized, "attribute " + std::to_string(name) + " is not finalized");
    }
  }
  auto bytes = static_cast<const char *>(values);
  d->attributes[name].assign(bytes, bytes + (size_t)count * sizeOf(type));
  d->counts[name] = count;
  return kOk;
}
API int cudnnBackendFinalize(Descriptor *d) {
  if (!isLive(d)) return refuse(kNull, "no descriptor");
  for (const Rule &r : kRules) {
    if (r.kind == d->kind && r.required && !d->has(r.name)) return refuse(kBadParam, "attribute " + std::to_string(r.name) + " is not set");
  }
  int status = kOk;
  switch (d->kind) {
    case kTensor: status = finalizeTensor(d); break;
    case kOpMatmul: case kOpPointwise: case kOpReduction: case kOpReshape: status = finalizeOperation(d); break;
    case kOpGraph: status = finalizeGraph(d); break;
    case kHeuristics: status = finalizeHeuristics(d); break;
    case kPlan: status = finalizePlan(d); break;
    case kVariantPack: status = finalizePack(d); break;
    case kDeviceProp: status = finalizeDevice(d); break;
  }
  d->finalized = status == kOk;
  return status;
}
API int cudnnBackendGetAttribute(Descriptor *d, int name, int type, int64_t wanted, int64_t *count, void *out) {
  if (!isLive(d)) return refuse(kNull, "no descriptor");
  if (!d->finalized) return refuse(kNotFinalized, "the descriptor is not finalized");
  const Rule *rule = ruleOf(d->kind, name);
  if (!rule || rule->type != type) return refuse(kBadParam, "no attribute " + std::to_string(name) + " of type " + std::to_string(type));
  int64_t ignored;
  if (!count) count = &ignored;
  if (d->kind == kHeuristics && name == 202) return results(d, wanted, count, out);
  if (d->kind == kPlan && name == 402) return give(std::vector<int64_t>{workspaceOf(*d)}, wanted, count, out);
  if (d->kind == kOpGraph && name == 802) return give(std::vector<int64_t>{2}, wanted, count, out);
  if (d->kind == kConfig && name == 300) {
    *count = 1;
    if (wanted == 0 || !out) return kOk;
    Descriptor *engine = *static_cast<Descriptor **>(out);
    if (!isLive(engine) || engine->kind != kEngine) return refuse(kBadParam, "an engine goes into an engine made for it");
    engine->candidate = d->candidate;
    engine->finalized = true;
    return kOk;
  }
  if (d->kind == kEngine && name == 1301) return give(std::vector<int64_t>{900 + d->candidate}, wanted, count, out);
  if (d->kind == kEngine && name == 1303) return give(std::vector<int>{}, wanted, count, out);
  if (d->kind == kEngine && name == 1305) return give(std::vector<int>{3}, wanted, count, out);  // may be captured
  if (!d->has(name)) return *count = 0, kOk;
  *count = d->counts[name];
  if (out) memcpy(out, d->attributes[name].data(), (size_t)std::min(wanted, *count) * sizeOf(type));
  return kOk;
}

API int cudnnBackendExecute(Handle *handle, Descriptor *plan, Descriptor *pack) {
  if (!handle || !isLive(handle)) return refuse(kBadParam, "no handle");
  if (!isLive(plan) || plan->kind != kPlan || !isLive(pack) || pack->kind != kVariantPack) return refuse(kBadParam, "a plan and a variant pack are needed");
  if (!plan->finalized || !pack->finalized) return refuse(kNotFinalized, "the plan or the variant pack is not finalized");
  if (plan->architecture != computeCapability()) return refuse(kArchMismatch, "the plan is for sm_" + std::to_string(plan->architecture));
  std::map<int64_t, void *> pointers;
  std::map<int64_t, float> scalars;
  for (int64_t i = 0; i < pack->count(1000); i++) pointers[pack->get<int64_t>(1000, i)] = pack->get<void *>(1001, i);
  for (const TensorPtr &t : plan->graph->real) {
    auto it = pointers.find(t->uid);
    if (it == pointers.end() || !it->second) return refuse(kBadParam, "the variant pack has no pointer for " + t->name());
    auto address = (uintptr_t)it->second;
    if (t->byValue) {
      if (blockOf(address, 4)) return refuse(kBadParam, t->name() + " is by value: its pointer must be the host's");
      if (t->type != kFloat) return refuse(kUnsupported, "values other than f32 are not emulated");
      memcpy(&scalars[t->uid], it->second, 4);
    } else if (address % (uintptr_t)t->alignment) {
      return refuse(kMisaligned, t->name() + " is not at a multiple of " + std::to_string(t->alignment) + " bytes");
    }
  }
  auto workspace = pack->get<void *>(1003);
  int64_t bytes = workspaceOf(*plan);
  if (!workspace && bytes) return refuse(kBadParam, "the plan needs a workspace of " + std::to_string(bytes) + " bytes");
  auto graph = plan->graph;
  int status = enqueue(handle->stream, "cudnnBackendExecute", [=]() -> int {
    // All of it is written, so that a workspace in use elsewhere, or too small, shows.
    if (!blockOf((uintptr_t)workspace, (size_t)bytes)) fail(kIllegalAddress, "the workspace of " + std::to_string(bytes) + " bytes leaves device memory");
    for (int64_t i = 0; i < bytes / 4; i++) static_cast<unsigned *>(workspace)[i] = gatun::kPoison;
    interpret(*graph, pointers, scalars);
    return kSuccess;
  });
  return status ? refuse(kExecutionFailed, "the driver refused with " + std::to_string(status)) : kOk;
}
