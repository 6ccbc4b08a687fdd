package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.gatun.io.MalformedFileException;

/**
 * A run that is to be taken up again: its folder, which option named it, and the state to go on from; and
 * what must not have changed since.
 */
record EarlierRun(Path folder, String namedBy, RunState state) {
  /** What a run may change when it is taken up again; all else is part of what makes its result. */
  private static final Set<String> MAY_CHANGE = Set.of(
      "steps", "max-minutes", "threads", "blas", "device", "data", "val-data", "eval-interval", "eval-tokens",
      "checkpoint-interval", "keep-checkpoints", "keep-every", "checkpoint-write", "memory-check",
      "micro-batch", "recompute", "on-spike", "spike-z", "spike-window", "sample-interval", "sample-tokens",
      "sample-prompt", "log-interval", "fresh", "out", "resume", "resume-step", "tune", "deterministic",
      "gpus", "no-graph", "rank-timeout-seconds");

  /** With the state of the checkpoint of a step; of the newest one where that is null. */
  static EarlierRun read(Path folder, String namedBy, Long step) throws IOException {
    if (step != null) {
      return new EarlierRun(folder, namedBy, RunFolder.state(folder, step));
    }
    try {
      return new EarlierRun(folder, namedBy, RunFolder.state(folder));
    } catch (MalformedFileException e) {
      throw insteadOfTheNewest(folder, e);
    }
  }

  /** With the newest state: another process may have gone on until the folder was ours. */
  EarlierRun readAgain() throws IOException {
    return new EarlierRun(folder, namedBy, RunFolder.state(folder));
  }

  private static IOException insteadOfTheNewest(Path folder, IOException damage) throws IOException {
    return new IOException(damage.getMessage() + "; " + RunFolder.insteadOfTheNewest(folder), damage);
  }

  /** Refuses options that would make it another run. */
  void requireSame(Origins origins) {
    Map<String, String> values = origins.values();
    for (String key : values.keySet()) {
      String before = state.options().get(key);
      if (origins.isChosen(key) && !MAY_CHANGE.contains(key) && !values.get(key).equals(before)) {
        throw new WrongUse(
            ("--%s %s contradicts --%s %s, a run with %s; leave it out, begin anew with --fresh,"
                + " or begin another run from its weights with --init %s")
                .formatted(
                    key,
                    values.get(key),
                    namedBy,
                    folder,
                    before == null ? "no --" + key : "--" + key + " " + before,
                    folder));
      }
    }
  }

  /** Refuses other data than it was trained on. */
  void requireSame(Corpus corpus) throws IOException {
    if (!corpus.train().sha256().equals(state.provenance().dataHash())) {
      throw new IOException(
          ("%s is not the data that %s was trained on: it has changed since;"
              + " put it back, or begin a new run with --init %s")
              .formatted(corpus.train().name(), folder, folder));
    }
  }

  /** Makes the folder ours and puts it in order; the caller closes it. A step that is not null becomes the newest. */
  RunFolder takeUp(Long step) throws IOException {
    RunFolder taken = RunFolder.open(folder);
    try {
      taken.repair();
      if (step != null) {
        taken.returnTo(step);
      }
      return taken;
    } catch (IOException | RuntimeException e) {
      taken.close();
      throw e;
    }
  }

  /** The newest checkpoint, looked at in whole; null before the first. */
  Path newest() throws IOException {
    Path newest = RunFolder.newest(folder);
    if (newest != null) {
      try {
        Checksums.verify(newest);
      } catch (IOException e) {
        throw insteadOfTheNewest(folder, e);
      }
    }
    return newest;
  }
}
