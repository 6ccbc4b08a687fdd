package org.gatun.optim;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Update;
import org.gatun.tensor.Kernels.Update.Range;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/** Adam with decoupled weight decay (Loshchilov and Hutter, 2019); owns the moments. */
public final class AdamW implements AutoCloseable {
  /** {@code eps} stands outside the root, as in PyTorch. */
  public record Config(float beta1, float beta2, float eps, float weightDecay) {
    /** GPT-3's: betas 0.9 and 0.95, eps 1e-8, weight decay 0.1. */
    public static Config defaults() {
      return new Config(0.9f, 0.95f, 1e-8f, 0.1f);
    }

    /** With other decay rates of the moments. */
    public Config withBetas(float first, float second) {
      return new Config(first, second, eps, weightDecay);
    }

    /** With another small number beside the root. */
    public Config withEps(float value) {
      return new Config(beta1, beta2, value, weightDecay);
    }

    /** With another decay, a share of the weight a unit of learning rate. */
    public Config withWeightDecay(float decay) {
      return new Config(beta1, beta2, eps, decay);
    }
  }

  private final Parameters parameters;
  private final Config config;
  private final List<Range> ranges;
  private final Scope scope;
  private final Tensor firstMoment;
  private final Tensor secondMoment;
  private final Tensor one;
  private final Tensor schedule;
  private long steps;

  /** Decays parameters of two or more dimensions, and no others: GPT-2's groups. */
  public AdamW(Parameters parameters, Config config) {
    this(parameters, config, matricesDecay(config.weightDecay()));
  }

  /** With each parameter's weight decay given by a function: groups by name or by rank. */
  public AdamW(Parameters parameters, Config config, ToDoubleFunction<Parameter> weightDecay) {
    this.parameters = parameters;
    this.config = config;
    this.ranges = ranges(parameters, weightDecay);
    this.scope = Scope.on(parameters.device());
    this.firstMoment = scope.full(0f, parameters.masters().shape());
    this.secondMoment = scope.full(0f, parameters.masters().shape());
    this.one = scope.full(1f, Shape.of());
    this.schedule = scope.allocate(Shape.of(3), DType.F32);
  }

  static ToDoubleFunction<Parameter> matricesDecay(float decay) {
    return parameter -> parameter.shape().rank() >= 2 ? decay : 0;
  }

  /** Neighbours of equal decay in one range. */
  static List<Range> ranges(Parameters parameters, ToDoubleFunction<Parameter> weightDecay) {
    var ranges = new ArrayList<Range>();
    for (Parameter parameter : parameters.all()) {
      float decay = (float) weightDecay.applyAsDouble(parameter);
      long end = parameter.start() + parameter.shape().size();
      Range last = ranges.isEmpty() ? null : ranges.getLast();
      if (last != null && last.weightDecay() == decay) {
        ranges.set(ranges.size() - 1, new Range(last.start(), end, decay));
      } else {
        ranges.add(new Range(parameter.start(), end, decay));
      }
    }
    return List.copyOf(ranges);
  }

  /** One step on the gradients as they are; then forgets them. */
  public void step(float learningRate) {
    step(learningRate, one);
  }

  /** One step on the gradients times {@code scale} F32 [] (see {@link GradientClip}); then forgets them. */
  public void step(float learningRate, Tensor scale) {
    prepare(learningRate);
    apply(scale);
  }

  /**
   * Counts a step and brings to the device all that sets it apart from the one before: learning rate and
   * bias corrections. {@link #apply} alone is then the same work at every step, which a device may record
   * once and replay after each preparation.
   */
  public void prepare(float learningRate) {
    steps++;
    float correction1 = (float) (1 - Math.pow(config.beta1, steps));
    float correction2 = (float) (1 - Math.pow(config.beta2, steps));
    parameters.device().upload(
        schedule, MemorySegment.ofArray(new float[]{learningRate, correction1, correction2}));
  }

  /**
   * Takes the step that {@link #prepare} has made ready, on the gradients times {@code scale} F32 []; then
   * forgets them.
   *
   * @throws IllegalStateException if no step was ever prepared
   */
  public void apply(Tensor scale) {
    if (steps == 0) {
      throw new IllegalStateException("adamw: no step is prepared; call prepare(learningRate) before apply(scale)");
    }
    var constants = new Update.AdamW(config.beta1, config.beta2, config.eps);
    parameters.device().kernels().update().adamw(parameters.values(), parameters.masters(),
        parameters.gradients(), firstMoment, secondMoment, scale, schedule, constants, ranges);
    parameters.forgetGradients();
  }

  /** How many steps were taken. */
  public long steps() {
    return steps;
  }

  /** Goes on as if this many steps had been taken; the moments are to be restored beside it. */
  public void resumeAt(long steps) {
    this.steps = steps;
  }

  /** The running mean of gradients, flat as {@link Parameters#masters}. */
  public Tensor firstMoment() {
    return firstMoment;
  }

  /** The running mean of squared gradients, flat as {@link Parameters#masters}. */
  public Tensor secondMoment() {
    return secondMoment;
  }

  @Override
  public void close() {
    scope.close();
  }
}
