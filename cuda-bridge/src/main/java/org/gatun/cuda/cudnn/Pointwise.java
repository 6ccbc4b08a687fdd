package org.gatun.cuda.cudnn;

/** A function of each element by itself; the codes are {@code cudnnPointwiseMode_t}'s. */
public enum Pointwise {
  ADD(0), MULTIPLY(1), DIVIDE(6), SUBTRACT(9), EXP(13), LOG(15), IDENTITY(21),
  /** 1 where the first is at least the second, computed as booleans. */
  AT_LEAST(303),
  /** The element's index along a dimension. */
  INDEX(501),
  /** The first where a third tensor holds, else the second. */
  SELECT(601);

  private final int code;

  Pointwise(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
