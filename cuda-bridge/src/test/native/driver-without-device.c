/* A libcuda.so.1 behind which there is no device: what cuDNN looks up while it compiles plans for a described one (seen with 9.24).
   Loading a compiled kernel succeeds and leads nowhere; all else answers CUDA_ERROR_NO_DEVICE. */
#define SUCCESS 0
#define NO_DEVICE 100
#define REFUSED(name) int name(void) { return NO_DEVICE; }

int cuInit(unsigned flags) { (void)flags; return SUCCESS; }
int cuDriverGetVersion(int *version) { *version = 13000; return SUCCESS; }
int cuGetErrorName(int error, const char **text) { (void)error; *text = "CUDA_ERROR_NO_DEVICE"; return SUCCESS; }
int cuGetErrorString(int error, const char **text) { (void)error; *text = "there is no device behind this driver"; return SUCCESS; }
int cuLibraryLoadData(void **library) { static int loaded; *library = &loaded; return SUCCESS; }
int cuLibraryGetKernel(void **kernel) { static int found; *kernel = &found; return SUCCESS; }
int cuLibraryUnload(void) { return SUCCESS; }

REFUSED(cuGetExportTable) REFUSED(cuDeviceGetCount) REFUSED(cuDeviceGet) REFUSED(cuDeviceGetAttribute)
REFUSED(cuCtxGetCurrent) REFUSED(cuCtxGetDevice) REFUSED(cuCtxGetLimit) REFUSED(cuCtxPopCurrent) REFUSED(cuCtxPushCurrent)
REFUSED(cuDevicePrimaryCtxRelease) REFUSED(cuDevicePrimaryCtxReset) REFUSED(cuDevicePrimaryCtxRetain)
REFUSED(cuFuncGetAttribute) REFUSED(cuFuncSetAttribute) REFUSED(cuKernelGetAttribute) REFUSED(cuKernelSetAttribute)
REFUSED(cuLaunchKernel) REFUSED(cuLaunchKernelEx) REFUSED(cuLaunchCooperativeKernel) REFUSED(cuLibraryLoadFromFile)
REFUSED(cuLinkAddData) REFUSED(cuLinkAddData_v2) REFUSED(cuLinkAddFile_v2) REFUSED(cuLinkComplete) REFUSED(cuLinkCreate)
REFUSED(cuLinkCreate_v2) REFUSED(cuLinkDestroy) REFUSED(cuMemcpyDtoH_v2) REFUSED(cuModuleGetFunction) REFUSED(cuModuleGetGlobal_v2)
REFUSED(cuModuleLoadData) REFUSED(cuModuleLoadDataEx) REFUSED(cuModuleLoadFatBinary) REFUSED(cuModuleUnload)
REFUSED(cuOccupancyMaxActiveBlocksPerMultiprocessor) REFUSED(cuOccupancyMaxPotentialClusterSize)
REFUSED(cuStreamGetCtx) REFUSED(cuStreamSynchronize) REFUSED(cuTensorMapEncodeTiled)
