package org.gatun.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.gatun.io.MalformedFileException;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Gpt2Folder;
import org.gatun.model.Tokenizer;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Shape;
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
      + " DIR|@. A published run: @|bold --recipe NAME|@. After an interruption: the same command again, if it"
      + " named a folder by @|bold --out|@, or @|bold --resume DIR|@.",
  ""
}, footer = {
  "",
  "The run's folder is a Hugging Face GPT-2 folder with, beside it, optimizer.safetensors and"
      + " state.json (to go on),",
  "metrics.csv (one row a step), train.log, checkpoints/, and incidents/ for gatun replay."
})
final class TrainCommand implements Callable<Integer> {
  /** What a run may change when it is taken up again; all else is part of what makes its result. */
  private static final Set<String> MAY_CHANGE = Set.of(
      "steps", "max-minutes", "threads", "blas", "device", "data", "val-data", "eval-interval", "eval-tokens",
      "checkpoint-interval", "keep-checkpoints", "keep-every", "checkpoint-write", "memory-check",
      "micro-batch", "recompute", "on-spike", "spike-z", "spike-window", "sample-interval", "sample-tokens",
      "sample-prompt", "log-interval", "fresh", "out", "resume", "resume-step", "tune", "deterministic",
      "gpus", "no-graph", "rank-timeout-seconds");

  /** Options that say what is to be done now, and are no part of a run. */
  private static final Set<String> OF_THE_MOMENT = Set.of("out", "resume", "resume-step", "fresh", "max-minutes");

  /** For an estimate before the data is read: bytes, or the characters of a text. */
  private static final int LARGEST_SMALL_VOCABULARY = 256;

  @Mixin
  DataOptions data;

  @Mixin
  ModelOptions model;

  @Mixin
  BatchOptions batch;

  @Mixin
  OptimizerOptions optimizer;

  @Mixin
  SpikeOptions spikes;

  @Mixin
  RunOptions run;

  @Mixin
  DeviceOptions deviceOptions;

  @Mixin
  ParallelOptions parallel;

  @Mixin
  ConfigOptions config;

  @Spec
  CommandSpec spec;

  private Origins origins;
  private Path continued;
  private RunState resumed;
  private Ranks ranks;

  /** Adds what values come from when neither command line, environment nor file have them. */
  void useOrigins(Origins given, ParseResult first) throws IOException {
    origins = given;
    continued = continued(first);
    if (continued != null) {
      resumed = state(first.matchedOptionValue("--resume-step", null));
      origins.addWeaker(continued.toString(), resumed.options());
      return;
    }
    String preset = first.matchedOptionValue("--preset", origins.lookUp("preset"));
    String recipe = first.matchedOptionValue("--recipe", origins.lookUp("recipe"));
    if (recipe != null) {
      if (preset != null) {
        throw new WrongUse(
            "--preset %s contradicts --recipe %s, which has a size of its own; leave one out"
                .formatted(preset, recipe));
      }
      Recipe chosen = Recipe.named(recipe);
      origins.addWeaker("recipe " + chosen, chosen.options());
    } else if (preset != null || path(first, "init") == null) {
      Preset chosen = Preset.named(preset == null ? Preset.QUICKSTART.toString() : preset);
      origins.addWeaker("preset " + chosen, chosen.options());
    }
  }

  private RunState state(Long step) throws IOException {
    if (step != null) {
      return RunFolder.state(continued, step);
    }
    try {
      return RunFolder.state(continued);
    } catch (MalformedFileException e) {
      throw new IOException(
          e.getMessage() + "; " + RunFolder.insteadOfTheNewest(continued), e);
    }
  }

  /** The folder of the run that is taken up again; null for a new one. */
  private Path continued(ParseResult first) throws IOException {
    Path resume = path(first, "resume");
    Path out = path(first, "out");
    boolean fresh = first.matchedOptionValue("--fresh", Boolean.parseBoolean(origins.lookUp("fresh")));
    if (resume != null || out == null || fresh || !Files.isDirectory(out)) {
      return resume;
    }
    return RunFolder.isRun(out) ? out : null;
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
    spikes.validate();
    run.validate();
    deviceOptions.validate();
    parallel.validate();
    optimizer.validateTogether(origins);
    if (run.samplePrompt == null) {
      run.samplePrompt = data.data == null ? "public class " : "";
    }
    if (config.printConfig) {
      origins.print(spec.commandLine().getOut());
      printMemory();
      return 0;
    }
    if (parallel.launches()) {
      spikes.validateForRanks();
      deviceOptions.useGpu(0, origins);
      return parallel.launch(spec.root().commandLine().getParseResult().originalArgs());
    }
    if (continued != null) {
      requireSameRun();
    }
    // Before the others are met: what they read there is then in order.
    try (RunFolder taken = continued != null && Ranks.isFirst(System.getenv()) ? takeUp() : null;
        Ranks joined = Ranks.join(System.getenv(), signature(), parallel.patience())) {
      ranks = joined;
      try {
        work(taken);
      } catch (RuntimeException e) {
        ranks.throwFailure();
        throw e;
      }
    }
    return 0;
  }

