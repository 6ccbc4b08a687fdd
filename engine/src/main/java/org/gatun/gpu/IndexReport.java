package org.gatun.gpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.gatun.cuda.Kernel;
import org.gatun.tensor.Tensor;

/**
 * What kernels say of indices out of bounds: four integers in page-locked memory of the host, which a kernel writes only
 * where something is wrong, so that no step has to ask. Read whenever the host has waited for the device.
 */
final class IndexReport {
  private static final int THREADS = 256;

  private final CudaDevice device;
  private final MemorySegment report;
  private final List<String> sentences = new ArrayList<>();

  IndexReport(CudaDevice device) {
    this.device = device;
    report = device.context().allocatePinned(4 * Integer.BYTES).segment();
    report.fill((byte) 0);
  }

  /**
   * Has the device check that indices I32 are within [0, bound). The sentence names operation and bound, such as
   * "embedding: index %d at position %d is outside of the table's %d rows", and is thrown by the next {@link #raise}.
   *
   * @param ignored an index that may stand there all the same; null for none
   */
  void check(String sentence, Tensor indices, int bound, Integer ignored) {
    if (indices.shape().size() == 0) {
      return;
    }
    int number = sentences.indexOf(sentence) + 1;
    if (number == 0) {
      sentences.add(sentence);
      number = sentences.size();
    }
    Kernel kernel = device.kernel("order.cu", "check_indices");
    kernel.with().pointer(report.address()).pointer(CudaDevice.pointer(indices)).int64(indices.shape().size())
        .int32(bound)
        .int32(ignored == null ? 0 : 1).int32(ignored == null ? 0 : ignored).int32(number)
        .over(device.stream(), 1, THREADS);
  }

  /**
   * Throws what has been found, once.
   *
   * @throws IllegalArgumentException if an index was out of bounds
   */
  void raise() {
    int number = report.get(JAVA_INT, 0);
    if (number != 0) {
      report.set(JAVA_INT, 0, 0);
      throw new IllegalArgumentException(
          String.format(Locale.ROOT, sentences.get(number - 1), report.getAtIndex(JAVA_INT, 1),
              report.getAtIndex(JAVA_INT, 2), report.getAtIndex(JAVA_INT, 3)));
    }
  }
}
