package org.gatun.model;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.util.Locale;
import org.gatun.io.ElementType;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/** The types a file can hold weights in, little-endian, and the way there and back from F32. */
public enum WeightType {
  /** As they are. */
  F32(ElementType.F32, 0),
  /** IEEE 754 binary16, 11 significant bits, up to 65,504. */
  F16(ElementType.F16, 0x1p-11),
  /** The upper half of F32, 8 significant bits. */
  BF16(ElementType.BF16, 0x1p-8);

  private static final int CHUNK = 1 << 16;
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final ElementType element;
  private final double unitRoundoff;

  WeightType(ElementType element, double unitRoundoff) {
    this.element = element;
    this.unitRoundoff = unitRoundoff;
  }

  /** The type of this name in safetensors. */
  static WeightType of(ElementType element) {
    return switch (element) {
      case F32 -> F32;
      case F16 -> F16;
      case BF16 -> BF16;
      default -> throw new IllegalArgumentException("weights: " + element + " is not F32, BF16 or F16");
    };
  }

  /** The name in safetensors, and the size. */
  ElementType element() {
    return element;
  }

  /** Bytes of one element. */
  int byteSize() {
    return element.byteSize();
  }

  /** The largest relative error of rounding a number of normal size to this type; 0 for F32. */
  public double unitRoundoff() {
    return unitRoundoff;
  }

  /** The nearest number of this type, of two equally near the one with an even last bit. */
  public float round(float value) {
    return switch (this) {
      case F32 -> value;
      case F16, BF16 -> widen(narrow(value));
    };
  }

  private short narrow(float value) {
    if (this == F16) {
      return Float.floatToFloat16(value);
    }
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) (bits >> 16 | 0x40); // rounding up could make an infinity of it
    }
    return (short) (bits + 0x7FFF + (bits >> 16 & 1) >> 16);
  }

  private float widen(short bits) {
    return this == F16 ? Float.float16ToFloat(bits) : Float.intBitsToFloat(bits << 16);
  }

  /** Elements from {@code start} on, of bytes in this type. */
  float[] read(MemorySegment bytes, long start, int count) {
    var values = new float[count];
    MemorySegment from = bytes.asSlice(start * byteSize(), (long) count * byteSize());
    if (this == F32) {
      MemorySegment.copy(from, FLOAT, 0, values, 0, count);
    } else {
      for (int i = 0; i < count; i++) {
        values[i] = widen(from.getAtIndex(SHORT, i));
      }
    }
    return values;
  }

  /** Overwrites a contiguous F32 tensor with the first of these bytes, piece by piece. */
  void read(MemorySegment bytes, Tensor target) {
    int size = Math.toIntExact(target.shape().size());
    forEachPiece(target, size,
        (piece, start, count) -> target.device().upload(piece, MemorySegment.ofArray(read(bytes, start, count))));
  }

  /**
   * Writes an F32 tensor in this type, piece by piece; it may be a view.
   *
   * @throws IOException also if a finite element becomes infinite; {@code name} says of what
   */
  void write(WritableByteChannel out, String name, Tensor tensor) throws IOException {
    if (!tensor.isContiguous()) {
      write(out, name, tensor.toArray());
      return;
    }
    int size = Math.toIntExact(tensor.shape().size());
    forEachPiece(tensor, size, (piece, _, _) -> writePiece(out, name, piece.toArray(), 0, piece.shape().dim(0)));
  }

  /** As {@link #write(WritableByteChannel, String, Tensor)}, for elements of an array. */
  void write(WritableByteChannel out, String name, float[] values) throws IOException {
    for (int start = 0; start < values.length; start += CHUNK) {
      writePiece(out, name, values, start, Math.min(CHUNK, values.length - start));
    }
  }

  private void writePiece(WritableByteChannel out, String name, float[] values, int start, int count)
      throws IOException {
    var bytes = ByteBuffer.allocate(count * byteSize()).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = start; i < start + count; i++) {
      if (this == F32) {
        bytes.putFloat(values[i]);
      } else {
        requireRange(name, values[i]);
        bytes.putShort(narrow(values[i]));
      }
    }
    bytes.flip();
    while (bytes.hasRemaining()) {
      out.write(bytes);
    }
  }

  private void requireRange(String name, float value) throws IOException {
    if (Float.isFinite(value) && Float.isInfinite(round(value))) {
      throw new IOException(String.format(Locale.ROOT,
          "%s has an element %g, too large for %s; write the model as f32", name, value, this));
    }
  }

  /** Rounds an F32 tensor in place. */
  void round(Tensor tensor) throws IOException {
    if (this == F32) {
      return;
    }
    forEachPiece(tensor, Math.toIntExact(tensor.shape().size()), (piece, _, _) -> {
      float[] values = piece.toArray();
      for (int i = 0; i < values.length; i++) {
        values[i] = round(values[i]);
      }
      piece.device().upload(piece, MemorySegment.ofArray(values));
    });
  }

  private interface Piece<E extends Exception> {
    void accept(Tensor piece, int start, int count) throws E;
  }

  /** Flat slices of a contiguous tensor, so that no second copy of a large one is ever whole. */
  private static <E extends Exception> void forEachPiece(Tensor tensor, int size, Piece<E> action) throws E {
    try (Scope scope = Scope.on(tensor.device())) {
      Tensor flat = scope.borrow(tensor).reshape(Shape.of(size).toArray());
      for (int start = 0; start < size; start += CHUNK) {
        int count = Math.min(CHUNK, size - start);
        action.accept(flat.slice(0, start, start + count), start, count);
      }
    }
  }
}
