package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class GeneratorTest {
  private static final Gpt2Config CONFIG = Gpt2Config.of(2, 3, 24).withContext(16).withVocabulary(61);
  /** 61 characters from the space on. */
  private static final Tokenizer TOKENIZER = new CharacterTokenizer(IntStream.range(' ', ' ' + 61).toArray());

  private static Device device;
  private static Gpt2 gpt2;

  @BeforeAll
  static void open() {
    device = new CpuDevice(2);
    gpt2 = Gpt2Test.model(device, CONFIG, 5);
    widen(gpt2);
  }

  /** Fresh logits are all alike; weights ten times as large give a model with opinions. */
  private static void widen(Gpt2 model) {
    for (Parameter parameter : model.parameters().all()) {
      if (parameter.shape().rank() == 2) {
        float[] values = parameter.master().toArray();
        for (int i = 0; i < values.length; i++) {
          values[i] *= 10;
        }
        device.upload(parameter.master(), java.lang.foreign.MemorySegment.ofArray(values));
      }
    }
    model.parameters().mastersChanged();
  }

  @AfterAll
  static void close() {
    gpt2.close();
    device.close();
  }

  private static String generate(boolean cached, String prompt, Sampling sampling, int tokens) {
    return new Generator(gpt2, TOKENIZER, cached).generate(prompt, sampling, tokens, _ -> {});
  }

  @Test
  void greedyTextIsTheSameWithAndWithoutACacheAlsoBeyondTheContext() {
    for (String prompt : new String[]{"A", "HELLO WORLD", "A PROMPT LONGER THAN THE CONTEXT", ""}) {
      String text = generate(true, prompt, Sampling.greedy(), 40);
      assertEquals(generate(false, prompt, Sampling.greedy(), 40), text);
      assertEquals(40, text.length());
    }
  }

  @Test
  void sampledTextDependsOnTheSeedAlone() {
    Sampling.Drawn sampling = Sampling.topK(20, 1f).seeded(3);
    assertEquals(generate(true, "A", sampling, 30), generate(true, "A", sampling, 30));
    assertNotEquals(generate(true, "A", sampling, 30), generate(true, "A", sampling.seeded(4), 30));
  }

  @Test
  void textsSideBySideAreThoseOfEachAloneAlsoBeyondTheContext() {
    List<Sampling> samplings = IntStream.range(0, 5)
        .mapToObj(i -> i == 0 ? Sampling.greedy() : Sampling.temperature(1f).seeded(i)).toList();
    var generator = new Generator(gpt2, TOKENIZER);
    for (String prompt : new String[]{"A", "A PROMPT LONGER THAN THE CONTEXT"}) {
      List<String> texts = generator.generate(prompt, samplings, 25);
      for (int i = 0; i < 5; i++) {
        assertEquals(generate(true, prompt, samplings.get(i), 25), texts.get(i), "text " + i);
      }
      assertEquals(5, texts.stream().distinct().count(), "different seeds");
    }
  }

  @Test
  void oneTextMayEndBeforeTheOthers() {
    List<Sampling> samplings = IntStream.range(0, 6).<Sampling>mapToObj(Sampling.temperature(2f)::seeded).toList();
    var generator = new Generator(gpt2, new Ending(7));
    List<String> texts = generator.generate("A", samplings, 60);
    for (int i = 0; i < 6; i++) {
      assertEquals(generator.generate("A", samplings.get(i), 60, _ -> {}), texts.get(i), "text " + i);
    }
    assertTrue(texts.stream().mapToInt(String::length).distinct().count() > 1, "some ended");
  }

  @Test
  void cachedLogitsAreThoseOfTheWholeText() {
    try (var cache = new KeyValueCache(gpt2, 2); var scope = Scope.on(device)) {
      Tensor tokens = Gpt2Test.random(scope, 2, 9, 1);
      gpt2.nextLogits(tokens.slice(1, 0, 4), cache);
      gpt2.nextLogits(tokens.slice(1, 4, 5), cache);
      float[] cached = gpt2.nextLogits(tokens.slice(1, 5, 9), cache).toArray();
      assertEquals(9, cache.length());
      assertEquals(7, cache.room());
      assertArrayEquals(gpt2.nextLogits(tokens).toArray(), cached, 1e-4f);
      Tensor all = gpt2.logits(tokens).slice(1, 8, 9).reshape(2, CONFIG.paddedVocabulary());
      assertArrayEquals(all.toArray(), cached, 1e-4f);
      cache.clear();
      assertEquals(0, cache.length());
    }
  }

  @Test
  void textIsHandedOverAsItComes() {
    var pieces = new StringBuilder();
    String text = gpt2.generate(TOKENIZER, "A", Sampling.greedy(), 5, piece -> pieces.append(piece).append('|'));
    assertEquals(text.replaceAll("(.)", "$1|"), pieces.toString());
  }

  @Test
  void generationStopsBeforeTheEndOfText() {
    String text = generate(true, "A", Sampling.greedy(), 30);
    int end = TOKENIZER.encode(text.substring(10, 11))[0];
    int first = text.indexOf(text.charAt(10));
    var ending = new Ending(end);
    assertEquals(text.substring(0, first), new Generator(gpt2, ending).generate("A", Sampling.greedy(), 30, _ -> {}));
  }

  @Test
  void anEmptyPromptBeginsAfterTheEndOfText() {
    assertEquals(generate(true, "%", Sampling.greedy(), 3),
        new Generator(gpt2, new Ending(5)).generate("", Sampling.greedy(), 3, _ -> {}));
  }

  /** The same characters, one of which ends a text. */
  private record Ending(int end) implements Tokenizer {
    @Override
    public String name() {
      return "ending";
    }

    @Override
    public int vocabulary() {
      return TOKENIZER.vocabulary();
    }

    @Override
    public int[] encode(String text) {
      return TOKENIZER.encode(text);
    }

    @Override
    public byte[] bytes(int token) {
      return TOKENIZER.bytes(token);
    }

    @Override
    public OptionalInt endOfText() {
      return OptionalInt.of(end);
    }

    @Override
    public void save(java.nio.file.Path folder) {
      throw new UnsupportedOperationException();
    }
  }

  @Test
  void noTokensAreNoText() {
    assertEquals("", generate(true, "A", Sampling.greedy(), 0));
    assertThrows(IllegalArgumentException.class, () -> generate(true, "A", Sampling.greedy(), -1));
  }

  @Test
  void aTokenizerWithMoreTokensThanTheModelIsRefused() {
    var e = assertThrows(IllegalArgumentException.class, () -> new Generator(gpt2, new ByteTokenizer()));
    assertTrue(e.getMessage().contains("256 tokens, the model 61"), e.getMessage());
  }

  @Test
  void misuseOfTheCacheIsAnsweredInOneSentence() {
    try (var cache = new KeyValueCache(gpt2, 1); var scope = Scope.on(device); var tape = Tape.on(device)) {
      var e = assertThrows(IllegalStateException.class,
          () -> gpt2.nextLogits(tape.tensor(new int[1], Shape.of(1, 1)), cache));
      assertTrue(e.getMessage().contains("carries no gradient"), e.getMessage());
      Gpt2Test.assertRefused("made for a batch of 1", () -> gpt2.nextLogits(Gpt2Test.random(scope, 2, 1, 1), cache));
      gpt2.nextLogits(Gpt2Test.random(scope, 1, 16, 1), cache);
      Gpt2Test.assertRefused("17 positions are more than the context of 16",
          () -> gpt2.nextLogits(Gpt2Test.random(scope, 1, 1, 1), cache));
    }
  }

  @Test
  void generationLeavesNoMemoryBehind() {
    generate(true, "A", Sampling.greedy(), 20);
    long inUse = device.bytesInUse();
    long reserved = device.bytesReserved();
    generate(true, "A", Sampling.greedy(), 40);
    assertEquals(inUse, device.bytesInUse());
    assertEquals(reserved, device.bytesReserved());
  }
}
