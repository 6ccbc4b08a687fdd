package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.gatun.cpu.CpuDevice;
import org.gatun.io.MalformedFileException;
import org.gatun.tensor.Device;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Precision;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class Gpt2ExportTest {
  private static final long SEED = 9;
  private static final Gpt2Config CONFIG = Gpt2Config.of(2, 2, 16).withContext(12).withVocabulary(300);

  private static Device device;

  @TempDir
  Path folder;

  private Gpt2 gpt2;

  @BeforeAll
  static void open() {
    device = new CpuDevice(2);
  }

  @AfterAll
  static void close() {
    device.close();
  }

  @BeforeEach
  void build() {
    use(CONFIG);
  }

  /** No parameter as it is drawn: zeros and ones would hide that two were exchanged. */
  private void use(Gpt2Config config) {
    if (gpt2 != null) {
      gpt2.close();
    }
    gpt2 = Gpt2Test.model(device, config, SEED);
    int number = 0;
    for (Parameter parameter : gpt2.parameters().all()) {
      float[] values = parameter.master().toArray();
      int rows = parameter.name().equals("wte.weight") ? config.vocabulary() * config.channels() : values.length;
      for (int i = 0; i < rows; i++) {
        values[i] += 0.1f * (float) Math.sin(1.7 * i + number);
      }
      number++;
      device.upload(parameter.master(), MemorySegment.ofArray(values));
    }
    gpt2.parameters().mastersChanged();
  }

  @org.junit.jupiter.api.AfterEach
  void closeModel() {
    gpt2.close();
  }

  private static Stream<Arguments> formats() {
    return Arrays.stream(ModelFormat.values()).flatMap(format -> Arrays.stream(WeightType.values())
        .filter(format::holds).map(type -> Arguments.of(format, type)));
  }

  private static float[] masters(Gpt2 model) {
    return model.parameters().masters().toArray();
  }

  private Path export(ModelFormat format, WeightType type) throws IOException {
    Path output = folder.resolve("out-" + format + type);
    new Gpt2Export(format, type).write(gpt2, Optional.of(new ByteTokenizer()), output);
    return output;
  }

  private static void assertSame(Gpt2 expected, Path path) throws IOException {
    try (var source = Gpt2Source.open(path, ModelFormat.of(path)); Gpt2 read = source.load(device)) {
      assertArrayEquals(masters(expected), masters(read), path.toString());
    }
  }

  @ParameterizedTest
  @MethodSource("formats")
  void whatIsReadBackIsTheRoundedModelBitByBit(ModelFormat format, WeightType type) throws IOException {
    float[] exact = masters(gpt2);
    Path output = export(format, type);
    float[] written = masters(gpt2);
    boolean same = Arrays.equals(exact, written);
    assertEquals(type == WeightType.F32, same, "only F32 changes nothing");
    for (int i = 0; i < exact.length; i++) {
      assertTrue(written[i] == exact[i] || written[i] == type.round(exact[i]), "element " + i);
    }
    assertSame(gpt2, output);
  }

  @Test
  void aModelThatWentThroughAllFormatsIsTheSame() throws IOException {
    float[] exact = masters(gpt2);
    Path path = null;
    for (ModelFormat format : List.of(ModelFormat.LLMC, ModelFormat.GGUF, ModelFormat.HF, ModelFormat.LLMC)) {
      Path next = folder.resolve("next-" + (path == null ? "" : path.getFileName()));
      if (path == null) {
        new Gpt2Export(format, WeightType.F32).write(gpt2, Optional.empty(), next);
      } else {
        try (var source = Gpt2Source.open(path, ModelFormat.of(path)); Gpt2 read = source.load(device)) {
          assertArrayEquals(exact, masters(read));
          new Gpt2Export(format, WeightType.F32).write(read, Optional.empty(), next);
        }
      }
      path = next;
    }
    assertSame(gpt2, path);
  }

  @ParameterizedTest
  @EnumSource
  void aModelWithoutBiasesComesBack(ModelFormat format) throws IOException {
    use(CONFIG.withBias(false));
    Path output = export(format, WeightType.F32);
    try (var source = Gpt2Source.open(output, format); var copy = Gpt2Test.model(device, CONFIG.withBias(false), 1)) {
      source.readInto(copy);
      assertArrayEquals(masters(gpt2), masters(copy));
    }
  }

  @Test
  void huggingFaceFoldersAreOursWhateverTheirType() throws IOException {
    use(CONFIG.withGelu(Gelu.ERF).withBias(false).withDropout(0.25f));
    Path output = export(ModelFormat.HF, WeightType.BF16);
    assertTrue(Files.readString(output.resolve("config.json")).contains("\"torch_dtype\" : \"bfloat16\""));
    try (var read = Gpt2.load(output, device, Precision.F32)) {
      assertEquals(gpt2.config(), read.config());
      assertArrayEquals(masters(gpt2), masters(read));
    }
  }

  @ParameterizedTest
  @EnumSource
  void nothingIsOverwrittenAndNothingIsLeftBehind(ModelFormat format) throws IOException {
    Path output = export(format, WeightType.F32);
    assertThrows(FileAlreadyExistsException.class, () -> export(format, WeightType.F32));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(output), files.toList());
    }
  }

  @ParameterizedTest
  @EnumSource(value = ModelFormat.class, names = {"HF", "GGUF"})
  void aWeightBeyondF16IsRefusedAndNothingIsLeftBehind(ModelFormat format) throws IOException {
    Parameter weight = gpt2.parameters().get("h.1.mlp.c_fc.weight");
    float[] values = weight.master().toArray();
    values[5] = 70_000;
    device.upload(weight.master(), MemorySegment.ofArray(values));
    var e = assertThrows(IOException.class, () -> export(format, WeightType.F16));
    assertTrue(e.getMessage().contains("has an element 70000.0, too large for F16; write the model as f32"),
        e.getMessage());
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(), files.toList());
    }
  }

  @ParameterizedTest
  @EnumSource(value = ModelFormat.class, names = {"LLMC", "GGUF"})
  void aModelThatOthersWouldComputeDifferentlyIsRefused(ModelFormat format) {
    use(CONFIG.withGelu(Gelu.ERF));
    var e = assertThrows(IllegalArgumentException.class, () -> export(format, WeightType.F32));
    assertTrue(e.getMessage().contains("tanh form of GELU"), e.getMessage());
  }

  @Test
  void llmcHasNoF16() {
    assertThrows(IllegalArgumentException.class, () -> new Gpt2Export(ModelFormat.LLMC, WeightType.F16));
  }

  @Test
  void llmcIsLaidOutAsItsSourceSays() throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(export(ModelFormat.LLMC, WeightType.F32)))
        .order(ByteOrder.LITTLE_ENDIAN);
    var header = new int[9];
    bytes.asIntBuffer().get(header);
    assertArrayEquals(new int[]{20240326, 3, 12, 300, 2, 2, 16, 384, 0}, header);
    var floats = bytes.slice(1024, bytes.capacity() - 1024).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    int c = 16;
    // wte [384, C], wpe [12, C], ln_1 gains of both layers, their biases, then qkv matrices [3C, C]
    int qkv = (384 + 12) * c + 4 * c;
    assertEquals(gpt2.parameters().get("wpe.weight").master().toArray()[3], floats.get(384 * c + 3));
    assertEquals(gpt2.parameters().get("h.1.ln_1.weight").master().toArray()[5], floats.get((384 + 12) * c + c + 5));
    assertEquals(gpt2.parameters().get("h.0.attn.c_attn.weight").master().toArray()[c + 2], floats.get(qkv + c + 2));
    assertEquals(0f, floats.get(300 * c), "padding");
    float[] last = gpt2.parameters().get("ln_f.bias").master().toArray();
    assertEquals(last[c - 1], floats.get(floats.capacity() - 1));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
    "0 | 7 | begins like no model",
    "4 | 1 | version 1, expected 3 (f32) or 5 (bf16)",
    "8 | 13 | expected 52800 bytes",
    "12 | -5 | vocabulary -5",
    "16 | 100000000 | parameters must be fewer",
    "20 | 3 | must be a multiple of heads",
    "28 | 299 | at least 300 rows",
  })
  void aWrongHeaderOfLlmcIsAnsweredInOneSentence(int at, int value, String words) throws IOException {
    Path file = export(ModelFormat.LLMC, WeightType.F32);
    try (var access = new RandomAccessFile(file.toFile(), "rw")) {
      access.seek(at);
      access.writeInt(Integer.reverseBytes(value));
    }
    var e = assertThrows(MalformedFileException.class, () -> Gpt2Source.open(file, ModelFormat.of(file)));
    assertTrue(e.getMessage().contains(words), e.getMessage());
    assertFalse(e.getMessage().contains("\n"));
  }

  @ParameterizedTest
  @EnumSource
  void aFileCutOffAnywhereIsRefused(ModelFormat format) throws IOException {
    Path output = export(format, WeightType.F32);
    Path file = format == ModelFormat.HF ? output.resolve("model.safetensors") : output;
    byte[] all = Files.readAllBytes(file);
    for (int length = 0; length < all.length; length += 1 + all.length / 200) {
      Files.write(file, Arrays.copyOf(all, length));
      assertThrows(MalformedFileException.class, () -> Gpt2Source.open(output, format).close(), "at " + length);
    }
  }

  @Test
  void tokenizersOfGgufComeBack() throws IOException {
    use(CONFIG.withVocabulary(61));
    var characters = CharacterTokenizer.of("Zürich, 東京 🙂");
    new Gpt2Export(ModelFormat.GGUF, WeightType.F32).write(gpt2, Optional.of(characters), folder.resolve("c"));
    try (var source = Gpt2Source.open(folder.resolve("c"), ModelFormat.GGUF)) {
      assertEquals(characters.characters(), ((CharacterTokenizer) source.tokenizer().orElseThrow()).characters());
    }
    new Gpt2Export(ModelFormat.GGUF, WeightType.F32).write(gpt2, Optional.empty(), folder.resolve("n"));
    try (var source = Gpt2Source.open(folder.resolve("n"), ModelFormat.GGUF)) {
      assertTrue(source.tokenizer().isEmpty());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {50_257, 50_300})
  void theGpt2TokenizerOfGgufComesBack(int vocabulary) throws IOException {
    use(Gpt2Config.of(1, 1, 4).withContext(8).withVocabulary(vocabulary));
    Path file = folder.resolve("g");
    new Gpt2Export(ModelFormat.GGUF, WeightType.BF16).write(gpt2, Optional.of(new Gpt2Tokenizer()), file);
    try (var source = Gpt2Source.open(file, ModelFormat.GGUF)) {
      assertEquals("gpt2", source.tokenizer().orElseThrow().name());
      assertEquals(vocabulary, source.config().vocabulary());
    }
  }
}
