package org.gatun.cuda;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.MissingLibraryException;

/**
 * What is known of a library of NVIDIA's on this machine: the file and its version, or why it cannot be used (then {@code path} may be null),
 * each place that was tried, and how to get it.
 */
public record LibraryStatus(String library, Path path, String version, String whyNot, List<String> tried,
    String remedy) {
  /** True if it loads and answers. */
  public boolean isUsable() {
    return whyNot == null;
  }

  /** Opens {@code library} and asks for its {@code version}; for the bridge's own packages. */
  @SuppressWarnings("exports") // called by packages of this module alone
  public static LibraryStatus ask(CudaLibrary library, Supplier<String> version) {
    Path path = null;
    try {
      path = library.open().path();
      return new LibraryStatus(library.title(), path, version.get(), null, List.of(), library.remedy());
    } catch (MissingLibraryException e) {
      return new LibraryStatus(library.title(), null, null, e.reason(), e.tried(), e.remedy());
    } catch (UnsupportedOperationException | CudaException e) {
      return new LibraryStatus(library.title(), path, null, e.getMessage(), List.of(), library.remedy());
    }
  }
}
