package org.gatun.cuda.cudnn;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.LibraryStatus;
import org.gatun.cuda.Stream;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.MissingLibraryException;
import org.gatun.cuda.ffi.NativeHandle;

/** cuDNN on one device. Used by the thread that owns the device. */
public final class Cudnn implements AutoCloseable {
  // The first release to plan for a device by its description, and the major version that these graphs were written for.
  private static final long OLDEST = 90800;
  private static final long TOO_NEW = 100000;

  // https://github.com/NVIDIA/cudnn-frontend, sdpa_support_surface.h: bf16 attention is refused on both, for bugs of theirs.
  private static final List<Long> BROKEN = List.of(91000L, 91001L);

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
      return version(CudnnLibrary.version());
    });
  }

  /** Such as 9.24.0. */
  public String version() {
    return version(CudnnLibrary.version());
  }

  /** Why this machine's cuDNN cannot be used at all; empty if it can. */
  static Optional<String> whyNot() {
    try {
      CudaLibrary.CUDNN.open();
    } catch (MissingLibraryException e) {
      return Optional.of(e.getMessage());
    }
    return whyNot(CudnnLibrary.version());
  }

  static Optional<String> whyNot(long version) {
    if (BROKEN.contains(version)) {
      return Optional
          .of("cuDNN " + version(version) + " computes bf16 attention wrongly; " + CudaLibrary.CUDNN.remedy());
    }
    return version >= OLDEST && version < TOO_NEW
        ? Optional.empty()
        : Optional.of("cuDNN " + version(version) + " is not one from " + version(OLDEST) + " to before "
            + version(TOO_NEW) + "; " + CudaLibrary.CUDNN.remedy());
  }

  static void requireUsable() {
    CudaLibrary.CUDNN.open();
    whyNot(CudnnLibrary.version()).ifPresent(reason -> {
      throw new UnsupportedOperationException(reason);
    });
  }

  /** 92400 is 9.24.0. */
  static String version(long number) {
    return String.format(Locale.ROOT, "%d.%d.%d", number / 10_000, number / 100 % 100, number % 100);
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