  private void work(RunFolder taken) throws IOException {
    if (ranks.size() > 1) {
      spikes.validateForRanks();
      deviceOptions.useGpu(ranks.localRank(), origins);
    }
    if (continued == null) {
      start();
    } else {
      resume(taken);
    }
  }

  /** What must be alike on all ranks: every option, and the program. */
  private String signature() {
    return Integer.toHexString(origins.values().hashCode()) + " " + Versions.gatun();
  }

  /** What the run would take; a vocabulary that only the data knows is taken from the tokenizer. */
  private void printMemory() throws IOException {
    int vocabulary =
        model.vocab != null
            ? model.vocab
            : "gpt2".equals(data.tokenizer) ? Gpt2Config.GPT2_VOCABULARY : LARGEST_SMALL_VOCABULARY;
    Gpt2Config existing = existing();
    Gpt2Config size = existing == null ? model.configuration(vocabulary) : existing;
    MemoryEstimate estimate = MemoryEstimate.of(memoryPlan(size, context(size)));
    spec.commandLine().getOut().println("memory with " + size.vocabulary() + " tokens: " + estimate);
    spec.commandLine().getOut().flush();
  }

  private MemoryEstimate.Plan memoryPlan(Gpt2Config size, int context) {
    return new MemoryEstimate.Plan(
        size.withDropout(model.dropout),
        model.arithmetic.precision(),
        optimizer.adamw(),
        Shape.of(batch.microBatch, context),
        batch.recompute,
        run.checkpointWrite == RunOptions.Write.ASYNC);
  }

  /** Before anything is made: whether the run can be held in memory. */
  private MemoryEstimate requireMemory(Gpt2Config size, int context) {
    MemoryEstimate.Plan plan = memoryPlan(size, context);
    return run.memoryCheck
        ? MemoryEstimate.requireFit(plan, deviceOptions.available())
        : MemoryEstimate.of(plan);
  }

  // A new run.

