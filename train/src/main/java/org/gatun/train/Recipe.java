package org.gatun.train;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A published run: every option that shapes its result, under one name.
 *
 * <p>Where the original takes windows at random, with replacement, ours takes a new permutation of all
 * windows each epoch. The vocabulary is the data's; all of them pad it to a multiple of 128 as we do.
 */
enum Recipe {
  /** GPT-2 124M as josiahdavis/repgpt trains it: 90,000 steps of half a million tokens. */
  REPGPT(
      small(),
      "bias=false gelu=erf micro-batch=16 batch-tokens=524288 steps=90000 lr=0.01 min-lr=0"
          + " warmup-steps=2000 warmup=from-zero weight-decay=0.125 eval-interval=1000"
          + " eval-tokens=10485760 checkpoint-interval=1000 log-interval=10"),
  /** GPT-2 124M on ten billion tokens with GPT-3's hyper-parameters, as llm.c's run_gpt2_124M.sh. */
  GPT3_124M(
      small(),
      "bias=true gelu=tanh micro-batch=4 batch-tokens=524288 steps=18865 lr=0.0006 min-lr=0"
          + " warmup-steps=700 warmup=to-peak weight-decay=0.1 eval-interval=250"
          + " eval-tokens=10485760 checkpoint-interval=250 log-interval=1"),
  /** nanoGPT's quick start on characters, in the form its README gives for a CPU; that evaluates 20 batches of 768 tokens. */
  NANOGPT_SHAKESPEARE_CHAR(
      "tokenizer=char layers=4 heads=4 channels=128 context=64",
      "bias=false gelu=erf micro-batch=12 batch-tokens=768 steps=2000 lr=0.001 min-lr=0.0001"
          + " warmup-steps=100 warmup=below-peak beta2=0.99 weight-decay=0.1 eval-interval=250"
          + " eval-tokens=15360 checkpoint-interval=250 log-interval=100"),
  /** nanoGPT's GPT-2 124M on OpenWebText. */
  NANOGPT_OWT(
      small(),
      "bias=false gelu=erf micro-batch=12 batch-tokens=491520 steps=600000 lr=0.0006 min-lr=0.00006"
          + " warmup-steps=2000 warmup=below-peak weight-decay=0.1 eval-interval=1000"
          + " eval-tokens=10485760 checkpoint-interval=1000 log-interval=10");

  /** What all of them have in common. */
  private static final String COMMON =
      "dropout=0 schedule=cosine beta1=0.9 beta2=0.95 eps=1e-8 grad-clip=1 val-fraction=0.1"
          + " sampling=shuffled";

  private final String size;
  private final String training;

  Recipe(String size, String training) {
    this.size = size;
    this.training = training;
  }

  private static String small() {
    return "tokenizer=gpt2 layers=12 heads=12 channels=768 context=1024";
  }

  /**
   * @throws WrongUse if there is none of that name
   */
  static Recipe named(String name) {
    List<String> names = Arrays.stream(values()).map(Recipe::toString).toList();
    int index = names.indexOf(name.toLowerCase(Locale.ROOT));
    if (index < 0) {
      throw new WrongUse(
          "--recipe %s: did you mean %s? There are %s"
              .formatted(name, Nearest.to(name, names), String.join(", ", names)));
    }
    return values()[index];
  }

  /** The options it gives a value, by name without dashes. */
  Map<String, String> options() {
    var options = new HashMap<String, String>();
    for (String pair : String.join(" ", COMMON, size, training).split(" ")) {
      options.put(pair.replaceFirst("=.*", ""), pair.replaceFirst(".*=", ""));
    }
    return options;
  }

  /** The name on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
