package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;
import org.gatun.model.Gpt2;
import org.gatun.model.Likelihood;
import org.gatun.model.Likelihood.Continuation;
import org.gatun.model.Tokenizer;

/**
 * LAMBADA (Paperno et al., 2016): what is the last word? An answer is right if each token of the word
 * is the likeliest after those before it; the perplexity is that of whole words, as the evaluation
 * harness of EleutherAI counts it.
 *
 * @param items how many texts
 * @param correct how many last words were guessed
 * @param loss the mean loss of a last word, the sum over its tokens
 */
record Lambada(int items, int correct, double loss) {
  /** A text before its last word, and that word with a space before it. */
  record Item(String text, String word) {}

  /**
   * The items of a file with one JSON object a line, whose {@code text} ends with the word.
   *
   * @throws IOException if a line has no text of two words
   */
  static List<Item> read(Path file) throws IOException {
    var items = new ArrayList<Item>();
    for (Map<String, Object> line : Json.readLines(file)) {
      String text = line.get("text") instanceof String words ? words.stripTrailing() : "";
      int space = text.lastIndexOf(' ');
      if (space < 1) {
        throw new MalformedFileException(file, "item " + (items.size() + 1) + " has the keys "
            + String.join(", ", line.keySet()) + ", expected a text of at least two words");
      }
      items.add(new Item(text.substring(0, space), text.substring(space)));
    }
    if (items.isEmpty()) {
      throw new MalformedFileException(file, "no line in it, expected items of LAMBADA");
    }
    return items;
  }

  /** Guesses all last words, showing how far it is. */
  static Lambada of(Gpt2 model, Tokenizer tokenizer, List<Item> items, HellaSwag.Answered progress) {
    int correct = 0;
    double loss = 0;
    for (int i = 0; i < items.size(); i++) {
      Item item = items.get(i);
      var text = Continuation.of(tokenizer.encode(item.text()), tokenizer.encode(item.word()));
      Likelihood word = HellaSwag.likelihoods(model, List.of(text), i + 1).getFirst();
      correct += word.greedy() ? 1 : 0;
      loss += word.sum();
      progress.show(i + 1, items.size(), (double) correct / (i + 1));
    }
    return new Lambada(items.size(), correct, loss / items.size());
  }

  /** The share of words guessed. */
  double accuracy() {
    return (double) correct / items;
  }

  /** e to the mean loss of a word. */
  double perplexity() {
    return Math.exp(loss);
  }
}
