package org.gatun.io;

import org.gatun.tensor.DType;

/** The element types of a safetensors file, under the names they have there. */
public enum ElementType {
  /** A byte, 0 or 1. */
  BOOL(1),
  /** Unsigned byte. */
  U8(1),
  /** Signed byte. */
  I8(1),
  /** Five bits of exponent, two of fraction. */
  F8_E5M2(1),
  /** Four bits of exponent, three of fraction. */
  F8_E4M3(1),
  /** Eight bits of exponent and nothing else. */
  F8_E8M0(1),
  /** Signed 16-bit integer. */
  I16(2),
  /** Unsigned 16-bit integer. */
  U16(2),
  /** IEEE 754 binary16. */
  F16(2),
  /** The upper half of a binary32. */
  BF16(2),
  /** Signed 32-bit integer. */
  I32(4),
  /** Unsigned 32-bit integer. */
  U32(4),
  /** IEEE 754 binary32. */
  F32(4),
  /** IEEE 754 binary64. */
  F64(8),
  /** Signed 64-bit integer. */
  I64(8),
  /** Unsigned 64-bit integer. */
  U64(8),
  /** Two binary32, real and imaginary. */
  C64(8);

  private final int byteSize;

  ElementType(int byteSize) {
    this.byteSize = byteSize;
  }

  /** Bytes of one element. */
  public int byteSize() {
    return byteSize;
  }

  /** The type of a file that holds a tensor's elements as they are. */
  public static ElementType of(DType dtype) {
    return switch (dtype) {
      case F32 -> F32;
      case BF16 -> BF16;
      case I32 -> I32;
    };
  }
}