  private void start() throws IOException {
    if (run.resumeStep != null) {
      throw new WrongUse(
          "--resume-step " + run.resumeStep + " takes a run to resume; name it by --resume or --out");
    }
    Gpt2Config existing = existing();
    if (existing != null) {
      model.requireAgreement(existing, origins);
    }
    int context = model.context == null ? existing.context() : model.context;
    batch.microSteps(context, ranks.size());
    Corpus corpus = corpus(existing);
    corpus.requireWindow(context);
    MemoryEstimate memory =
        requireMemory(existing == null ? model.configuration(corpus.vocabulary()) : existing, context);
    if (ranks.isFirst() && run.fresh && run.out != null && Files.isDirectory(run.out) && RunFolder.isRun(run.out)) {
      System.out.println(run.out + " held a run, which is now " + RunFolder.setAside(run.out));
    }
    try (Device device = deviceOptions.open(model.arithmetic);
        Gpt2 gpt2 = initial(device, existing, corpus.vocabulary())) {
      RunState state = RunState.begin(provenance(corpus, context, device));
      try (RunFolder folder = ranks.isFirst() ? RunFolder.create(out(), state) : null) {
        train(gpt2, corpus, context, folder, state, memory);
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
      return Gpt2.load(model.init, existing.withDropout(model.dropout), device, model.arithmetic.precision());
    }
    var gpt2 = new Gpt2(new Parameters(device, model.arithmetic.precision()), model.configuration(vocabulary));
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

  /** Without reference to how a step is cut: the tokens of a step are named, whoever chose them. */
  private Provenance provenance(Corpus corpus, int context, Device device) throws IOException {
    var options = new TreeMap<>(origins.values());
    options.keySet().removeAll(OF_THE_MOMENT);
    options.put(
        "batch-tokens",
        Long.toString((long) batch.microBatch * context * batch.microSteps(context, ranks.size()) * ranks.size()));
    var versions = new TreeMap<>(Versions.all());
    versions.put("device", device.name());
    return new Provenance(
        spec.root().commandLine().getParseResult().originalArgs(),
        options,
        corpus.train().sha256(),
        manifestHash(),
        versions);
  }

  private String manifestHash() throws IOException {
    if (data.data == null) {
      return "";
    }
    Path manifest =
        Files.isDirectory(data.data)
            ? data.data.resolve("manifest.json")
            : data.data.resolveSibling("manifest.json");
    return Files.exists(manifest) ? Checksums.sha256(manifest) : "";
  }

  // An earlier run.

  private RunFolder takeUp() throws IOException {
    RunFolder folder = RunFolder.open(continued);
    try {
      folder.repair();
      if (run.resumeStep != null) {
        folder.returnTo(run.resumeStep);
      }
      return folder;
    } catch (IOException | RuntimeException e) {
      folder.close();
      throw e;
    }
  }

  private void resume(RunFolder folder) throws IOException {
    // Read again: another process may have gone on until the folder was ours.
    resumed = RunFolder.state(continued);
    resume(folder, RunFolder.newest(continued));
  }

  private void resume(RunFolder folder, Path newest) throws IOException {
    if (newest == null) {
      Gpt2Config existing = existing();
      Corpus corpus = requireSame(corpus(existing));
      Gpt2Config size = existing == null ? model.configuration(corpus.vocabulary()) : existing;
      MemoryEstimate memory = requireMemory(size, context(size));
      try (Device device = deviceOptions.open(model.arithmetic);
          Gpt2 gpt2 = initial(device, existing, corpus.vocabulary())) {
        int context = context(gpt2.config());
        RunState state = RunState.begin(provenance(corpus, context, device));
        train(gpt2, corpus, context, folder, state, memory);
      }
      return;
    }
    verify(newest);
    Gpt2Config saved = new Gpt2Folder(newest).config();
    Corpus corpus = requireSame(Corpus.open(data, tokenizerOf(newest), saved.vocabulary()));
    MemoryEstimate memory = requireMemory(saved, context(saved));
    try (Device device = deviceOptions.open(model.arithmetic);
        Gpt2 gpt2 = Gpt2.load(newest, saved.withDropout(model.dropout), device, model.arithmetic.precision())) {
      RunState state = resumed.with(provenance(corpus, context(saved), device));
      train(gpt2, corpus, context(saved), folder, state, memory);
    }
  }

  private void verify(Path newest) throws IOException {
    try {
      Checksums.verify(newest);
    } catch (IOException e) {
      throw new IOException(
          e.getMessage() + "; " + RunFolder.insteadOfTheNewest(continued), e);
    }
  }

  private int context(Gpt2Config saved) {
    return model.context == null ? saved.context() : model.context;
  }

  private void requireSameRun() {
    if (run.resume != null && (origins.isChosen("out") || run.fresh)) {
      throw new WrongUse(
          "--%s contradicts --resume: a run goes on in its own folder; leave it out"
              .formatted(run.fresh ? "fresh" : "out"));
    }
    Map<String, String> values = origins.values();
    for (String key : values.keySet()) {
      String before = resumed.options().get(key);
      if (origins.isChosen(key) && !MAY_CHANGE.contains(key) && !values.get(key).equals(before)) {
        throw new WrongUse(
            ("--%s %s contradicts --%s %s, a run with %s; leave it out, begin anew with --fresh,"
                + " or begin another run from its weights with --init %s")
                .formatted(
                    key,
                    values.get(key),
                    run.resume == null ? "out" : "resume",
                    continued,
                    before == null ? "no --" + key : "--" + key + " " + before,
                    continued));
      }
    }
  }

  private Corpus requireSame(Corpus corpus) throws IOException {
    if (!corpus.train().sha256().equals(resumed.provenance().dataHash())) {
      throw new IOException(
          ("%s is not the data that %s was trained on: it has changed since;"
              + " put it back, or begin a new run with --init %s")
              .formatted(corpus.train().name(), continued, continued));
    }
    return corpus;
  }

  // Both.

  private void train(
      Gpt2 gpt2, Corpus corpus, int context, RunFolder folder, RunState state, MemoryEstimate memory)
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
            spikes,
            context,
            batch.microSteps(context, ranks.size()),
            data.sampling == DataOptions.Order.SHUFFLED,
            parallel.graph,
            deviceOptions.isCuda() && spikes.onSpike == SpikeOptions.Action.LOG,
            memory);
    try (var stop = new StopSignal();
        var _ = ranks.connect(gpt2.parameters().device())) {
      ranks.agree(gpt2.parameters());
      try {
        train(job, folder, state, stop);
      } catch (IOException | RuntimeException e) {
        stop.failed(e);
        throw e;
      }
    }
  }

  private void train(Trainer.Job job, RunFolder folder, RunState state, StopSignal stop) throws IOException {
    if (ranks.isFirst()) {
      try (var trainer = new Trainer(job, folder, state, ranks, stop)) {
        trainer.run(System.out);
      }
      return;
    }
    Path checkpoint = continued == null ? null : RunFolder.newest(continued);
    try (var follower = new Follower(job, checkpoint, state, ranks, stop)) {
      follower.run();
    }
  }
}
