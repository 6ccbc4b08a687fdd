package org.gatun.cuda.cudnn;

import org.gatun.cuda.ElementType;

/** What an element of a graph's tensor is; the codes are {@code cudnnDataType_t}'s. */
public enum GraphType {
  FLOAT(0, 4), HALF(2, 2), INT32(4, 4), BFLOAT16(9, 2), BOOLEAN(11, 1);

  private final int code;
  private final int byteSize;

  GraphType(int code, int byteSize) {
    this.code = code;
    this.byteSize = byteSize;
  }

  /** The same type in cuDNN's words. */
  public static GraphType of(ElementType type) {
    return switch (type) {
      case F32 -> FLOAT;
      case BF16 -> BFLOAT16;
    };
  }

  int code() {
    return code;
  }

  int byteSize() {
    return byteSize;
  }
}
