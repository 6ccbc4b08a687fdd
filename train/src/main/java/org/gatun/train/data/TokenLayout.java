package org.gatun.train.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.gatun.io.MalformedFileException;

/**
 * Where the tokens of a file lie, told by its first bytes.
 *
 * @param offset bytes before the first token
 * @param width bytes of a token: 2 or 4
 * @param count how many there are
 */
public record TokenLayout(TokenFormat format, long offset, int width, long count) {
  private static final ValueLayout.OfInt I32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int MOST_NUMPY_HEADER = 1 << 16;
  private static final Pattern DESCR = Pattern.compile("'descr':\\s*'([^']*)'");
  private static final Pattern SHAPE = Pattern.compile("'shape':\\s*\\(\\s*(\\d{1,18})\\s*,?\\s*\\)");

  /**
   * The layout of a file with these bytes.
   *
   * @param rawWidth bytes of a token where there is no header to tell
   * @throws MalformedFileException if a header contradicts itself or the file's length
   */
  public static TokenLayout of(Path file, MemorySegment bytes, int rawWidth) throws MalformedFileException {
    if (startsWith(bytes, TokenFormat.NUMPY_MAGIC)) {
      return numpy(file, bytes);
    }
    int magic = bytes.byteSize() < 4 ? 0 : bytes.get(I32, 0);
    if (bytes.byteSize() >= TokenFormat.LLMC.headerBytes()
        && (magic == TokenFormat.LLMC_MAGIC_U16 || magic == TokenFormat.LLMC_MAGIC_U32)) {
      return llmc(file, bytes, magic == TokenFormat.LLMC_MAGIC_U16);
    }
    if (bytes.byteSize() % rawWidth != 0) {
      throw new MalformedFileException(
          file,
          "has "
              + bytes.byteSize()
              + (rawWidth == 2
                  ? " bytes, an odd number; u16 tokens take two each. Is it text? Then its name must not end in .bin"
                  : " bytes, not a multiple of the four that each of its u32 tokens takes; it is cut short"));
    }
    return new TokenLayout(TokenFormat.RAW, 0, rawWidth, bytes.byteSize() / rawWidth);
  }

  /** Whether a file of tokens with a header begins with these bytes. */
  public static boolean isHeader(byte[] start) {
    MemorySegment bytes = MemorySegment.ofArray(start);
    int magic = start.length < 4 ? 0 : bytes.get(I32, 0);
    return startsWith(bytes, TokenFormat.NUMPY_MAGIC)
        || magic == TokenFormat.LLMC_MAGIC_U16
        || magic == TokenFormat.LLMC_MAGIC_U32;
  }

  private static boolean startsWith(MemorySegment bytes, byte[] magic) {
    return bytes.byteSize() >= magic.length
        && bytes.asSlice(0, magic.length).mismatch(MemorySegment.ofArray(magic)) < 0;
  }

  private static TokenLayout llmc(Path file, MemorySegment bytes, boolean u16) throws MalformedFileException {
    int version = bytes.get(I32, 4);
    int expected = u16 ? TokenFormat.LLMC_VERSION_U16 : TokenFormat.LLMC_VERSION_U32;
    if (version != expected) {
      throw new MalformedFileException(
          file, "llm.c token file of version " + version + ", expected " + expected);
    }
    var layout =
        new TokenLayout(
            TokenFormat.LLMC,
            TokenFormat.LLMC.headerBytes(),
            u16 ? 2 : 4,
            Integer.toUnsignedLong(bytes.get(I32, 8)));
    layout.requireLength(file, bytes);
    return layout;
  }

  private static TokenLayout numpy(Path file, MemorySegment bytes) throws MalformedFileException {
    boolean first = bytes.byteSize() > 6 && bytes.get(ValueLayout.JAVA_BYTE, 6) == 1;
    int at = first ? 10 : 12;
    if (bytes.byteSize() < at) {
      throw new MalformedFileException(file, "ends within its NumPy header; it is cut short");
    }
    long length = first ? Short.toUnsignedInt(bytes.get(U16, 8)) : Integer.toUnsignedLong(bytes.get(I32, 8));
    if (length > MOST_NUMPY_HEADER || at + length > bytes.byteSize()) {
      throw new MalformedFileException(
          file, "says that its NumPy header takes " + length + " bytes, which it does not have");
    }
    String header =
        new String(
            bytes.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1);
    Matcher descr = DESCR.matcher(header);
    Matcher shape = SHAPE.matcher(header);
    String type = descr.find() ? descr.group(1) : "unknown";
    if (!type.equals("<u2") && !type.equals("<u4")) {
      throw new MalformedFileException(
          file,
          "a NumPy array of type "
              + MalformedFileException.quote(type)
              + ", expected tokens as \"<u2\" or \"<u4\"");
    }
    if (!shape.find()) {
      throw new MalformedFileException(file, "a NumPy array of several dimensions, expected one");
    }
    var layout =
        new TokenLayout(
            TokenFormat.NPY, at + length, type.equals("<u2") ? 2 : 4, Long.parseLong(shape.group(1)));
    layout.requireLength(file, bytes);
    return layout;
  }

  private void requireLength(Path file, MemorySegment bytes) throws MalformedFileException {
    long there = bytes.byteSize() - offset;
    if (there / width != count || there % width != 0) {
      throw new MalformedFileException(
          file,
          "its header says %s tokens of %s bytes, but %s bytes follow it; the file is damaged, make it again"
              .formatted(count, width, there));
    }
  }
}
