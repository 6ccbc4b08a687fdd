package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.gatun.dist.SingleProcess;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Folder;
import org.gatun.model.Recompute;
import org.gatun.tensor.Device;
import org.gatun.tensor.FiniteCheck;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun replay}: a step that stood out, computed once more and looked at. */
@Command(name = "replay", mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class, description = {
  "Compute a step that stood out once more, from the model and the batch that were saved with it,",
  "and say what it is made of: the loss of each micro-batch, the parameters with the largest",
  "gradients, and the first operation that made a value that is not finite.",
  ""
})
final class ReplayCommand implements Callable<Integer> {
  private static final int MOST_PARAMETERS = 10;

  @Option(names = "--run", paramLabel = "DIR", required = true, description = "The run's folder.")
  Path run;

  @Option(names = "--step", paramLabel = "N", required = true, description = "The step, as the run's messages number it.")
  long step;

  @Mixin
  DeviceOptions deviceOptions;

  @Override
  public Integer call() throws IOException {
    deviceOptions.validate();
    Path folder = RunFolder.incident(run, step);
    if (folder == null) {
      List<Long> saved = RunFolder.incidents(run);
      throw new IOException(
          "%s has no saved step %s; %s"
              .formatted(run, step, saved.isEmpty() ? "no step of it stood out" : "there are " + saved));
    }
    Checksums.verify(folder);
    Incident incident = Incident.read(folder);
    Map<String, String> options = incident.options();
    var config =
        new Gpt2Folder(folder).config().withDropout(Float.parseFloat(option(options, "dropout")));
    var arithmetic = Arithmetic.valueOf(option(options, "precision").toUpperCase(Locale.ROOT));
    System.out.println(incident.reason());
    try (Device device = deviceOptions.open(arithmetic);
        Gpt2 gpt2 = Gpt2.load(folder, config, device, arithmetic.precision());
        var scope = Scope.on(device)) {
      replay(gpt2, Incident.readBatches(folder, scope), incident);
    }
    return 0;
  }

  private static String option(Map<String, String> options, String key) {
    String value = options.get(key);
    if (value == null) {
      throw new IllegalArgumentException("the saved step does not name its --" + key);
    }
    return value;
  }

  private static void replay(Gpt2 gpt2, Incident.Batches batches, Incident incident) {
    long seed = Long.parseLong(option(incident.options(), "seed"));
    var plan =
        new TrainStep.Plan(batches.shape(), batches.micro().size(), Recompute.NONE, seed, false);
    long number = incident.step() - 1;
    var optimizer = new OptimizerOptions();
    optimizer.moments = Precision.F32;
    try (var trainStep = new TrainStep(gpt2, optimizer, plan, new SingleProcess())) {
      Iterator<Batch> micro = batches.micro().iterator();
      trainStep.gradients(micro::next, number, false);
      TrainStep.Outcome outcome = trainStep.outcome().await();
      float[] losses = trainStep.losses();
      for (int i = 0; i < losses.length; i++) {
        line("micro-batch %d of %d: loss %s", i + 1, losses.length, losses[i]);
      }
      gpt2.parameters().all().stream()
          .map(parameter -> new Share(parameter, norm(parameter)))
          .sorted(Comparator.comparingDouble(Share::rank).reversed())
          .limit(MOST_PARAMETERS)
          .forEach(share -> line("gradient of %s: norm %s", share.parameter().name(), share.norm()));
      String found = trainStep.trace(batches.micro(), number);
      line("%s", found == null ? "every value and gradient is finite" : found);
      boolean same =
          incident.loss().equals(Float.toString(outcome.loss()))
              && incident.gradientNorm().equals(Float.toString(outcome.gradientNorm()));
      line(
          "replayed step %d loss %s grad_norm %s %s",
          incident.step(),
          outcome.loss(),
          outcome.gradientNorm(),
          same ? "as recorded" : "recorded " + incident.loss() + " " + incident.gradientNorm());
    }
  }

  /** A parameter and the norm of its gradient; what is not finite comes first. */
  private record Share(Parameter parameter, float norm) {
    double rank() {
      return Float.isFinite(norm) ? norm : Double.POSITIVE_INFINITY;
    }
  }

  private static float norm(Parameter parameter) {
    return FiniteCheck.norm(parameter.gradient());
  }

  private static void line(String format, Object... values) {
    System.out.println(String.format(Locale.ROOT, format, values));
  }
}
