package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.gatun.cpu.CpuDevice;
import org.gatun.io.MalformedFileException;
import org.gatun.io.Safetensors;
import org.gatun.io.SafetensorsWriter;
import org.gatun.tensor.Device;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OpenAiNamesTest {
  private static Device device;

  @TempDir
  Path folder;

  @BeforeAll
  static void open() {
    device = new CpuDevice(1);
  }

  @AfterAll
  static void close() {
    device.close();
  }

  @ParameterizedTest
  @CsvSource({"model/wte, wte.weight", "model/wpe, wpe.weight", "model/h0/ln_1/g, h.0.ln_1.weight",
    "model/h11/attn/c_attn/w, h.11.attn.c_attn.weight", "model/h3/mlp/c_proj/b, h.3.mlp.c_proj.bias",
    "model/ln_f/g, ln_f.weight", "model/ln_f/b, ln_f.bias", "h.0.ln_1.weight, h.0.ln_1.weight"})
  void namesAreTranslated(String theirs, String ours) {
    assertEquals(ours, Gpt2Tensors.fromOpenAi(theirs));
  }

  /** The reference's weights under OpenAI's names, matrices as kernels [1, in, out]. */
  private Path write() throws IOException {
    var writer = new SafetensorsWriter();
    try (var weights = Safetensors.open(Reference.FOLDER.resolve("model.safetensors"))) {
      for (String name : weights.names()) {
        String bare = name.replace("transformer.", "");
        if (bare.equals("lm_head.weight")) {
          continue;
        }
        String path = bare.replaceFirst("^h\\.(\\d+)\\.", "h$1/").replace('.', '/');
        String theirs = "model/" + (bare.matches("w[tp]e.weight")
            ? path.replace("/weight", "")
            : path.replace("/weight", bare.contains("ln_") ? "/g" : "/w").replace("/bias", "/b"));
        IntStream dims = weights.entry(name).shape().stream().mapToInt(Long::intValue);
        writer.add(theirs, weights.floats(name),
            theirs.endsWith("/w") ? IntStream.concat(IntStream.of(1), dims).toArray() : dims.toArray());
      }
    }
    writer.write(folder.resolve("model.safetensors"));
    return folder.resolve("model.safetensors");
  }

  @Test
  void aModelUnderOpenAisNamesIsTheOneUnderHuggingFaces() throws IOException {
    Path file = write();
    Files.writeString(folder.resolve("hparams.json"),
        "{\"n_vocab\": 61, \"n_ctx\": 16, \"n_embd\": 24, \"n_head\": 3, \"n_layer\": 2}");
    for (Path path : new Path[]{folder, file}) {
      try (var source = Gpt2Source.open(path, ModelFormat.of(path));
          var read = source.load(device);
          var hf = Gpt2Source.open(Reference.FOLDER, ModelFormat.HF);
          var expected = hf.load(device)) {
        assertArrayEquals(expected.parameters().masters().toArray(), read.parameters().masters().toArray());
        assertTrue(source.tokenizer().isEmpty(), "61 tokens are nobody's");
      }
    }
  }

  @Test
  void withoutAConfigurationOnlyPublishedSizesAreKnown() throws IOException {
    Path file = write();
    var e = assertThrows(MalformedFileException.class, () -> Gpt2Source.open(file, ModelFormat.HF));
    assertTrue(e.getMessage().contains("no config.json and no hparams.json beside weights of 2 layers"),
        e.getMessage());
  }
}
