package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;
import org.gatun.model.Gpt2;
import org.gatun.model.Likelihood;
import org.gatun.model.Likelihood.Continuation;
import org.gatun.model.Tokenizer;

/**
 * HellaSwag (Zellers et al., 2019): which of four endings continues a text? The model's answer is the
 * one it finds likeliest, by the mean loss of a token (acc_norm) or by their sum (acc). Scored as
 * build-nanogpt and llm.c do: an ending is encoded by itself, with a space before it.
 *
 * @param items how many there were
 * @param correct answers by the mean
 * @param correctBySum answers by the sum
 */
record HellaSwag(int items, int correct, int correctBySum) {
  private static final int ENDINGS = 4;

  /** One question; {@code label} is the number of the right ending. */
  record Item(String text, List<String> endings, int label) {}

  /**
   * The items of the public file, one JSON object a line.
   *
   * @throws IOException if a line is no item with an answer
   */
  static List<Item> read(Path file) throws IOException {
    var items = new ArrayList<Item>();
    for (Map<String, Object> line : Json.readLines(file)) {
      items.add(item(file, items.size() + 1, line));
    }
    if (items.isEmpty()) {
      throw new MalformedFileException(file, "no line in it, expected items of HellaSwag");
    }
    return items;
  }

  private static Item item(Path file, int number, Map<String, Object> line) throws MalformedFileException {
    if (line.get("ctx") instanceof String text && !text.isEmpty()
        && line.get("endings") instanceof List<?> endings && endings.size() == ENDINGS
        && endings.stream().allMatch(ending -> ending instanceof String)
        && String.valueOf(line.get("label")).matches("[0-3]")) {
      return new Item(text, endings.stream().map(String.class::cast).toList(),
          Integer.parseInt(String.valueOf(line.get("label"))));
    }
    throw new MalformedFileException(file, "item " + number + " has the keys " + String.join(", ", line.keySet())
        + ", expected a text ctx, four texts in endings and the label 0 to 3 of the right one");
  }

  /** Answers all items, showing how far it is. */
  static HellaSwag of(Gpt2 model, Tokenizer tokenizer, List<Item> items, Answered progress) {
    int correct = 0;
    int correctBySum = 0;
    for (int i = 0; i < items.size(); i++) {
      Item item = items.get(i);
      int[] text = tokenizer.encode(item.text());
      List<Continuation> texts =
          item.endings().stream().map(ending -> Continuation.of(text, tokenizer.encode(" " + ending))).toList();
      List<Likelihood> endings = likelihoods(model, texts, i + 1);
      correct += least(endings.stream().mapToDouble(Likelihood::mean).toArray()) == item.label() ? 1 : 0;
      correctBySum += least(endings.stream().mapToDouble(Likelihood::sum).toArray()) == item.label() ? 1 : 0;
      progress.show(i + 1, items.size(), (double) correct / (i + 1));
    }
    return new HellaSwag(items.size(), correct, correctBySum);
  }

  /** What is told after each item: how many are done, of how many, and the share answered rightly so far. */
  interface Answered {
    void show(int done, int all, double accuracy);
  }

  static List<Likelihood> likelihoods(Gpt2 model, List<Continuation> texts, int item) {
    try {
      return Likelihood.of(model, texts);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("item " + item + ": " + e.getMessage(), e);
    }
  }

  /** The position of the smallest, of equal ones the first. */
  private static int least(double[] values) {
    double least = Arrays.stream(values).min().orElseThrow();
    int position = 0;
    while (values[position] != least) {
      position++;
    }
    return position;
  }

  /** The share of right answers by the mean loss. */
  double accuracy() {
    return (double) correct / items;
  }

  /** The share of right answers by the sum. */
  double accuracyBySum() {
    return (double) correctBySum / items;
  }
}
