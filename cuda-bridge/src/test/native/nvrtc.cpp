// libnvrtc.so.13 of the emulator: compiles CUDA C++ for the processor with g++. The "cubin" is a shared object whose one symbol lists the
// kernels. Results are kept on disk by a hash of all that goes into them.
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))
extern char **environ;

namespace {

enum Result { kSuccess, kOutOfMemory, kProgramCreation, kInvalidInput, kInvalidProgram, kInvalidOption, kCompilation, kBuiltin };
constexpr int kArchitectures[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

struct Header { std::string name, source; };
struct Program {
  std::string source, name;
  std::vector<Header> headers;
  std::string log, cubin;
  int architecture = 0;
  bool compiled = false;
};

std::string folder() {
  Dl_info info;
  dladdr((void *)&folder, &info);
  std::string path = info.dli_fname;
  return path.substr(0, path.find_last_of('/'));
}

bool read(const std::string &path, std::string *text) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  std::stringstream all;
  all << file.rdbuf();
  *text = all.str();
  return true;
}

void write(const std::string &path, const std::string &text) { std::ofstream(path, std::ios::binary) << text; }

void erase(std::string *text, const std::string &what) {
  for (size_t at; (at = text->find(what)) != std::string::npos;) text->erase(at, what.size());
}

void makeFolders(const std::string &path) {
  for (size_t at = 1; (at = path.find('/', at)) != std::string::npos; at++) mkdir(path.substr(0, at).c_str(), 0777);
  mkdir(path.c_str(), 0777);
}

std::string hash(const std::string &text) {
  unsigned long long a = 14695981039346656037u, b = 0x9E3779B97F4A7C15u;
  for (unsigned char c : text) {
    a = (a ^ c) * 1099511628211u;
    b = (b + c) * 0xBF58476D1CE4E5B9u;
    b ^= b >> 29;
  }
  char name[40];
  snprintf(name, sizeof name, "%016llx%016llx", a, b);
  return name;
}

// ---- options

struct Options {
  std::vector<std::string> toCompiler;
  int architecture = 75;
  std::string wrong;
};

bool startsWith(const std::string &text, const std::string &start) { return text.compare(0, start.size(), start) == 0; }

Options parse(const std::vector<std::string> &given) {
  Options o;
  auto valueOf = [](const std::string &option) { return option.substr(option.find('=') + 1); };
  for (size_t i = 0; i < given.size(); i++) {
    const std::string &g = given[i];
    if (startsWith(g, "--gpu-architecture=") || startsWith(g, "-arch=")) {
      std::string value = valueOf(g);
      size_t digits = value.find_first_of("0123456789");
      o.architecture = digits == std::string::npos ? 0 : atoi(value.c_str() + digits);
      bool known = std::count(std::begin(kArchitectures), std::end(kArchitectures), o.architecture) > 0;
      if (!known || (!startsWith(value, "sm_") && !startsWith(value, "compute_"))) o.wrong = g;
    } else if ((g == "-D" || g == "-I" || g == "-U") && i + 1 < given.size()) {
      o.toCompiler.push_back(g + given[++i]);
    } else if (startsWith(g, "-D") || startsWith(g, "-U") || startsWith(g, "-I")) {
      o.toCompiler.push_back(g);
    } else if (startsWith(g, "--define-macro=")) {
      o.toCompiler.push_back("-D" + valueOf(g));
    } else if (startsWith(g, "--undefine-macro=")) {
      o.toCompiler.push_back("-U" + valueOf(g));
    } else if (startsWith(g, "--include-path=")) {
      o.toCompiler.push_back("-I" + valueOf(g));
    } else if (startsWith(g, "--std=") || startsWith(g, "-std=")) {
      o.toCompiler.push_back("-std=" + valueOf(g));
    } else {
      // What has no meaning here: fused multiply-add and approximations are the GPU's.
      static const char *const ignored[] = {"--use_fast_math", "-use_fast_math", "--ptxas-options", "-Xptxas", "--fmad=", "-fmad=", "-lineinfo",
          "--generate-line-info", "--maxrregcount", "-maxrregcount", "-w", "--disable-warnings", "--extra-device-vectorization",
          "-default-device", "--device-as-default-execution-space", "--restrict", "-restrict", "--ftz=", "--prec-div=", "--prec-sqrt=",
          "-ftz=", "-prec-div=", "-prec-sqrt=", "--relocatable-device-code=false", "--dopt", "-dopt", "--warning-as-error", "--split-compile"};
      bool known = false;
      for (const char *start : ignored) known |= startsWith(g, start);
      if (!known) o.wrong = g;
    }
  }
  return o;
}

// ---- the kernels of a preprocessed source

struct Found { std::string name, bound; };

bool isWord(char c) { return isalnum((unsigned char)c) || c == '_'; }

// Blanks __global__ and __launch_bounds__(...) out of the text, line by line, and lists the kernels with C linkage that it defines.
std::vector<Found> takeKernels(std::string *text) {
  std::string &s = *text;
  std::vector<Found> found;
  std::vector<bool> braces;  // whether each open one is of extern "C"
  size_t statement = 0;      // where the current declaration begins
  auto blank = [&](size_t from, size_t to) { for (size_t i = from; i < to; i++) if (s[i] != '\n') s[i] = ' '; };
  auto closing = [&](size_t open) {
    int depth = 0;
    for (size_t i = open; i < s.size(); i++) {
      if (s[i] == '(') depth++;
      if (s[i] == ')' && --depth == 0) return i;
    }
    return s.size();
  };
  for (size_t i = 0; i < s.size(); i++) {
    char c = s[i];
    if (c == '#' && (i == 0 || s[i - 1] == '\n')) {
      i = std::min(s.find('\n', i), s.size() - 1);
      if (statement == i || s.find_first_not_of(" \n\t", statement) >= i) statement = i + 1;
    } else if (c == '"' || c == '\'') {
      for (i++; i < s.size() && s[i] != c; i++) if (s[i] == '\\') i++;
    } else if (c == ';') {
      statement = i + 1;
    } else if (c == '{') {
      std::string before = s.substr(statement, i - statement);
      size_t last = before.find_last_not_of(" \n\t");
      braces.push_back(last != std::string::npos && last >= 2 && before.compare(last - 2, 3, "\"C\"") == 0);
      statement = i + 1;
    } else if (c == '}') {
      if (!braces.empty()) braces.pop_back();
      statement = i + 1;
    } else if (isWord(c)) {
      size_t end = i;
      while (end < s.size() && isWord(s[end])) end++;
      if (s.compare(i, end - i, "__global__") == 0) {
        std::string before = s.substr(statement, i - statement);
        bool linkage = before.find("\"C\"") != std::string::npos || std::count(braces.begin(), braces.end(), true) > 0;
        blank(i, end);
        Found f{"", "1024"};
        for (size_t k = end; k < s.size() && f.name.empty(); ) {
          if (!isWord(s[k])) { k++; continue; }
          size_t wordEnd = k;
          while (wordEnd < s.size() && isWord(s[wordEnd])) wordEnd++;
          std::string word = s.substr(k, wordEnd - k);
          size_t next = s.find_first_not_of(" \n\t", wordEnd);
          bool call = next != std::string::npos && s[next] == '(';
          if (word == "__launch_bounds__" && call) {
            size_t close = closing(next), comma = next + 1;
            for (int depth = 0; comma < close && (depth || s[comma] != ','); comma++) depth += (s[comma] == '(') - (s[comma] == ')');
            f.bound = s.substr(next + 1, comma - next - 1);
            blank(k, close + 1);
            k = close + 1;
          } else if (word == "__attribute__" && call) {
            k = closing(next) + 1;
          } else if (call) {
            size_t after = s.find_first_not_of(" \n\t", closing(next) + 1);
            bool defined = after != std::string::npos && s[after] == '{';
            if (defined && linkage && before.find("template") == std::string::npos) found.push_back({word, f.bound});
            f.name = word;
          } else {
            k = wordEnd;
          }
        }
      }
      i = end - 1;
    }
  }
  return found;
}

std::string entries(const std::vector<Found> &kernels, int architecture) {
  std::string text = "\n# 1 \"entries\"\nconst gatun::Runtime *gatunRuntime;\nstatic const gatun::Kernel gatunKernels[] = {\n";
  for (const Found &k : kernels) {
    std::string type = "decltype(gatun::entry(" + k.name + "))::";
    text += "  {\"" + k.name + "\", &" + type + "template run<" + k.name + ">, " + type + "table.at, " + type + "count, (unsigned)(" + k.bound + ")},\n";
  }
  return text + "  {0, 0, 0, 0, 0}};\nextern \"C\" __attribute__((visibility(\"default\"))) const gatun::Module gatunModule = {gatun::kAbi, "
      + std::to_string(architecture) + ", &gatunRuntime, gatunKernels, " + std::to_string(kernels.size()) + "};\n";
}

// ---- compiling

int runCompiler(const std::vector<std::string> &arguments, const std::string &logPath) {
  std::vector<char *> argv;
  for (const std::string &a : arguments) argv.push_back(const_cast<char *>(a.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 2, logPath.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  pid_t child;
  int status = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (status) return -1;
  while (waitpid(child, &status, 0) < 0) if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int compile(Program *p, const Options &options, const std::string &work) {
  std::string source = work + "/" + p->name, include = folder() + "/include", errors = work + "/errors";
  makeFolders(source.substr(0, source.find_last_of('/')));
  write(source, p->source);
  for (const Header &h : p->headers) {
    std::string path = work + "/" + h.name;
    makeFolders(path.substr(0, path.find_last_of('/')));
    write(path, h.source);
  }
  std::vector<std::string> command = {"g++", "-E", "-x", "c++", "-std=c++17", "-w", "-I", work, "-include", include + "/shim.cuh"};
  command.insert(command.end(), options.toCompiler.begin(), options.toCompiler.end());
  command.insert(command.end(), {"-o", work + "/kernels.ii", source});
  int status = runCompiler(command, errors);
  if (status == 0) {
    std::string text;
    read(work + "/kernels.ii", &text);
    erase(&text, work + "/");  // faults name the file as the program does, not where it lay
    std::vector<Found> kernels = takeKernels(&text);
    write(work + "/kernels.ii", text + entries(kernels, options.architecture));
    command = {"g++", "-fpreprocessed", "-x", "c++-cpp-output", "-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique",
               "-fno-exceptions", "-fno-rtti", "-fno-math-errno", "-ffp-contract=off", "-fno-stack-protector", "-ftrivial-auto-var-init=pattern",
               "-fsanitize=alignment,bounds", "-fno-sanitize-recover=all", "-o", work + "/kernels.so", work + "/kernels.ii", "-nostdlib", "-lm", "-lc", "-lgcc"};
    for (const std::string &o : options.toCompiler) if (startsWith(o, "-std=")) command[4] = o;
    status = runCompiler(command, errors);
  }
  read(errors, &p->log);
  erase(&p->log, work + "/");
  if (status == -1 || status == 127) {
    p->log = "the emulated NVRTC needs g++ on the PATH";
    return kBuiltin;
  }
  return status == 0 && read(work + "/kernels.so", &p->cubin) ? kSuccess : kCompilation;
}

void removeFolder(const std::string &path) {
  if (runCompiler({"rm", "-rf", path}, "/dev/null") != 0) fprintf(stderr, "CUDA emulator: could not remove %s\n", path.c_str());
}

int copyOut(const std::string &text, char *to, size_t more) {
  memcpy(to, text.data(), text.size());
  if (more) to[text.size()] = 0;
  return kSuccess;
}

const std::string kPtx = "// The CUDA emulator makes no PTX: ask for a cubin (sm_XY).\n";

}  // namespace

API int nvrtcVersion(int *major, int *minor) {
  if (!major || !minor) return kInvalidInput;
  *major = 13;
  *minor = 0;
  return kSuccess;
}
API const char *nvrtcGetErrorString(int result) {
  static const char *const names[] = {"NVRTC_SUCCESS", "NVRTC_ERROR_OUT_OF_MEMORY", "NVRTC_ERROR_PROGRAM_CREATION_FAILURE", "NVRTC_ERROR_INVALID_INPUT",
      "NVRTC_ERROR_INVALID_PROGRAM", "NVRTC_ERROR_INVALID_OPTION", "NVRTC_ERROR_COMPILATION", "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE"};
  return result >= 0 && result < 8 ? names[result] : "NVRTC_ERROR unknown";
}
API int nvrtcGetNumSupportedArchs(int *count) {
  *count = (int)(sizeof kArchitectures / sizeof *kArchitectures);
  return kSuccess;
}
API int nvrtcGetSupportedArchs(int *architectures) {
  memcpy(architectures, kArchitectures, sizeof kArchitectures);
  return kSuccess;
}
API int nvrtcCreateProgram(Program **program, const char *source, const char *name, int headers, const char *const *sources, const char *const *names) {
  if (!program || !source || headers < 0 || (headers && (!sources || !names))) return kInvalidInput;
  auto p = new Program;
  p->source = source;
  p->name = name && *name ? name : "default_program";
  for (char &c : p->name) if (!isalnum((unsigned char)c) && !strchr("._-/", c)) c = '_';
  if (p->name[0] == '/' || p->name.find("..") != std::string::npos) p->name = p->name.substr(p->name.find_last_of('/') + 1);
  for (int i = 0; i < headers; i++) p->headers.push_back({names[i], sources[i]});
  *program = p;
  return kSuccess;
}
API int nvrtcDestroyProgram(Program **program) {
  if (!program || !*program) return kInvalidProgram;
  delete *program;
  *program = nullptr;
  return kSuccess;
}
API int nvrtcCompileProgram(Program *p, int count, const char *const *options) {
  if (!p) return kInvalidProgram;
  if (count < 0 || (count && !options)) return kInvalidInput;
  std::vector<std::string> given(options, options + count);
  Options parsed = parse(given);
  p->log.clear();
  p->cubin.clear();
  p->compiled = false;
  if (!parsed.wrong.empty()) {
    p->log = "nvrtc: error: invalid value or unknown option: " + parsed.wrong + "\n";
    return kInvalidOption;
  }
  std::string shim, abi, self;
  read(folder() + "/include/shim.cuh", &shim);
  read(folder() + "/include/kernel_abi.h", &abi);
  std::string all = shim + abi + p->name + '\0' + p->source + __VERSION__ + __TIMESTAMP__;
  for (const std::string &o : given) all += '\0' + o;
  for (const Header &h : p->headers) all += '\0' + h.name + '\0' + h.source;
  const char *chosen = getenv("GATUN_EMULATOR_CACHE");
  std::string cache = chosen && *chosen ? chosen : folder() + "/cache", kept = cache + "/" + hash(all) + ".so";
  if (!read(kept, &p->cubin)) {
    makeFolders(cache);
    static std::atomic<int> number;
    std::string work = cache + "/work-" + std::to_string(getpid()) + "-" + std::to_string(number++);
    makeFolders(work);
    int status = compile(p, parsed, work);
    if (status == kSuccess) rename((work + "/kernels.so").c_str(), kept.c_str());
    removeFolder(work);
    if (status) return status;
  }
  p->architecture = parsed.architecture;
  p->compiled = true;
  return kSuccess;
}
// Registers and spills are not known here: the log holds what g++ said, and nothing when it was content.
API int nvrtcGetProgramLogSize(Program *p, size_t *bytes) { return p ? (*bytes = p->log.size() + 1, kSuccess) : kInvalidProgram; }
API int nvrtcGetProgramLog(Program *p, char *log) { return p ? copyOut(p->log, log, 1) : kInvalidProgram; }
API int nvrtcGetCUBINSize(Program *p, size_t *bytes) { return p && p->compiled ? (*bytes = p->cubin.size(), kSuccess) : kInvalidProgram; }
API int nvrtcGetCUBIN(Program *p, char *cubin) { return p && p->compiled ? copyOut(p->cubin, cubin, 0) : kInvalidProgram; }
API int nvrtcGetPTXSize(Program *p, size_t *bytes) { return p && p->compiled ? (*bytes = kPtx.size() + 1, kSuccess) : kInvalidProgram; }
API int nvrtcGetPTX(Program *p, char *ptx) { return p && p->compiled ? copyOut(kPtx, ptx, 1) : kInvalidProgram; }
