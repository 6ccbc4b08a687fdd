package org.gatun.cuda.nccl;

/** How the elements of all ranks become one; the codes are {@code ncclRedOp_t}'s. */
public enum NcclOp {
  SUM(0), PRODUCT(1), MAX(2), MIN(3),
  /** The sum divided by the number of ranks. */
  AVERAGE(4);

  private final int code;

  NcclOp(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
