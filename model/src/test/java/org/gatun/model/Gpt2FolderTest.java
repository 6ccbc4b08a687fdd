package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.gatun.cpu.CpuDevice;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;
import org.gatun.io.Safetensors;
import org.gatun.io.SafetensorsWriter;
import org.gatun.tensor.Device;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class Gpt2FolderTest {
  private static final String WEIGHTS = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final Gpt2Config SMALL = Gpt2Config.of(2, 2, 8).withContext(4).withVocabulary(256);

  private static Device device;

  @TempDir
  Path folder;

  @BeforeAll
  static void open() {
    device = new CpuDevice(2);
  }

  @AfterAll
  static void close() {
    device.close();
  }

  @Test
  void aModelComesBackBitForBit() throws IOException {
    assertComesBack(SMALL.withGelu(Gelu.ERF).withDropout(0.25f).withLayerNormEps(1e-6f).withVocabulary(300));
  }

  @Test
  void aModelWithoutBiasesComesBackWithoutThem() throws IOException {
    assertComesBack(SMALL.withBias(false));
    try (var weights = Safetensors.open(folder.resolve(WEIGHTS))) {
      assertArrayEquals(new float[24], weights.floats("transformer.h.0.attn.c_attn.bias"));
    }
  }

  private void assertComesBack(Gpt2Config config) throws IOException {
    var place = new Gpt2Folder(folder);
    try (var gpt2 = Gpt2Test.model(device, config, 3)) {
      place.write(gpt2);
      assertEquals(config, place.config());
      try (var read = Gpt2.load(folder, device, Precision.F32)) {
        assertArrayEquals(gpt2.parameters().masters().toArray(), read.parameters().masters().toArray());
      }
    }
  }

  @Test
  void mastersAreWrittenInFullPrecisionWhateverTheModelComputesIn() throws IOException {
    try (var f32 = Gpt2.load(Reference.FOLDER, device, Precision.F32);
        var bf16 = Gpt2.load(Reference.FOLDER, device, Precision.BF16)) {
      new Gpt2Folder(folder).write(bf16);
      try (var read = Gpt2.load(folder, device, Precision.F32)) {
        assertArrayEquals(f32.parameters().masters().toArray(), read.parameters().masters().toArray());
      }
    }
  }

  @Test
  void namesShapesAndOrientationAreThoseOfTransformers() throws IOException {
    try (var gpt2 = Gpt2.load(Reference.FOLDER, device, Precision.F32)) {
      new Gpt2Folder(folder).write(gpt2);
    }
    try (var theirs = Safetensors.open(Reference.FOLDER.resolve(WEIGHTS));
        var ours = Safetensors.open(folder.resolve(WEIGHTS))) {
      assertEquals(theirs.names(), ours.names());
      assertEquals(Map.of("format", "pt"), ours.metadata());
      for (String name : theirs.names()) {
        assertEquals(theirs.entry(name).toString(), ours.entry(name).toString(), name);
        assertArrayEquals(theirs.floats(name), ours.floats(name), name);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"'', false", "transformer., false", "'', true", "transformer., true"})
  void prefixedAndBareNamesAndShardsAreRead(String prefix, boolean sharded) throws IOException {
    rewrite(prefix, sharded, false);
    try (var gpt2 = Gpt2.load(folder, device, Precision.F32);
        var expected = Gpt2.load(Reference.FOLDER, device, Precision.F32)) {
      assertArrayEquals(expected.parameters().masters().toArray(), gpt2.parameters().masters().toArray());
    }
  }

  @Test
  void buffersAndATiedHeadBesideTheWeightsAreIgnored() throws IOException {
    rewrite("transformer.", false, true);
    try (var gpt2 = Gpt2.load(folder, device, Precision.F32); var scope = Scope.on(device);
        var reference = new Reference()) {
      float loss = gpt2.loss(reference.tokens(scope), reference.targets(scope)).item();
      assertEquals(reference.number("loss"), loss, 1e-5);
    }
  }

  /** The reference's folder once more, in another form. */
  private void rewrite(String prefix, boolean sharded, boolean extras) throws IOException {
    Files.copy(Reference.FOLDER.resolve("config.json"), folder.resolve("config.json"));
    var weightMap = new LinkedHashMap<String, Object>();
    SafetensorsWriter[] writers = {new SafetensorsWriter(), new SafetensorsWriter()};
    try (var weights = Safetensors.open(Reference.FOLDER.resolve(WEIGHTS))) {
      for (String name : weights.names()) {
        int shard = sharded ? Math.floorMod(name.hashCode(), 2) : 0;
        String changed = prefix + name.substring("transformer.".length());
        int[] dims = weights.entry(name).shape().stream().mapToInt(Long::intValue).toArray();
        writers[shard].add(changed, weights.floats(name), dims);
        weightMap.put(changed, "model-0000" + (shard + 1) + "-of-00002.safetensors");
      }
      if (extras) {
        writers[0].add("lm_head.weight", weights.floats("transformer.wte.weight"), 61, 24)
            .add(prefix + "h.0.attn.bias", new float[256], 1, 1, 16, 16)
            .add(prefix + "h.1.attn.masked_bias", new float[]{-1e4f});
      }
    }
    if (sharded) {
      writers[0].write(folder.resolve("model-00001-of-00002.safetensors"));
      writers[1].write(folder.resolve("model-00002-of-00002.safetensors"));
      Files.writeString(folder.resolve(INDEX), Json.text(Map.of("metadata", Map.of(), "weight_map", weightMap)));
    } else {
      writers[0].write(folder.resolve(WEIGHTS));
    }
  }

  @Test
  void everyTokenizerComesBackWithTheModel() throws IOException {
    var place = new Gpt2Folder(folder);
    try (var gpt2 = Gpt2Test.model(device, SMALL, 3)) {
      place.write(gpt2, new ByteTokenizer());
      assertInstanceOf(ByteTokenizer.class, place.tokenizer());
      place.write(gpt2, CharacterTokenizer.of("hello"));
      assertEquals("hello", place.tokenizer().decode(place.tokenizer().encode("hello")));
    }
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      model_type | `"llama"` | model_type is "llama", expected gpt2
      activation_function | `"relu"` | activation_function is "relu", expected one of gelu,
      activation_function | `null` | activation_function is "null"
      n_layer | `0` | n_layer is "0", expected an integer of at least 1
      n_layer | `-3` | n_layer is "-3"
      n_layer | `2.0` | n_layer is "2.0"
      n_layer | `"2"` | n_layer is "2"
      n_layer | `99999999999` | n_layer is "99999999999"
      n_layer | `2147483647` | fewer than
      n_head | `5` | channels 24 must be a multiple of heads 5
      n_inner | `100` | n_inner is "100", expected null or four times n_embd
      layer_norm_epsilon | `0` | epsilon
      layer_norm_epsilon | `"x"` | layer_norm_epsilon is "x", expected a number
      resid_pdrop | `1.5` | dropout 1.5
      scale_attn_weights | `false` | scale_attn_weights is "false", expected true
      scale_attn_by_inverse_layer_idx | `true` | expected false
      add_cross_attention | `true` | expected false
      tie_word_embeddings | `false` | tie_word_embeddings is "false", expected true
      gatun_bias | `1` | gatun_bias is "1", expected true or false
      """)
  void aConfigurationOfAnotherModelIsRefused(String key, String value, String words) throws IOException {
    Map<String, Object> config = Json.read(Reference.FOLDER.resolve("config.json"));
    config.remove(key);
    String rest = Json.text(config);
    Files.writeString(folder.resolve("config.json"), "{\"" + key + "\": " + value + ", " + rest.substring(1));
    assertRefused(words, new Gpt2Folder(folder)::config);
  }

  @ParameterizedTest
  @CsvSource({"gelu_new, TANH", "gelu_pytorch_tanh, TANH", "gelu_fast, TANH", "gelu, ERF"})
  void activationsHaveTheNamesOfTransformers(String name, Gelu gelu) throws IOException {
    String json = "{\"model_type\":\"gpt2\",\"activation_function\":\"" + name + "\"}";
    Files.writeString(folder.resolve("config.json"), json);
    assertEquals(Gpt2Config.gpt2().withGelu(gelu).withDropout(0.1f), new Gpt2Folder(folder).config());
  }

  @Test
  void aFolderThatIsNoModelIsAnsweredInOneSentence() throws IOException {
    assertRefused("no config.json, expected a Hugging Face GPT-2 folder", this::load);
    Files.copy(Reference.FOLDER.resolve("config.json"), folder.resolve("config.json"));
    assertRefused("no model.safetensors and no model.safetensors.index.json", this::load);
  }

  @Test
  void missingTensorsAreNamed() throws IOException {
    rewriteWith(weights -> weights.remove("transformer.h.1.ln_2.bias"));
    assertRefused("the weights lack \"h.1.ln_2.bias\", expected as config.json says", this::load);
  }

  @Test
  void ofManyMissingTensorsTheFirstAreNamed() throws IOException {
    rewriteWith(weights -> weights.keySet().removeIf(name -> name.startsWith("transformer.h.1.")));
    assertRefused("and 7 more", this::load);
  }

  @Test
  void unknownTensorsAreNamed() throws IOException {
    rewriteWith(weights -> weights.put("transformer.h.2.ln_1.weight", new int[]{24}));
    assertRefused("the weights have \"h.2.ln_1.weight\", expected only what config.json says", this::load);
  }

  @Test
  void wrongShapesAreNamed() throws IOException {
    rewriteWith(weights -> weights.put("transformer.h.0.attn.c_attn.weight", new int[]{72, 24}));
    assertRefused("tensor \"transformer.h.0.attn.c_attn.weight\" is F32[72, 24], expected [24, 72]", this::load);
  }

  @ParameterizedTest
  @CsvSource({"n_layer, 100000000, expected those of 100000000 layers", "n_embd, 9000, expected [61",
    "vocab_size, 80000000, expected [80000000"})
  void aConfigurationMuchLargerThanTheWeightsIsRefusedBeforeItTakesMemory(String key, int value, String words)
      throws IOException {
    rewriteWith(weights -> weights.remove(""));
    Map<String, Object> config = Json.read(folder.resolve("config.json"));
    config.put(key, value);
    config.put("n_head", 1);
    if (key.equals("n_layer")) {
      config.put("n_embd", 1);
    }
    Files.writeString(folder.resolve("config.json"), Json.text(config));
    assertRefused(words, this::load);
  }

  @Test
  void tensorsOfOtherTypesAreRefused() throws IOException {
    Files.copy(Reference.FOLDER.resolve("config.json"), folder.resolve("config.json"));
    var writer = new SafetensorsWriter();
    try (var weights = Safetensors.open(Reference.FOLDER.resolve(WEIGHTS))) {
      for (String name : weights.names()) {
        int[] dims = weights.entry(name).shape().stream().mapToInt(Long::intValue).toArray();
        writer.add(name, new int[Math.toIntExact(weights.entry(name).size())], dims);
      }
    }
    writer.write(folder.resolve(WEIGHTS));
    assertRefused("is I32[61, 24], expected F32, BF16 or F16", this::load);
  }

  @Test
  void aTensorThatIsThereTwiceIsRefused() throws IOException {
    rewriteWith(weights -> weights.put("ln_f.bias", new int[]{24}));
    assertRefused("is there twice", this::load);
  }

  @Test
  void anUntiedHeadIsRefused() throws IOException {
    rewriteWith(weights -> weights.put("lm_head.weight", new int[]{61, 24}));
    assertRefused("lm_head.weight differs from wte.weight", this::load);
  }

  @Test
  void biasesInAModelThatIsSaidToHaveNoneAreRefused() throws IOException {
    rewriteWith(weights -> weights.remove(""));
    Map<String, Object> config = Json.read(folder.resolve("config.json"));
    config.put("gatun_bias", false);
    Files.writeString(folder.resolve("config.json"), Json.text(config));
    assertRefused("expected zeros", this::load);
  }

  private interface Change {
    void to(Map<String, int[]> shapes);
  }

  /** The reference's names and shapes after a change, filled with ones. */
  private void rewriteWith(Change change) throws IOException {
    Files.copy(Reference.FOLDER.resolve("config.json"), folder.resolve("config.json"));
    var shapes = new LinkedHashMap<String, int[]>();
    try (var weights = Safetensors.open(Reference.FOLDER.resolve(WEIGHTS))) {
      for (String name : weights.names()) {
        shapes.put(name, weights.entry(name).shape().stream().mapToInt(Long::intValue).toArray());
      }
    }
    change.to(shapes);
    var writer = new SafetensorsWriter();
    shapes.forEach((name, dims) -> {
      var values = new float[Arrays.stream(dims).reduce(1, (a, b) -> a * b)];
      Arrays.fill(values, name.startsWith("lm_head") ? 2 : 1);
      writer.add(name, values, dims);
    });
    writer.write(folder.resolve(WEIGHTS));
  }

  @ParameterizedTest
  @ValueSource(strings = {"../model.safetensors", "/etc/passwd", "a/b", "..", "", "a\\\\b"})
  void anIndexMustNotReachOutOfItsFolder(String name) throws IOException {
    Files.copy(Reference.FOLDER.resolve("config.json"), folder.resolve("config.json"));
    Files.writeString(folder.resolve(INDEX), "{\"weight_map\":{\"wte.weight\":\"" + name + "\"}}");
    assertRefused("expected a file of the same folder", this::load);
  }

  @Test
  void anIndexWithoutNamesIsRefused() throws IOException {
    Files.copy(Reference.FOLDER.resolve("config.json"), folder.resolve("config.json"));
    Files.writeString(folder.resolve(INDEX), "{}");
    assertRefused("no weight_map", this::load);
  }

  @Test
  void aFailedReadLeavesNoMemoryBehind() throws IOException {
    rewriteWith(weights -> weights.remove("transformer.ln_f.bias"));
    long before = device.bytesInUse();
    assertThrows(MalformedFileException.class, this::load);
    assertEquals(before, device.bytesInUse());
  }

  private void load() throws IOException {
    Gpt2.load(folder, device, Precision.F32).close();
  }

  private static void assertRefused(String words, org.junit.jupiter.api.function.Executable action) {
    var e = assertThrows(MalformedFileException.class, action);
    assertTrue(e.getMessage().contains(words), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
  }
}
