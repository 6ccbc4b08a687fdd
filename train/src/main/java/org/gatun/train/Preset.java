package org.gatun.train;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.gatun.model.Gpt2Config;

/**
 * A size of model together with the way it is usually trained: a set of option values under one
 * name.
 */
enum Preset {
  /** A small GPT on bytes that learns to write Java in a minute or two on a laptop. */
  QUICKSTART(
      "byte",
      Map.of(
          "micro-batch",
          "12",
          "steps",
          "2500",
          "lr",
          "0.002",
          "min-lr",
          "0.0002",
          "warmup-steps",
          "100",
          "eval-interval",
          "500",
          "eval-tokens",
          "16384",
          "log-interval",
          "100",
          "checkpoint-interval",
          "500")),
  /**
   * OpenAI's smallest with the recipe of GPT-3's paper: 10 billion tokens in steps of half a
   * million.
   */
  GPT2("gpt2", recipe("0.0006", 4)),
  /** 350M. */
  GPT2_MEDIUM("gpt2", recipe("0.0003", 2)),
  /** 774M. */
  GPT2_LARGE("gpt2", recipe("0.00025", 1)),
  /** 1558M. */
  GPT2_XL("gpt2", recipe("0.0002", 1));

  private final String tokenizer;
  private final Map<String, String> training;

  Preset(String tokenizer, Map<String, String> training) {
    this.tokenizer = tokenizer;
    this.training = training;
  }

  private static Map<String, String> recipe(String learningRate, int microBatch) {
    return Map.of(
        "lr",
        learningRate,
        "warmup-steps",
        "700",
        "steps",
        "19073",
        "batch-tokens",
        "524288",
        "micro-batch",
        Integer.toString(microBatch),
        "eval-interval",
        "250",
        "eval-tokens",
        "10485760",
        "checkpoint-interval",
        "250",
        "log-interval",
        "1");
  }

  /**
   * @throws WrongUse if there is none of that name
   */
  static Preset named(String name) {
    List<String> names = Arrays.stream(values()).map(Preset::toString).toList();
    int index = names.indexOf(name.toLowerCase(Locale.ROOT));
    if (index < 0) {
      throw new WrongUse(
          "--preset "
              + name
              + ": did you mean "
              + Nearest.to(name, names)
              + "? There are "
              + String.join(", ", names));
    }
    return values()[index];
  }

  /** The options it gives a value, by name without dashes. */
  Map<String, String> options() {
    Gpt2Config config = Gpt2Config.preset(toString());
    var options = new HashMap<>(training);
    options.put("tokenizer", tokenizer);
    options.put("layers", Integer.toString(config.layers()));
    options.put("heads", Integer.toString(config.heads()));
    options.put("channels", Integer.toString(config.channels()));
    options.put("context", Integer.toString(config.context()));
    return options;
  }

  /** The name on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
