package org.gatun.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Gpt2Folder;
import org.gatun.model.Tokenizer;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/** {@code gatun train}: a new run, or an earlier one taken up again. */
@Command(name = "train", mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class, description = {
  "Train a GPT-2.",
  "",
  "Without any option: a small model on the Java sources of this JDK, on the CPU, for about two"
      + " minutes; then it writes a sample.",
  "On your own text: @|bold gatun train --data FILE|@. From existing weights: @|bold --init"
      + " DIR|@. After an interruption: @|bold --resume DIR|@.",
  ""
}, footer = {
  "",
  "The run's folder is a Hugging Face GPT-2 folder with, beside it, optimizer.safetensors and"
      + " state.json (to go on),",
  "metrics.csv (one row a step), train.log, and checkpoints/."
})
final class TrainCommand implements Callable<Integer> {
  /** What a run may change when it is taken up again; all else is part of what makes its result. */
  private static final Set<String> MAY_CHANGE =
      Set.of(
          "steps",
          "max-minutes",
          "threads",
          "blas",
          "device",
          "data",
          "val-data",
          "eval-interval",
          "eval-tokens",
          "checkpoint-interval",
          "keep-checkpoints",
          "sample-interval",
          "sample-tokens",
          "sample-prompt",
          "log-interval",
          "resume");

  @Mixin
  DataOptions data;

  @Mixin
  ModelOptions model;

  @Mixin
  BatchOptions batch;

  @Mixin
  OptimizerOptions optimizer;

  @Mixin
  RunOptions run;

  @Mixin
  DeviceOptions deviceOptions;

  @Mixin
  ConfigOptions config;

  @Spec
  CommandSpec spec;

  private Origins origins;
  private RunState resumed;

  /** Adds what values come from when neither command line, environment nor file have them. */
  void useOrigins(Origins given, ParseResult first) throws IOException {
    origins = given;
    Path resume = path(first, "resume");
    if (resume != null) {
      resumed = RunFolder.state(resume);
      origins.addWeaker(resume.toString(), resumed.options());
      return;
    }
    String preset = first.matchedOptionValue("--preset", origins.lookUp("preset"));
    if (preset == null && path(first, "init") != null) {
      return;
    }
    Preset chosen = Preset.named(preset == null ? Preset.QUICKSTART.toString() : preset);
    origins.addWeaker("preset " + chosen, chosen.options());
  }

  private Path path(ParseResult first, String key) {
    String elsewhere = origins.lookUp(key);
    return first.matchedOptionValue("--" + key, elsewhere == null ? null : Path.of(elsewhere));
  }

  @Override
  public Integer call() throws IOException {
    data.validate();
    model.validate();
    batch.validate();
    optimizer.validate();
    run.validate();
    deviceOptions.validate();
    optimizer.validateTogether(origins);
    if (run.samplePrompt == null) {
      run.samplePrompt = data.data == null ? "public class " : "";
    }
    if (config.printConfig) {
      origins.print(spec.commandLine().getOut());
      return 0;
    }
    if (run.resume == null) {
      start();
    } else {
      resume();
    }
    return 0;
  }

  // A new run.

  private void start() throws IOException {
    Gpt2Config existing = existing();
    if (existing != null) {
      model.requireAgreement(existing, origins);
    }
    int context = model.context == null ? existing.context() : model.context;
    batch.microSteps(context);
    Corpus corpus = corpus(existing);
    corpus.requireWindow(context);
    var state = new RunState(0, 0, corpus.train().sha256(), options(), Versions.all());
    try (Device device = deviceOptions.open();
        Gpt2 gpt2 = initial(device, existing, corpus.vocabulary())) {
      try (RunFolder folder = RunFolder.create(out(), state)) {
        train(gpt2, corpus, context, folder, state);
      }
    }
  }

  private Gpt2Config existing() throws IOException {
    return model.init == null ? null : new Gpt2Folder(model.init).config();
  }

  /** The data for a new model, or for an existing one, whose tokens it must then consist of. */
  private Corpus corpus(Gpt2Config existing) throws IOException {
    if (existing != null) {
      return Corpus.open(data, tokenizerOf(model.init), existing.vocabulary());
    }
    return Corpus.open(data, null, model.vocab == null ? 0 : model.vocab);
  }

