package org.gatun.cuda.cublaslt;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.DeviceBlock;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Event;
import org.gatun.cuda.Stream;

/** Runs proposals on scratch memory and takes the fastest; a choice once made is kept on disk. */
final class ProposalTiming {
  private static final int RUNS = 5;
  // Small positive numbers in BF16 as in F32: on zeros a device draws less power and clocks higher.
  private static final int FILL = 0x3c;

  private final CudaContext context;
  private final Optional<ChoiceCache> cache;

  ProposalTiming(CudaContext context, String version, Path cacheFolder) {
    this.context = context;
    cache = Optional.ofNullable(cacheFolder).map(folder -> new ChoiceCache(folder, context.name(), version));
  }

  /**
   * The fastest of {@code proposals}. One that an earlier process chose is taken if the library proposes it again: bytes from
   * a file are compared, never handed to native code.
   */
  Proposal fastest(CublasLt library, MatmulDescriptors descriptors, List<Proposal> proposals) {
    MatmulProblem problem = descriptors.problem();
    Optional<Proposal> known = cache.flatMap(kept -> kept.algorithm(problem))
        .flatMap(algorithm -> proposals.stream().filter(p -> p.algorithm().equals(algorithm)).findFirst());
    if (known.isPresent()) {
      return known.get();
    }
    Proposal fastest = proposals.size() == 1 ? proposals.getFirst() : time(library, problem, proposals);
    cache.ifPresent(kept -> kept.keep(problem, fastest.algorithm()));
    return fastest;
  }

  private Proposal time(CublasLt library, MatmulProblem problem, List<Proposal> proposals) {
    long workspaceBytes = proposals.stream().mapToLong(Proposal::workspaceBytes).max().orElseThrow();
    var blocks = new ArrayList<DeviceBlock>();
    try (Stream stream = context.newStream(); Event start = context.newTimedEvent();
        Event end = context.newTimedEvent()) {
      DevicePtr a = scratch(blocks, stream, problem.a().byteSize(problem.batch()));
      DevicePtr b = scratch(blocks, stream, problem.b().byteSize(problem.batch()));
      DevicePtr d = scratch(blocks, stream, problem.d().byteSize(problem.batch()));
      DevicePtr bias = scratch(blocks, stream, problem.biasBytes());
      DevicePtr aux = scratch(blocks, stream, problem.auxBytes());
      DevicePtr workspace = scratch(blocks, stream, workspaceBytes);
      Proposal fastest = null;
      float best = Float.POSITIVE_INFINITY;
      for (Proposal proposal : proposals) {
        try (Matmul plan = library.matmul(new MatmulDescriptors(problem, workspaceBytes), proposal)) {
          float milliseconds = milliseconds(stream, start, end,
              () -> plan.run(stream, 1, a, b, 0, null, d, bias, aux, workspace));
          if (milliseconds < best) {
            best = milliseconds;
            fastest = proposal;
          }
        }
      }
      return fastest;
    } finally {
      blocks.reversed().forEach(DeviceBlock::close);
    }
  }

  /** The median of a few runs after one that does not count. */
  private static float milliseconds(Stream stream, Event start, Event end, Runnable run) {
    run.run();
    float[] times = new float[RUNS];
    for (int i = 0; i < RUNS; i++) {
      stream.record(start);
      run.run();
      stream.record(end);
      end.synchronize();
      times[i] = end.millisecondsSince(start);
    }
    Arrays.sort(times);
    return times[RUNS / 2];
  }

  private DevicePtr scratch(List<DeviceBlock> blocks, Stream stream, long bytes) {
    if (bytes == 0) {
      return null;
    }
    DeviceBlock block = context.allocate(bytes);
    blocks.add(block);
    stream.fillBytes(block.pointer(), FILL);
    return block.pointer();
  }
}
