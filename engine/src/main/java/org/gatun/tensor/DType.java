package org.gatun.tensor;

/** The element types a tensor can hold. */
public enum DType {
  /** IEEE 754 binary32. */
  F32(4),
  /** The upper half of a binary32: eight bits of exponent, seven of fraction. */
  BF16(2),
  /** Signed 32-bit integers: tokens, classes, indices. */
  I32(4);

  private final int byteSize;

  DType(int byteSize) {
    this.byteSize = byteSize;
  }

  /** Bytes of one element. */
  public int byteSize() {
    return byteSize;
  }

  /** Whether values of this type can carry a gradient. */
  public boolean isFloating() {
    return this != I32;
  }
}
