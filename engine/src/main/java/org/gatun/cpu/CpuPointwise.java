package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.gatun.cpu.Lanes.SPECIES;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.gatun.tensor.DType;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/** Element by element: chunks of elements go through arrays in the first-level cache. */
final class CpuPointwise implements Kernels.Pointwise {
  /**
   * Elements of one task: some 5 µs of the cheapest kernel, ten times the cost of handing it out.
   */
  private static final int TASK = 16 * 1024;

  private static final int CHUNK = FormulaProgram.CHUNK;
  private static final int LANES = SPECIES.length();

  /** More formulas than the engine has; made anew by a caller each time, they must not pile up. */
  private static final int MAX_PROGRAMS = 1024;

  private final CpuDevice device;
  private final Map<Formula, FormulaProgram> programs = new IdentityHashMap<>();

  CpuPointwise(CpuDevice device) {
    this.device = device;
  }

  /** Elements from one on, within one task. */
  @FunctionalInterface
  private interface Piece {
    void run(long from, int n, int worker);
  }

  private void split(long size, Piece piece) {
    int tasks = Math.toIntExact(Math.ceilDiv(size, TASK));
    device
        .workers()
        .run(
            tasks,
            (task, worker) -> {
              long from = (long) task * TASK;
              piece.run(from, (int) Math.min(TASK, size - from), worker);
            });
  }

  @Override
  public void fill(Tensor y, float value) {
    HostView to = HostView.of(y);
    MemorySegment bytes = CpuDevice.bytes(y);
    int width = y.dtype().byteSize();
    boolean zero = Float.floatToRawIntBits(value) == 0 && to.isContiguous();
    split(
        to.size(),
        (from, n, worker) -> {
          if (zero) {
            bytes.asSlice((y.offset() + from) * width, (long) n * width).fill((byte) 0);
            return;
          }
          float[] values = device.scratch(worker, 0, CHUNK);
          Arrays.fill(values, 0, Math.min(n, CHUNK), value);
          for (int i = 0; i < n; i += CHUNK) {
            to.store(false, values, 0, from + i, Math.min(CHUNK, n - i));
          }
        });
  }

  @Override
  public void copy(Sink y, Tensor x) {
    Tensor into = y.into();
    if (!y.add() && Transposition.fits(into, x)) {
      Transposition.of(into, x).run(device);
      return;
    }
    // Integers are moved as bits: a float holds no more than 24 of them.
    boolean bits = !y.add() && into.dtype() == DType.I32 && x.dtype() == DType.I32;
    HostView to = bits ? HostView.as(into, DType.F32) : HostView.of(into);
    HostView from = bits ? HostView.as(x, DType.F32) : HostView.of(x);
    boolean plain =
        !y.add() && into.dtype() == x.dtype() && to.isContiguous() && from.isContiguous();
    if (plain) {
      copyBytes(into, x);
      return;
    }
    split(
        to.size(),
        (start, n, worker) -> {
          float[] values = device.scratch(worker, 0, CHUNK);
          for (int i = 0; i < n; i += CHUNK) {
            int count = Math.min(CHUNK, n - i);
            from.load(values, 0, start + i, count);
            to.store(y.add(), values, 0, start + i, count);
          }
        });
  }

  private void copyBytes(Tensor y, Tensor x) {
    MemorySegment to = CpuDevice.bytes(y);
    MemorySegment from = CpuDevice.bytes(x);
    long width = y.dtype().byteSize();
    split(
        y.shape().size(),
        (start, n, _) -> MemorySegment.copy(
            from, (x.offset() + start) * width, to, (y.offset() + start) * width, n * width));
  }

  @Override
  public void map(Sink y, Formula formula, List<Tensor> operands, float... scalars) {
    FormulaProgram program = programs.get(formula);
    if (program == null) {
      program = compiled(formula);
    }
    HostView[] views = new HostView[operands.size()];
    for (int i = 0; i < views.length; i++) {
      views[i] = program.uses(i) ? HostView.of(operands.get(i)) : null;
    }
    HostView to = HostView.of(y.into());
    if (FlatLoops.fits(formula, y, operands)) {
      split(to.size(), (from, n, _) -> FlatLoops.run(formula, y, operands, scalars, from, n));
      return;
    }
    FormulaProgram steps = program;
    split(to.size(), (from, n, worker) -> run(steps, y.add(), to, views, scalars, from, n, worker));
  }

  private void run(
      FormulaProgram program,
      boolean add,
      HostView to,
      HostView[] operands,
      float[] scalars,
      long from,
      int n,
      int worker) {
    float[] values = device.scratch(worker, 0, program.length());
    program.begin(values, scalars);
    for (int k = 0; k < operands.length; k++) {
      if (operands[k] != null && operands[k].isUniform()) {
        operands[k].load(values, program.operand(k), 0, 1);
        int at = program.operand(k);
        Arrays.fill(values, at, at + Math.min(CHUNK, n), values[at]);
      }
    }
    for (int i = 0; i < n; i += CHUNK) {
      int count = Math.min(CHUNK, n - i);
      for (int k = 0; k < operands.length; k++) {
        if (operands[k] != null && !operands[k].isUniform()) {
          operands[k].load(values, program.operand(k), from + i, count);
        }
      }
      to.store(add, values, program.run(values, count), from + i, count);
    }
  }

  private FormulaProgram compiled(Formula formula) {
    if (programs.size() == MAX_PROGRAMS) {
      programs.clear();
    }
    var program = new FormulaProgram(formula);
    programs.put(formula, program);
    return program;
  }

  @Override
  public void dropout(Sink y, Tensor x, float p, long seed, Tensor salt) {
    long salted = salt == null ? seed : seed ^ salt(salt);
    HostView to = HostView.of(y.into());
    HostView from = HostView.of(x);
    split(
        to.size(),
        (start, n, worker) -> {
          float[] values = device.scratch(worker, 0, CHUNK);
          float[] random = device.scratch(worker, 1, CHUNK);
          for (int i = 0; i < n; i += CHUNK) {
            int count = Math.min(CHUNK, n - i);
            from.load(values, 0, start + i, count);
            UniformNumbers.fill(random, salted, start + i, count);
            drop(values, random, p, count);
            to.store(y.add(), values, 0, start + i, count);
          }
        });
  }

  private static long salt(Tensor halves) {
    long at = halves.offset() * Integer.BYTES;
    MemorySegment bytes = CpuDevice.bytes(halves);
    return bytes.get(JAVA_INT, at) & 0xFFFFFFFFL | (long) bytes.get(JAVA_INT, at + Integer.BYTES) << 32;
  }

  private static void drop(float[] x, float[] random, float p, int n) {
    for (int i = 0; i < n; i += LANES) {
      var kept =
          FloatVector.fromArray(SPECIES, random, i)
              .compare(VectorOperators.GE, FloatVector.broadcast(SPECIES, p));
      FloatVector.zero(SPECIES)
          .blend(FloatVector.fromArray(SPECIES, x, i).div(1 - p), kept)
          .intoArray(x, i);
    }
  }
}
