package org.gatun.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Callable;
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
  private EarlierRun earlier;
  private Ranks ranks;

  /** Adds what values come from when neither command line, environment nor file have them. */
  void useOrigins(Origins given, ParseResult first) throws IOException {
    origins = given;
    earlier = earlier(first);
    if (earlier != null) {
      origins.addWeaker(earlier.folder().toString(), earlier.state().options());
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

  /** The run that is taken up again; null for a new one. */
  private EarlierRun earlier(ParseResult first) throws IOException {
    Path resume = path(first, "resume");
    Path out = path(first, "out");
    Long step = first.matchedOptionValue("--resume-step", null);
    if (resume != null) {
      return EarlierRun.read(resume, "resume", step);
    }
    boolean fresh = first.matchedOptionValue("--fresh", Boolean.parseBoolean(origins.lookUp("fresh")));
    boolean goesOn = out != null && !fresh && Files.isDirectory(out) && RunFolder.isRun(out);
    return goesOn ? EarlierRun.read(out, "out", step) : null;
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
    requireNoContradiction();
    // Before the others are met: what they read there is then in order.
    try (RunFolder taken = earlier != null && Ranks.isFirst(System.getenv()) ? earlier.takeUp(run.resumeStep) : null;
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
    if (earlier != null) {
      earlier = earlier.readAgain();
    }
    Path newest = earlier == null ? null : earlier.newest();
    if (newest == null) {
      begin(taken);
    } else {
      goOn(taken, newest);
    }
  }

  private void requireNoContradiction() {
    if (earlier == null) {
      if (run.resumeStep != null) {
        throw new WrongUse(
            "--resume-step " + run.resumeStep + " takes a run to resume; name it by --resume or --out");
      }
      return;
    }
    if (run.resume != null && (origins.isChosen("out") || run.fresh)) {
      throw new WrongUse(
          "--%s contradicts --resume: a run goes on in its own folder; leave it out"
              .formatted(run.fresh ? "fresh" : "out"));
    }
    earlier.requireSame(origins);
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
        deviceOptions::rehearsal,
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

  // From the beginning.

  /** In a folder of its own, or in one that was taken up before there was a checkpoint in it. */
  private void begin(RunFolder taken) throws IOException {
    Gpt2Config existing = existing();
    if (existing != null) {
      model.requireAgreement(existing, origins);
    }
    int context = context(existing);
    batch.microSteps(context, ranks.size());
    Corpus corpus = corpus(existing);
    corpus.requireWindow(context);
    if (earlier != null) {
      earlier.requireSame(corpus);
    }
    MemoryEstimate memory =
        requireMemory(existing == null ? model.configuration(corpus.vocabulary()) : existing, context);
    if (ranks.isFirst() && run.fresh && run.out != null && Files.isDirectory(run.out) && RunFolder.isRun(run.out)) {
      System.out.println(run.out + " held a run, which is now " + RunFolder.setAside(run.out));
    }
    var dataHash = CompletableFuture.supplyAsync(corpus.train()::sha256); // while the model is made
    try (Device device = deviceOptions.open(model.arithmetic);
        Gpt2 gpt2 = initial(device, existing, corpus.vocabulary())) {
      RunState state = RunState.begin(provenance(dataHash.join(), context, device));
      try (RunFolder created = taken == null && ranks.isFirst() ? RunFolder.create(out(), state) : null) {
        train(gpt2, corpus, context, taken == null ? created : taken, state, memory);
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
  private Provenance provenance(String dataHash, int context, Device device) throws IOException {
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
        dataHash,
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

  // From a checkpoint.

  private void goOn(RunFolder folder, Path newest) throws IOException {
    Gpt2Config saved = new Gpt2Folder(newest).config();
    Corpus corpus = Corpus.open(data, tokenizerOf(newest), saved.vocabulary());
    earlier.requireSame(corpus);
    MemoryEstimate memory = requireMemory(saved, context(saved));
    try (Device device = deviceOptions.open(model.arithmetic);
        Gpt2 gpt2 = Gpt2.load(newest, saved.withDropout(model.dropout), device, model.arithmetic.precision())) {
      RunState state = earlier.state().with(provenance(corpus.train().sha256(), context(saved), device));
      train(gpt2, corpus, context(saved), folder, state, memory);
    }
  }

  /** The one asked for, else that of an existing model. */
  private int context(Gpt2Config existing) {
    return model.context == null ? existing.context() : model.context;
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
    Path checkpoint = earlier == null ? null : RunFolder.newest(earlier.folder());
    try (var follower = new Follower(job, checkpoint, state, ranks, stop)) {
      follower.run();
    }
  }
}
