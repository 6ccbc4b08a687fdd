package org.gatun.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.DType;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
  @TempDir
  Path folder;

  @Test
  void tensorsComeBackAsTheyWereWritten() throws IOException {
    Path file = folder.resolve("all.safetensors");
    try (var device = new CpuDevice(1); var scope = Scope.on(device)) {
      Tensor f32 = scope.tensor(new float[]{1, -2, 3.5f, Float.NaN, Float.NEGATIVE_INFINITY, -0f}, Shape.of(2, 3));
      Tensor bf16 = scope.tensor(new float[]{1, -2, 0.5f}, Shape.of(3), DType.BF16);
      Tensor i32 = scope.tensor(new int[]{7, Integer.MIN_VALUE}, Shape.of(2, 1));
      new SafetensorsWriter().metadata("format", "pt").add("bf16", bf16).add("f32", f32).add("i32", i32)
          .add("view", f32.transpose(0, 1)).add("scalar", new float[]{9})
          .add("long", new long[]{1L << 40, -1}, 2).add("none", new float[0], 0, 4).write(file);
      try (var read = Safetensors.open(file)) {
        assertEquals(Map.of("format", "pt"), read.metadata());
        assertEquals(7, read.names().size());
        assertArrayEquals(f32.toArray(), read.floats("f32"));
        assertArrayEquals(new float[]{1, -2, 0.5f}, read.floats("bf16"));
        assertArrayEquals(i32.toIntArray(), read.ints("i32"));
        assertArrayEquals(f32.transpose(0, 1).toArray(), read.floats("view"));
        assertArrayEquals(new float[]{9}, read.floats("scalar"));
        assertArrayEquals(new long[]{1L << 40, -1}, read.longs("long"));
        assertEquals(List.of(0L, 4L), read.entry("none").shape());
        assertEquals(0, read.bytes("none").byteSize());
      }
    }
  }

  @Test
  void aFileIsReadIntoTensorsOfTheDevice() throws IOException {
    Path file = folder.resolve("into.safetensors");
    try (var device = new CpuDevice(1); var scope = Scope.on(device)) {
      Tensor bf16 = scope.tensor(new float[]{1, -2, 0.5f}, Shape.of(3), DType.BF16);
      new SafetensorsWriter().add("bf16", bf16).add("long", new long[]{5, -6}, 2).write(file);
      try (var read = Safetensors.open(file)) {
        Tensor widened = scope.allocate(Shape.of(3), DType.F32);
        Tensor same = scope.allocate(Shape.of(3), DType.BF16);
        Tensor ints = scope.allocate(Shape.of(2), DType.I32);
        read.read("bf16", widened);
        read.read("bf16", same);
        read.read("long", ints);
        assertArrayEquals(new float[]{1, -2, 0.5f}, widened.toArray());
        assertArrayEquals(new float[]{1, -2, 0.5f}, same.toArray());
        assertArrayEquals(new int[]{5, -6}, ints.toIntArray());
      }
    }
  }

  @Test
  void largeTensorsArriveInPieces() throws IOException {
    Path file = folder.resolve("large.safetensors");
    var values = new float[700_001];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    try (var device = new CpuDevice(1); var scope = Scope.on(device)) {
      Tensor tensor = scope.tensor(values, Shape.of(values.length));
      new SafetensorsWriter().add("tensor", tensor).add("array", values, 1, values.length).write(file);
      try (var read = Safetensors.open(file)) {
        Tensor target = scope.full(0, Shape.of(values.length));
        read.read("tensor", target);
        assertArrayEquals(values, target.toArray());
        assertArrayEquals(values, read.floats("array"));
      }
    }
  }

  @Test
  void halfPrecisionIsWidened() throws IOException {
    byte[] data = ByteBuffer.allocate(6).order(ByteOrder.LITTLE_ENDIAN).putShort(Float.floatToFloat16(1.5f))
        .putShort(Float.floatToFloat16(-65504)).putShort((short) 1).array();
    Path file = write("{\"h\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[0,6]}}", data);
    try (var read = Safetensors.open(file)) {
      assertArrayEquals(new float[]{1.5f, -65504, 0x1p-24f}, read.floats("h"));
    }
  }

  @Test
  void offsetsBeyondFourGigabytesAreFollowed() throws IOException {
    long size = 5L << 30;
    Path file = folder.resolve("sparse.safetensors");
    String header = ("{\"big\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
        + "\"last\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}}").formatted(size, size, size, size + 4);
    try (var channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE,
        StandardOpenOption.SPARSE)) {
      channel.write(bytes(header, new byte[0]));
      var last = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(42).flip();
      channel.write(last, 8 + header.length() + size);
    }
    try (var read = Safetensors.open(file)) {
      assertEquals(size, read.entry("big").byteSize());
      assertEquals(0, read.bytes("big").get(ValueLayout.JAVA_BYTE, size - 1));
      assertArrayEquals(new float[]{42}, read.floats("last"));
      var e = assertThrows(MalformedFileException.class, () -> read.floats("big"));
      assertTrue(e.getMessage().contains("more than fit into an array"), e.getMessage());
    }
  }

  @Test
  void unknownKeysOfATensorAreSkipped() throws IOException {
    String header = "{'x':{'future':{'a':[1,{}]},'dtype':'U8','shape':[1],'data_offsets':[0,1]}}  ";
    Path file = write(header.replace('\'', '"'), new byte[1]);
    try (var read = Safetensors.open(file)) {
      assertEquals("U8[1]", read.entry("x").toString());
    }
  }

  /** Headers with ' for ", before so many bytes of data, and words of the answer. */
  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      `` | 0 | does not begin with {
      `[]` | 0 | does not begin with {
      `{` | 0 | not JSON as expected
      `{'a':1}` | 0 | expected an object
      `{'a':{}}` | 0 | lacks dtype
      `{'a':{'dtype':'U8'}}` | 0 | lacks shape
      `{'a':{'dtype':'U8','shape':[1]}}` | 1 | lacks data_offsets
      `{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]}} x` | 1 | not JSON as expected
      `{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]}}{}` | 1 | goes on after
      `{'a':{'dtype':'Q4','shape':[1],'data_offsets':[0,1]}}` | 1 | has dtype "Q4", expected one of
      `{'a':{'dtype':7,'shape':[1],'data_offsets':[0,1]}}` | 1 | has dtype "7"
      `{'a':{'dtype':null,'shape':[1],'data_offsets':[0,1]}}` | 1 | has dtype "null"
      `{'a':{'dtype':'U8','shape':1,'data_offsets':[0,1]}}` | 1 | expected an array
      `{'a':{'dtype':'U8','shape':[-1],'data_offsets':[0,1]}}` | 1 | shape has "-1", expected an integer
      `{'a':{'dtype':'U8','shape':[1.0],'data_offsets':[0,1]}}` | 1 | shape has "1.0", expected an integer
      `{'a':{'dtype':'U8','shape':[1e0],'data_offsets':[0,1]}}` | 1 | shape has "1e0", expected an integer
      `{'a':{'dtype':'U8','shape':[1e999],'data_offsets':[0,1]}}` | 1 | shape has "1e999", expected an integer
      `{'a':{'dtype':'U8','shape':[NaN],'data_offsets':[0,1]}}` | 1 | not JSON as expected
      `{'a':{'dtype':'U8','shape':[Infinity],'data_offsets':[0,1]}}` | 1 | not JSON as expected
      `{'a':{'dtype':'U8','shape':['1'],'data_offsets':[0,1]}}` | 1 | expected an integer
      `{'a':{'dtype':'U8','shape':[null],'data_offsets':[0,1]}}` | 1 | expected an integer
      `{'a':{'dtype':'U8','shape':[[1]],'data_offsets':[0,1]}}` | 1 | expected an integer
      `{'a':{'dtype':'U8','shape':[99999999999999999999],'data_offsets':[0,1]}}` | 1 | expected an integer
      `{'a':{'dtype':'F64','shape':[4294967296,4294967296],'data_offsets':[0,0]}}` | 0 | more than 2^63
      `{'a':{'dtype':'U8','shape':[9223372036854775807,2],'data_offsets':[0,1]}}` | 1 | more than 2^63
      `{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,7]}}` | 7 | takes 7 bytes, expected 8 for F32[2]
      `{'a':{'dtype':'F32','shape':[2,0],'data_offsets':[0,8]}}` | 8 | takes 8 bytes, expected 0
      `{'a':{'dtype':'U8','shape':[1],'data_offsets':[0]}}` | 1 | expected a begin and an end
      `{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1,2]}}` | 1 | expected a begin and an end
      `{'a':{'dtype':'U8','shape':[1],'data_offsets':[1,0]}}` | 1 | expected a begin and an end
      `{'a':{'dtype':'U8','shape':[2],'data_offsets':[0,2]}}` | 1 | within the file's 1 bytes of data
      `{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]}}` | 2 | 1 bytes follow the last tensor
      `{'a':{'dtype':'U8','shape':[1],'data_offsets':[1,2]}}` | 2 | begins at byte 1 of the data, expected 0
      `{'a':{'dtype':'U8','shape':[2],'data_offsets':[0,2]},'b':{'dtype':'U8','shape':[2],'data_offsets':[1,3]}}` | 3 | "b" begins at byte 1 of the data, expected 2
      `{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]},'b':{'dtype':'U8','shape':[1],'data_offsets':[2,3]}}` | 3 | "b" begins at byte 2 of the data, expected 1
      `{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]},'a':{'dtype':'U8','shape':[1],'data_offsets':[1,2]}}` | 2 | Duplicate field
      `{'a':{'dtype':'U8','shape':[1],'shape':[1],'data_offsets':[0,1]}}` | 1 | Duplicate field
      `{'__metadata__':{'a':1}}` | 0 | metadata "a" is VALUE_NUMBER_INT, expected a string
      `{'__metadata__':[]}` | 0 | expected an object
      """)
  void aMalformedHeaderIsRefusedInOneSentence(String header, int dataSize, String words) throws IOException {
    Path file = write(header == null ? "" : header.replace('\'', '"'), new byte[dataSize]);
    assertRefused(file, words);
  }

  @Test
  void aHeaderThatIsNotUtf8IsRefused() throws IOException {
    Path file = folder.resolve("latin.safetensors");
    Files.write(file, new byte[]{3, 0, 0, 0, 0, 0, 0, 0, '{', (byte) 0xE9, '}'});
    assertRefused(file, "not UTF-8");
  }

  @Test
  void deepNestingIsRefused() throws IOException {
    String header = "{\"a\":{\"x\":" + "[".repeat(10_000) + "]".repeat(10_000) + "}}";
    assertRefused(write(header, new byte[0]), "not JSON as expected");
  }

  @Test
  void longAndStrangeNamesAreShortenedInTheSentence() throws IOException {
    Path file = write("{\"" + "\\n\\u202e".repeat(5000) + "\":1}", new byte[0]);
    var e = assertThrows(MalformedFileException.class, () -> Safetensors.open(file));
    assertTrue(e.getMessage().lines().count() == 1 && e.getMessage().length() < 1500, e.getMessage());
  }

  @ParameterizedTest
  @CsvSource({"0, only 0 bytes", "7, only 7 bytes", "8, the header claims", "60, the header claims",
    "120, within the file's"})
  void aTruncatedFileIsRefused(int size, String words) throws IOException {
    Path file = folder.resolve("cut.safetensors");
    new SafetensorsWriter().add("a", new float[100], 100).write(file);
    byte[] all = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(all, size));
    assertRefused(file, words);
  }

  @ParameterizedTest
  @CsvSource({"100000001", "-1", "9223372036854775807", "-9223372036854775808", "4294967296"})
  void aHeaderLengthBeyondTheCapOrTheFileIsRefused(long length) throws IOException {
    Path file = folder.resolve("length.safetensors");
    Files.write(file, ByteBuffer.allocate(100).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array());
    assertRefused(file, "the header claims " + Long.toUnsignedString(length) + " bytes, expected at most 92");
  }

  @Test
  void aFolderAndAMissingFileAreTheSystemsErrors() {
    assertThrows(NoSuchFileException.class, () -> Safetensors.open(folder.resolve("none")));
    assertThrows(IOException.class, () -> Safetensors.open(folder));
  }

  @Test
  void wrongTypesAndShapesAreNamed() throws IOException {
    Path file = folder.resolve("types.safetensors");
    new SafetensorsWriter().add("f", new float[]{1}, 1).add("l", new long[]{1L << 40}, 1).write(file);
    try (var device = new CpuDevice(1); var scope = Scope.on(device); var read = Safetensors.open(file)) {
      assertMessage("tensor \"f\" is F32[1], expected I32 or I64", () -> read.ints("f"));
      assertMessage("tensor \"l\" is I64[1], expected F32, BF16 or F16", () -> read.floats("l"));
      assertMessage("tensor \"l\" has element 1099511627776, expected integers of 32 bits", () -> read.ints("l"));
      assertMessage("tensor \"f\" is F32[1], expected the shape of F32[2]",
          () -> read.read("f", scope.allocate(Shape.of(2), DType.F32)));
      assertMessage("tensor \"f\" is F32[1], expected BF16",
          () -> read.read("f", scope.allocate(Shape.of(1), DType.BF16)));
      assertMessage("no tensor \"g\" among its 2", () -> read.entry("g"));
    }
  }

  @Test
  void closingTwiceIsHarmlessAndReadingAfterwardsIsAnError() throws IOException {
    Path file = folder.resolve("closed.safetensors");
    new SafetensorsWriter().add("f", new float[]{1}, 1).write(file);
    var read = Safetensors.open(file);
    var segment = read.bytes("f");
    read.close();
    read.close();
    assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
  }

  @Test
  void aWriterRefusesWhatCannotBeRead() {
    var writer = new SafetensorsWriter().add("a", new float[1], 1);
    assertThrows(IllegalArgumentException.class, () -> writer.add("a", new float[1], 1));
    assertThrows(IllegalArgumentException.class, () -> writer.add("b", new float[1], 2));
    writer.add("c", () -> new float[3], 2);
    assertThrows(IllegalArgumentException.class, () -> writer.write(folder.resolve("never")));
    assertTrue(Files.notExists(folder.resolve("never")));
  }

  private static void assertMessage(String words, org.junit.jupiter.api.function.Executable action) {
    var e = assertThrows(MalformedFileException.class, action);
    assertTrue(e.getMessage().endsWith(words), e.getMessage());
  }

  private static void assertRefused(Path file, String words) {
    var e = assertThrows(MalformedFileException.class, () -> Safetensors.open(file).close());
    assertTrue(e.getMessage().startsWith(file + ": ") && e.getMessage().contains(words)
        && e.getMessage().lines().count() == 1, e.getMessage());
  }

  private Path write(String header, byte[] data) throws IOException {
    Path file = folder.resolve("made.safetensors");
    Files.write(file, bytes(header, data).array());
    return file;
  }

  private static ByteBuffer bytes(String header, byte[] data) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + json.length + data.length).order(ByteOrder.LITTLE_ENDIAN)
        .putLong(json.length).put(json).put(data).flip();
  }
}