  private Gpt2 initial(Device device, Gpt2Config existing, int vocabulary) throws IOException {
    if (existing != null) {
      return Gpt2.load(model.init, existing.withDropout(model.dropout), device, model.precision);
    }
    var gpt2 = new Gpt2(new Parameters(device, model.precision), model.configuration(vocabulary));
    gpt2.parameters().initialize(run.seed);
    return gpt2;
  }

  /** Null where the folder does not say: then the data must be tokens. */
  private Tokenizer tokenizerOf(Path folder) throws IOException {
    try {
      return new Gpt2Folder(folder).tokenizer();
    } catch (IOException e) {
      if (Corpus.isTokens(data.data) || data.tokenizer != null) {
        return null;
      }
      throw e;
    }
  }

  private Path out() {
    if (run.out != null) {
      return run.out;
    }
    String name =
        LocalDateTime.now().format(DateTimeFormatter.ofPattern("yyyy-MM-dd-HHmmss", Locale.ROOT));
    Path folder = Path.of("runs", name);
    for (int next = 2; Files.exists(folder); next++) {
      folder = Path.of("runs", name + "-" + next);
    }
    return folder;
  }

  /** Every option as text, but for those that say where a run is. */
  private Map<String, String> options() {
    var options = new TreeMap<>(origins.values());
    options.keySet().removeAll(Arrays.asList("out", "resume"));
    return options;
  }

  // An earlier run.

  private void resume() throws IOException {
    requireSameRun();
    try (RunFolder folder = RunFolder.open(run.resume)) {
      folder.repair();
      // Read again: another process may have gone on until the folder was ours.
      resumed = RunFolder.state(run.resume);
      resume(folder, folder.newest());
    }
  }

  private void resume(RunFolder folder, Path newest) throws IOException {
    if (newest == null) {
      Gpt2Config existing = existing();
      Corpus corpus = requireSame(corpus(existing));
      try (Device device = deviceOptions.open();
          Gpt2 gpt2 = initial(device, existing, corpus.vocabulary())) {
        train(gpt2, corpus, context(gpt2.config()), folder, state(0, 0));
      }
      return;
    }
    Gpt2Config saved = new Gpt2Folder(newest).config();
    Corpus corpus = requireSame(Corpus.open(data, tokenizerOf(newest), saved.vocabulary()));
    try (Device device = deviceOptions.open();
        Gpt2 gpt2 = Gpt2.load(newest, saved.withDropout(model.dropout), device, model.precision)) {
      train(gpt2, corpus, context(saved), folder, state(resumed.step(), resumed.dataPosition()));
    }
  }

  private int context(Gpt2Config saved) {
    return model.context == null ? saved.context() : model.context;
  }

  private RunState state(long step, long position) {
    return new RunState(step, position, resumed.dataHash(), options(), Versions.all());
  }

  private void requireSameRun() {
    if (origins.isChosen("out")) {
      throw new WrongUse(
          "--out contradicts --resume: a run goes on in its own folder; leave --out away");
    }
    Map<String, String> values = origins.values();
    for (String key : values.keySet()) {
      String before = resumed.options().get(key);
      if (origins.isChosen(key) && !MAY_CHANGE.contains(key) && !values.get(key).equals(before)) {
        throw new WrongUse(
            ("--%s %s contradicts --resume %s, a run with %s;"
                + " leave it out, or begin a new run with --init %s")
                .formatted(
                    key,
                    values.get(key),
                    run.resume,
                    before == null ? "no --" + key : "--" + key + " " + before,
                    run.resume));
      }
    }
  }

  private Corpus requireSame(Corpus corpus) throws IOException {
    if (!corpus.train().sha256().equals(resumed.dataHash())) {
      throw new IOException(
          ("%s is not the data that %s was trained on: it has changed since;"
              + " put it back, or begin a new run with --init %s")
              .formatted(corpus.train().name(), run.resume, run.resume));
    }
    return corpus;
  }

  // Both.

  private void train(Gpt2 gpt2, Corpus corpus, int context, RunFolder folder, RunState state)
      throws IOException {
    if (corpus.tokenizer() != null) {
      corpus.tokenizer().encode(run.samplePrompt); // not after hours of training
    }
    var job =
        new Trainer.Job(
            gpt2,
            corpus,
            batch,
            optimizer,
            run,
            context,
            data.sampling == DataOptions.Order.SHUFFLED);
    try (var stop = new StopSignal();
        var trainer = new Trainer(job, folder, state, stop)) {
      try {
        trainer.run(System.out);
      } catch (IOException | RuntimeException e) {
        stop.failed(e);
        throw e;
      }
    }
  }
}
