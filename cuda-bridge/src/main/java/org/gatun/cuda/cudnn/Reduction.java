package org.gatun.cuda.cudnn;

/** How the elements of a row become one; the codes are {@code cudnnReduceTensorOp_t}'s. */
public enum Reduction {
  SUM(0), MAX(3);

  private final int code;

  Reduction(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
