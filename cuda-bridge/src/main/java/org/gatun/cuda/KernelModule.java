package org.gatun.cuda;

import org.gatun.cuda.ffi.NativeHandle;

/** Compiled kernels on a device. */
public final class KernelModule implements AutoCloseable {
  private final NativeHandle handle;

  KernelModule(CudaContext context, byte[] cubin) {
    if (cubin.length == 0) {
      throw new IllegalArgumentException("a module of no bytes; expected what the compiler made");
    }
    handle = context.handles().own("module", DriverModules.load(cubin), DriverModules::unload);
  }

  /** The kernel declared as {@code extern "C" __global__ void name(...)}; throws {@link CudaException} if there is none. */
  public Kernel kernel(String name) {
    return new Kernel(name, DriverModules.kernel(handle.value(), name), handle);
  }

  /** Unloads the kernels; none of them may be under way. */
  @Override
  public void close() {
    handle.close();
  }
}
