package org.gatun.cuda;

/** What an element of a matrix or tensor on the device is. */
public enum ElementType {
  /** IEEE 754 single precision. */
  F32(4),
  /** The upper half of a single-precision number: eight bits of exponent, seven of fraction. */
  BF16(2);

  private final int byteSize;

  ElementType(int byteSize) {
    this.byteSize = byteSize;
  }

  /** Bytes of one element. */
  public int byteSize() {
    return byteSize;
  }
}
