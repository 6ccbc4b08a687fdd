package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.gatun.model.ByteTokenizer;
import org.gatun.model.Gpt2Export;
import org.gatun.model.Gpt2Source;
import org.gatun.model.Gpt2Tokenizer;
import org.gatun.model.ModelFormat;
import org.gatun.model.Tokenizer;
import org.gatun.model.WeightType;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun import}: a model of others becomes one of ours. */
@Command(name = "import", description = {
  "Make a model of other programs one that Gatun trains, samples and evaluates.",
  "Reads Hugging Face folders of GPT-2 in any size (one file or several), safetensors under OpenAI's"
      + " own names (model/h0/attn/c_attn/w), llm.c's checkpoints and GGUF that is not quantised, in"
      + " f32, f16 or bf16; writes a Hugging Face folder in f32. A Hugging Face folder needs no"
      + " import: --model and --init open it as it stands."
}, mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class)
final class ImportCommand implements Callable<Integer> {
  private static final List<String> FORMATS = List.of("auto", "hf", "llmc", "gguf");
  private static final List<String> TOKENIZERS = List.of("auto", "gpt2", "byte", "none");

  @Option(names = "--input", paramLabel = "PATH", required = true, description = "A folder, or a file: .safetensors, llm.c's .bin, .gguf.")
  Path input;

  @Option(names = "--output", paramLabel = "DIR", required = true, description = "The folder to make; it must not be there yet.")
  Path output;

  @Option(names = "--format", paramLabel = "auto|hf|llmc|gguf", defaultValue = "auto", description = "What the input is; auto looks at how it begins.")
  String format;

  @Option(names = "--tokenizer", paramLabel = "auto|gpt2|byte|none", defaultValue = "auto", description = "What made the model's tokens; auto: what the input says, else GPT-2's for 50257 tokens.")
  String tokenizer;

  @Mixin
  DeviceOptions deviceOptions;

  @Override
  public Integer call() throws IOException {
    WrongUse.unlessOneOf("--format", FORMATS, format);
    WrongUse.unlessOneOf("--tokenizer", TOKENIZERS, tokenizer);
    deviceOptions.validate();
    try (var device = deviceOptions.open();
        var source = Gpt2Source.open(input, format());
        var gpt2 = source.load(device)) {
      Optional<Tokenizer> known = tokenizer(source);
      if (known.isPresent() && known.get().vocabulary() > gpt2.config().vocabulary()) {
        throw new IllegalArgumentException(
            input + " has a vocabulary of " + gpt2.config().vocabulary() + ", the tokenizer " + known.get().name()
                + " has " + known.get().vocabulary() + " tokens; give another --tokenizer, or none");
      }
      new Gpt2Export(ModelFormat.HF, WeightType.F32).write(gpt2, known, output);
      System.out.printf(
          Locale.ROOT,
          "imported %s parameters %d tokenizer %s%n",
          output,
          gpt2.config().parameterCount(),
          known.map(Tokenizer::name).orElse("none"));
    }
    return 0;
  }

  private ModelFormat format() throws IOException {
    return format.equals("auto") ? ModelFormat.of(input) : ModelFormat.valueOf(format.toUpperCase(Locale.ROOT));
  }

  private Optional<Tokenizer> tokenizer(Gpt2Source source) throws IOException {
    return switch (tokenizer) {
      case "gpt2" -> Optional.of(new Gpt2Tokenizer());
      case "byte" -> Optional.of(new ByteTokenizer());
      case "none" -> Optional.empty();
      default -> source.tokenizer();
    };
  }
}
