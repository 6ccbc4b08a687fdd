package org.gatun.cuda.nccl;

/** What an element of a message is; the codes are {@code ncclDataType_t}'s. */
public enum NcclType {
  INT8(0, 1), INT32(2, 4), INT64(4, 8), FLOAT32(7, 4), FLOAT64(8, 8), BFLOAT16(9, 2);

  private final int code;
  private final int byteSize;

  NcclType(int code, int byteSize) {
    this.code = code;
    this.byteSize = byteSize;
  }

  int code() {
    return code;
  }

  /** Bytes of one element. */
  public int byteSize() {
    return byteSize;
  }
}
