package org.gatun.cuda.cudnn;

import java.util.Optional;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.LibraryStatus;
import org.gatun.cuda.Stream;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.MissingLibraryException;
import org.gatun.cuda.ffi.NativeHandle;
import org.gatun.cuda.ffi.VersionWindow;

/** cuDNN on one device. Used by the thread that owns the device. */
public final class Cudnn implements AutoCloseable {
  private final CudaContext context;
  private final NativeHandle handle;

  private Cudnn(CudaContext context) {
    this.context = context;
    context.makeCurrent();
    handle = context.handles().own("cuDNN handle", CudnnLibrary.create(), CudnnLibrary::destroy);
  }

  /**
   * Opens the library on {@code context}'s device; throws {@code UnsupportedOperationException} if it is missing, older than
   * 9.8, or one of the releases whose bf16 attention is broken.
   */
  public static Cudnn open(CudaContext context) {
    requireUsable();
    return new Cudnn(context);
  }

  /** The library on this machine. */
  public static LibraryStatus status() {
    return LibraryStatus.ask(CudaLibrary.CUDNN, () -> {
      requireUsable();
      return VersionWindow.cudnnVersion(CudnnLibrary.version());
    });
  }

  /** Such as 9.24.0. */
  public String version() {
    return VersionWindow.cudnnVersion(CudnnLibrary.version());
  }

  /** Why this machine's cuDNN cannot be used at all; empty if it can. */
  static Optional<String> whyNot() {
    try {
      CudaLibrary.CUDNN.open();
    } catch (MissingLibraryException e) {
      return Optional.of(e.getMessage());
    }
    return VersionWindow.whyNotCudnn(CudnnLibrary.version())
        .or(() -> VersionWindow.whyNotTogether(CudnnLibrary.cudartVersion(), CudaLibrary.CUBLAS_LT.cudaMajor()));
  }

  static void requireUsable() {
    CudaLibrary.CUDNN.open();
    whyNot().ifPresent(reason -> {
      throw new UnsupportedOperationException(reason);
    });
  }

  CudaContext context() {
    return context;
  }

  /** The native handle, set to queue on {@code stream}. */
  long on(Stream stream) {
    CudnnLibrary.setStream(handle.value(), stream.handle());
    return handle.unchecked();
  }

  /** Ends the library's handle; plans must not run on it any more. */
  @Override
  public void close() {
    handle.close();
  }
}
