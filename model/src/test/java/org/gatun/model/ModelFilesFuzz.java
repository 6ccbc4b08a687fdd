package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.Device;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Whatever a file of a model holds, it is a model or is refused in a sentence that names it.
 *
 * <p>Run one by name, such as {@code -Dtest=ModelFilesFuzz#gguf}, with JAZZER_FUZZ=1 in the environment:
 * for a minute it searches for bytes that do harm. Not named as a test, because the fuzzer's agent
 * would slow down all others of the build; {@link DamagedModelFilesTest} tries some bytes there.
 */
class ModelFilesFuzz {
  static final long SEED = 2024;

  private static final Gpt2Config CONFIG = Gpt2Config.of(1, 1, 4).withContext(3).withVocabulary(5);

  /** A valid file of a format; of Hugging Face's the weights. */
  static byte[] valid(ModelFormat format) throws IOException {
    Path path = Files.createTempDirectory("model").resolve("valid");
    try (Device device = new CpuDevice(1); Gpt2 gpt2 = Gpt2Test.model(device, CONFIG, SEED)) {
      new Gpt2Export(format, WeightType.F32).write(gpt2, Optional.of(CharacterTokenizer.of("abcde")), path);
      return Files.readAllBytes(format == ModelFormat.HF ? path.resolve("model.safetensors") : path);
    } finally {
      if (Files.isDirectory(path)) {
        delete(path);
      }
      delete(path.getParent());
    }
  }

  static void check(ModelFormat format, byte[] bytes) throws IOException {
    Path folder = Files.createTempDirectory("model");
    try {
      open(Files.write(folder.resolve("file"), bytes), format);
    } finally {
      delete(folder);
    }
  }

  private static void open(Path path, ModelFormat format) {
    try (Device device = new CpuDevice(1); var source = Gpt2Source.open(path, format);
        Gpt2 read = source.load(device)) {
      assertTrue(read.config().parameterCount() > 0);
      source.tokenizer();
    } catch (IOException e) {
      assertTrue(e.getMessage().contains(path.getParent().toString()), e.getMessage());
      assertFalse(e.getMessage().contains("\n"), e.getMessage());
      assertTrue(e.getMessage().length() < 2000, e.getMessage());
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }

  /** A Hugging Face folder of this configuration and these weights. */
  static void checkFolder(byte[] config, byte[] weights) throws IOException {
    Path folder = Files.createTempDirectory("model");
    try {
      Files.write(folder.resolve("config.json"), config);
      Files.write(folder.resolve("model.safetensors"), weights);
      open(folder, ModelFormat.HF);
    } finally {
      delete(folder);
    }
  }

  static byte[] validConfig() throws IOException {
    Path file = Files.createTempFile("config", "json");
    try {
      Gpt2ConfigFile.write(file, CONFIG, OptionalInt.empty(), WeightType.F32);
      return Files.readAllBytes(file);
    } finally {
      Files.delete(file);
    }
  }

  static Stream<byte[]> llmcFiles() throws IOException {
    return Stream.of(valid(ModelFormat.LLMC), new byte[0], new byte[1024]);
  }

  @MethodSource("llmcFiles")
  @FuzzTest(maxDuration = "60s")
  void llmcCheckpoint(byte[] bytes) throws IOException {
    check(ModelFormat.LLMC, bytes);
  }

  static Stream<byte[]> ggufFiles() throws IOException {
    return Stream.of(valid(ModelFormat.GGUF), new byte[0], "GGUF\3\0\0\0".getBytes(StandardCharsets.ISO_8859_1));
  }

  @MethodSource("ggufFiles")
  @FuzzTest(maxDuration = "60s")
  void gguf(byte[] bytes) throws IOException {
    check(ModelFormat.GGUF, bytes);
  }

  static Stream<byte[]> safetensorsFiles() throws IOException {
    return Stream.of(valid(ModelFormat.HF), new byte[0], "\2\0\0\0\0\0\0\0{}".getBytes(StandardCharsets.UTF_8));
  }

  @MethodSource("safetensorsFiles")
  @FuzzTest(maxDuration = "60s")
  void safetensors(byte[] bytes) throws IOException {
    checkFolder(validConfig(), bytes);
  }

  static Stream<byte[]> configFiles() throws IOException {
    return Stream.of(validConfig(), "{}".getBytes(StandardCharsets.UTF_8), new byte[0]);
  }

  @MethodSource("configFiles")
  @FuzzTest(maxDuration = "60s")
  void configJson(byte[] bytes) throws IOException {
    checkFolder(bytes, valid(ModelFormat.HF));
  }
}
