package org.gatun.cuda;

import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/** A call of NVIDIA's that failed: which, with what arguments, what status, what it means, and what to do where that is known. */
public class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String call;
  private final int status;
  private final String statusName;

  /**
   * Says {@code call failed: statusName (status), meaning}; {@code call} with its arguments, {@code meaning} in the library's words and ours.
   */
  public CudaException(String call, int status, String statusName, String meaning) {
    super(call + " failed: " + statusName + " (" + status + ")" + (meaning.isBlank() ? "" : ", " + meaning));
    this.call = call;
    this.status = status;
    this.statusName = statusName;
  }

  /** The function that failed, with its arguments. */
  public String call() {
    return call;
  }

  public int status() {
    return status;
  }

  /** The status as its header names it. */
  public String statusName() {
    return statusName;
  }

  /** {@code function(arguments)}; values too large for a count or a size on any device are addresses, and are shown as such. */
  public static String describe(String function, long... arguments) {
    return LongStream.of(arguments)
        .mapToObj(
            value -> value >>> 42 == 0 || value < 0 ? Long.toString(value) : String.format(Locale.ROOT, "0x%x", value))
        .collect(Collectors.joining(", ", function + "(", ")"));
  }
}
