package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.gatun.model.Gpt2Export;
import org.gatun.model.Gpt2Source;
import org.gatun.model.ModelFormat;
import org.gatun.model.WeightType;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun export}: a model of ours for other programs. */
@Command(name = "export", description = {
  "Write a model for other programs: transformers (hf), llm.c (llmc) or llama.cpp (gguf).",
  "What was written is read back and must predict the same before it gets its name; a run's folder is"
      + " a Hugging Face folder already, hf makes one without the state of training."
}, mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class)
final class ExportCommand implements Callable<Integer> {
  private static final List<String> FORMATS = List.of("hf", "llmc", "gguf");
  private static final List<String> TYPES = List.of("f32", "f16", "bf16");

  @Option(names = "--model", paramLabel = "DIR", required = true, description = "A run's folder or any Hugging Face GPT-2 folder.")
  Path model;

  @Option(names = "--output", paramLabel = "PATH", required = true, description = "The folder (hf) or file (llmc, gguf) to make; it must not be there yet.")
  Path output;

  @Option(names = "--format", paramLabel = "hf|llmc|gguf", defaultValue = "hf", description = "What to write.")
  String format;

  @Option(names = "--dtype", paramLabel = "f32|f16|bf16", defaultValue = "f32", description = "The type of weights; llmc has no f16, gguf keeps norms, biases and positions in f32.")
  String dtype;

  @Mixin
  DeviceOptions deviceOptions;

  @Override
  public Integer call() throws IOException {
    WrongUse.unlessOneOf("--format", FORMATS, format);
    WrongUse.unlessOneOf("--dtype", TYPES, dtype);
    if (format.equals("llmc") && dtype.equals("f16")) {
      throw new WrongUse("--dtype f16: --format llmc holds f32 or bf16");
    }
    deviceOptions.validate();
    var export =
        new Gpt2Export(
            ModelFormat.valueOf(format.toUpperCase(Locale.ROOT)),
            WeightType.valueOf(dtype.toUpperCase(Locale.ROOT)));
    try (var device = deviceOptions.open();
        var source = Gpt2Source.open(model, ModelFormat.HF);
        var gpt2 = source.load(device)) {
      double change = export.write(gpt2, source.tokenizer(), output);
      System.out.printf(
          Locale.ROOT, "exported %s format %s dtype %s largest_logit_change %.3g%n", output, format, dtype, change);
    }
    return 0;
  }
}
