package org.gatun.model;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.gatun.tensor.Shape;

/** The tensors of a GPT-2 under the names of Hugging Face's checkpoints, which are those of our parameters. */
final class Gpt2Tensors {
  static final String TOKENS = "wte.weight";
  static final String POSITIONS = "wpe.weight";

  private static final Pattern TRANSPOSED = Pattern.compile("h\\.\\d+\\.(attn|mlp)\\.(c_attn|c_proj|c_fc)\\.weight");
  private static final Pattern OPENAI = Pattern.compile("model/(?:h(\\d+)/)?([a-z0-9_/]+)");

  private Gpt2Tensors() {}

  /**
   * Names and shapes as transformers has them, in the order of its state_dict: the four matrices of a
   * block are [in, out], the token table has no padding, all layers have biases.
   */
  static Map<String, Shape> shapes(Gpt2Config config) {
    int c = config.channels();
    var shapes = new LinkedHashMap<String, Shape>();
    shapes.put(TOKENS, Shape.of(config.vocabulary(), c));
    shapes.put(POSITIONS, Shape.of(config.context(), c));
    for (int i = 0; i < config.layers(); i++) {
      String block = "h." + i + ".";
      putPair(shapes, block + "ln_1", Shape.of(c), c);
      putPair(shapes, block + "attn.c_attn", Shape.of(c, 3 * c), 3 * c);
      putPair(shapes, block + "attn.c_proj", Shape.of(c, c), c);
      putPair(shapes, block + "ln_2", Shape.of(c), c);
      putPair(shapes, block + "mlp.c_fc", Shape.of(c, 4 * c), 4 * c);
      putPair(shapes, block + "mlp.c_proj", Shape.of(4 * c, c), c);
    }
    putPair(shapes, "ln_f", Shape.of(c), c);
    return shapes;
  }

  private static void putPair(Map<String, Shape> shapes, String layer, Shape weight, int out) {
    shapes.put(layer + ".weight", weight);
    shapes.put(layer + ".bias", Shape.of(out));
  }

  /** False for the biases of a model without them, which the files hold as zeros. */
  static boolean isLearned(String name, Gpt2Config config) {
    return config.bias() || !name.endsWith(".bias");
  }

  /** Whether Hugging Face has this matrix [in, out], and we [out, in]. */
  static boolean isTransposed(String name) {
    return TRANSPOSED.matcher(name).matches();
  }

  /** Whether a name is one of OpenAI's own checkpoints, such as {@code model/h0/attn/c_attn/w}. */
  static boolean isOpenAi(String name) {
    return OPENAI.matcher(name).matches();
  }

  /** The name that OpenAI's has here: gains g and matrices w are weights, b is the bias. */
  static String fromOpenAi(String name) {
    Matcher matcher = OPENAI.matcher(name);
    if (!matcher.matches()) {
      return name;
    }
    String block = matcher.group(1) == null ? "" : "h." + matcher.group(1) + ".";
    String path = matcher.group(2).replace('/', '.');
    if (path.equals("wte") || path.equals("wpe")) {
      return path + ".weight";
    }
    return block + path.replaceFirst("\\.[wg]$", ".weight").replaceFirst("\\.b$", ".bias");
  }
}
