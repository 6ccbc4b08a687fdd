// What NVIDIA's own cuDNN and NVRTC look up in a driver when they plan or compile on a machine without a GPU. Libraries of real cubins
// load, and never run; everything else refuses. Without cuGetExportTable NVRTC and cuDNN crash.
#include "emulator.h"

using namespace emulator;

API int cuGetExportTable(const void **, const void *) { return kNoDevice; }
API int cuLibraryLoadData(void **library, const void *, int *, void **, unsigned, int *, void **, unsigned) {
  *library = (void *)0x10;
  return kSuccess;
}
API int cuLibraryUnload(void *) { return kSuccess; }
API int cuLibraryGetKernel(void **kernel, void *, const char *) {
  *kernel = (void *)0x20;
  return kSuccess;
}
#define REFUSED(name) API int name() { return kNoDevice; }
REFUSED(cuCtxGetLimit) REFUSED(cuCtxPopCurrent) REFUSED(cuCtxPushCurrent) REFUSED(cuDevicePrimaryCtxRelease) REFUSED(cuDevicePrimaryCtxReset)
REFUSED(cuKernelGetAttribute) REFUSED(cuKernelSetAttribute) REFUSED(cuLaunchCooperativeKernel) REFUSED(cuLaunchKernelEx)
REFUSED(cuLibraryLoadFromFile) REFUSED(cuLinkAddData) REFUSED(cuLinkAddData_v2) REFUSED(cuLinkAddFile_v2) REFUSED(cuLinkComplete)
REFUSED(cuLinkCreate) REFUSED(cuLinkCreate_v2) REFUSED(cuLinkDestroy) REFUSED(cuModuleLoadFatBinary) REFUSED(cuOccupancyMaxPotentialClusterSize)
REFUSED(cuTensorMapEncodeTiled)
