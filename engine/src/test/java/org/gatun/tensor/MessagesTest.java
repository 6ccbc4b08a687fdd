package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Stream;
import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.Kernels.Gelu;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Misuse is answered with one sentence: the operation, what came, what was expected. */
class MessagesTest {
  private static CpuDevice device;

  @BeforeAll
  static void open() {
    device = new CpuDevice(1);
  }

  @AfterAll
  static void close() {
    device.close();
  }

  /** A misuse of tensors of one scope, and what it is answered with. */
  record Misuse(String message, java.util.function.Consumer<Scope> call) {
    @Override
    public String toString() {
      return message;
    }
  }

  private static Tensor f32(Scope scope, int... dims) {
    return scope.full(1f, Shape.of(dims));
  }

  private static Tensor i32(Scope scope, int... dims) {
    return scope.tensor(new int[Math.toIntExact(Shape.of(dims).size())], Shape.of(dims));
  }

  static Stream<Misuse> misuses() {
    return Stream.of(shapes(), dtypes(), arguments(), views()).flatMap(s -> s);
  }

  private static Stream<Misuse> shapes() {
    return Stream.of(
        new Misuse(
            "plus: F32[3] and F32[4] do not broadcast; their dimensions, counted from the innermost, must be equal"
                + " or one",
            s -> f32(s, 3).plus(f32(s, 4))),
        new Misuse("matmul: inner dimensions differ: F32[2, 3] by F32[4, 5]", s -> f32(s, 2, 3).matmul(f32(s, 4, 5))),
        new Misuse("matmul: the batch dimensions of F32[2, 3, 4] and F32[3, 4, 5] do not broadcast",
            s -> f32(s, 2, 3, 4).matmul(f32(s, 3, 4, 5))),
        new Misuse("matmul: needs at least 2 dimensions, got F32[3]", s -> f32(s, 3).matmul(f32(s, 3, 3))),
        new Misuse("linear: inner dimensions differ: F32[32, 6] by F32[5, 8] transposed",
            s -> f32(s, 32, 6).linear(f32(s, 5, 8), null)),
        new Misuse("linear: bias F32[6] does not fit weight F32[5, 8]",
            s -> f32(s, 3, 8).linear(f32(s, 5, 8), f32(s, 6))),
        new Misuse("linear: F32[8, 5] is a strided view; call contiguous() first",
            s -> f32(s, 3, 5).linear(f32(s, 5, 8).transpose(0, 1), null)),
        new Misuse(
            "where: F32[3] and F32[4] do not broadcast; their dimensions, counted from the innermost, must be equal"
                + " or one",
            s -> f32(s, 4).where(f32(s, 3), f32(s, 3))),
        new Misuse("mlp: inner dimensions differ: F32[3, 5] by F32[7, 6] transposed",
            s -> f32(s, 3, 8).mlp(f32(s, 5, 8), null, f32(s, 7, 6), null, Gelu.TANH)),
        new Misuse("layerNorm: F32[5] does not fit the rows of F32[3, 4]",
            s -> f32(s, 3, 4).layerNorm(f32(s, 5), null, 1e-5f)),
        new Misuse("addLayerNorm: shapes differ: F32[3, 4] and F32[4]",
            s -> f32(s, 3, 4).addLayerNorm(f32(s, 4), f32(s, 4), null, 1e-5f)),
        new Misuse("causalAttention: needs [B, T, 3C] with C a multiple of 5 heads, got F32[2, 3, 24]",
            s -> f32(s, 2, 3, 24).causalAttention(5)),
        new Misuse("scaledDotProductAttention: needs [B, NH, Tq, HS] and twice [B, NH, Tk, HS], got F32[1, 2, 3, 4],"
            + " F32[1, 2, 3, 5], F32[1, 2, 3, 5]",
            s -> f32(s, 1, 2, 3, 4).scaledDotProductAttention(f32(s, 1, 2, 3, 5), f32(s, 1, 2, 3, 5), null, false)),
        new Misuse(
            "scaledDotProductAttention: mask F32[7] must stretch to the scores [1, 2, 3, 3] and have no gradient",
            s -> f32(s, 1, 2, 3, 4).scaledDotProductAttention(f32(s, 1, 2, 3, 4), f32(s, 1, 2, 3, 4), f32(s, 7),
                false)),
        new Misuse("crossEntropy: targets I32[4] are not one a row of logits F32[3, 9]",
            s -> f32(s, 3, 9).crossEntropy(i32(s, 4))),
        new Misuse("crossEntropy: 10 classes do not fit logits F32[3, 9]",
            s -> f32(s, 3, 9).crossEntropy(i32(s, 3), 10, -1)),
        new Misuse("gather: indices I32[2, 3] do not have the rows of F32[3, 9]",
            s -> f32(s, 3, 9).gather(i32(s, 2, 3))),
        new Misuse("embedding: a table is [rows, C], contiguous; got F32[3]", s -> f32(s, 3).embedding(i32(s, 2))),
        new Misuse("concat: F32[2, 3] and F32[3, 3] differ beside axis 1",
            s -> Tensor.concat(1, List.of(f32(s, 2, 3), f32(s, 3, 3)))));
  }

  private static Stream<Misuse> dtypes() {
    return Stream.of(
        new Misuse("exp: needs F32 or BF16, got I32[3]; cast() converts", s -> i32(s, 3).exp()),
        new Misuse("plus: needs F32 or BF16, got I32[3]; cast() converts", s -> i32(s, 3).plus(i32(s, 3))),
        new Misuse("plus: dtypes differ: F32[3] and BF16[3]; cast() one of them",
            s -> f32(s, 3).plus(f32(s, 3).cast(DType.BF16))),
        new Misuse("linear: dtypes differ: F32[3, 8] and BF16[5, 8]; cast() one of them",
            s -> f32(s, 3, 8).linear(f32(s, 5, 8).cast(DType.BF16), null)),
        new Misuse("embedding: indices must be I32, got F32[2]", s -> f32(s, 3, 4).embedding(f32(s, 2))),
        new Misuse("crossEntropy: indices must be I32, got F32[3]", s -> f32(s, 3, 9).crossEntropy(f32(s, 3))),
        new Misuse("oneHot: indices must be I32, got F32[3]", s -> f32(s, 3).oneHot(4)),
        new Misuse("sum: needs F32 or BF16, got I32[3]; cast() converts", s -> i32(s, 3).sum()),
        new Misuse("toIntArray: indices must be I32, got F32[3]", s -> f32(s, 3).toIntArray()));
  }

  private static Stream<Misuse> arguments() {
    return Stream.of(
        new Misuse("clamp: low 2.0 is above high 1.0", s -> f32(s, 3).clamp(2f, 1f)),
        new Misuse("dropout: a probability is at least 0 and below 1, got 1.0", s -> f32(s, 3).dropout(1f, 0)),
        new Misuse("max: nothing to choose from in F32[3, 0]", s -> f32(s, 3, 0).max(1)),
        new Misuse("item: needs one element, got F32[3]", s -> f32(s, 3).item()),
        new Misuse("tensor: 2 values do not fit shape [3]", s -> s.tensor(new float[2], Shape.of(3))),
        new Misuse("tensor: 2 values do not fit shape [3]", s -> s.tensor(new int[2], Shape.of(3))),
        new Misuse("axis 2 is outside of shape [3, 4]", s -> f32(s, 3, 4).sum(2)));
  }

  private static Stream<Misuse> views() {
    return Stream.of(
        new Misuse("reshape: F32[3, 4] does not have the elements of [5, -1]", s -> f32(s, 3, 4).reshape(5, -1)),
        new Misuse("reshape: F32[3, 4] does not have the elements of [-1, -1]", s -> f32(s, 3, 4).reshape(-1, -1)),
        new Misuse("permute: [0, 0] does not name each axis of F32[3, 4] once", s -> f32(s, 3, 4).permute(0, 0)),
        new Misuse("slice: 2 to 5 is outside of axis 0 of F32[3, 4]", s -> f32(s, 3, 4).slice(0, 2, 5)),
        new Misuse("expand: F32[3, 4] does not stretch to [5, 4]", s -> f32(s, 3, 4).expand(5, 4)),
        new Misuse("unsqueeze: no place 4 in F32[3, 4]", s -> f32(s, 3, 4).unsqueeze(4)),
        new Misuse("split: sizes [1, 1] do not add up to axis 0 of F32[3, 4]", s -> f32(s, 3, 4).split(0, 1, 1)),
        new Misuse("concat: there is nothing to put together", _ -> Tensor.concat(0, List.of())));
  }

  @ParameterizedTest
  @MethodSource("misuses")
  void misuseIsAnsweredWithASentence(Misuse misuse) {
    try (var scope = Scope.on(device)) {
      var e = assertThrows(IllegalArgumentException.class, () -> misuse.call.accept(scope));
      assertEquals(misuse.message, e.getMessage());
    }
  }

  private static void assertSays(Class<? extends Exception> type, String message, Executable call) {
    assertEquals(message, assertThrows(type, call).getMessage());
  }

  @Test
  void tensorsOfTwoScopesAreRefused() {
    try (var one = Scope.on(device); var two = Tape.on(device)) {
      assertSays(IllegalArgumentException.class,
          "tensors of two scopes in one operation: F32[2] and F32[3]; bring the longer-lived one in with borrow()",
          () -> f32(one, 2).plus(f32(two, 3)));
    }
  }

  @Test
  void parameterOfAnotherDeviceIsRefused() {
    try (var other = new CpuDevice(1); var parameters = new Parameters(other, Precision.F32);
        var scope = Scope.on(device)) {
      Parameter w = parameters.add("w", Initializer.constant(1f), 3);
      parameters.initialize(1);
      assertSays(IllegalArgumentException.class,
          "tensors of two devices in one operation: F32[3] on " + device.name() + " and F32[3] w on " + other.name()
              + "; bring both to one",
          () -> f32(scope, 3).plus(w.value()));
    }
  }

  @Test
  void tensorOfAClosedScopeIsGone() {
    Scope scope = Scope.on(device);
    Tensor x = f32(scope, 3);
    Tensor half = x.cast(DType.BF16);
    scope.close();
    String message = "this scope is closed; its tensors are gone";
    assertSays(IllegalStateException.class, message, x::toArray);
    assertSays(IllegalStateException.class, message, () -> x.plus(1f));
    assertSays(IllegalStateException.class, message, () -> f32(scope, 3));
    assertSays(IllegalStateException.class, message, () -> scope.borrow(x));
    assertThrows(IllegalStateException.class, half::toArray);
  }

  @Test
  void borrowedTensorOfAClosedScopeIsGone() {
    try (var scope = Scope.on(device)) {
      Scope inner = Scope.on(device);
      Tensor borrowed = scope.borrow(f32(inner, 3));
      inner.close();
      assertSays(IllegalStateException.class,
          "F32[3] was given back, by backward() or with its owner; read it before", borrowed::toArray);
      assertSays(IllegalStateException.class,
          "F32[3] was given back, by backward() or with its owner; read it before", () -> borrowed.plus(1f));
    }
  }

  @Test
  void tensorOfAnotherDeviceIsRefused() {
    try (var other = new CpuDevice(1); var scope = Scope.on(device); var far = Scope.on(other)) {
      assertSays(IllegalArgumentException.class,
          "borrow: F32[3] is on " + other.name() + ", this scope on " + device.name(), () -> scope.borrow(f32(far, 3)));
    }
  }

  @Test
  void activationReadAfterBackwardIsGone() {
    try (var parameters = new Parameters(device, Precision.F32); var tape = Tape.on(device)) {
      Parameter w = parameters.add("w", Initializer.constant(1f), 3);
      parameters.initialize(1);
      Tensor h = tape.borrow(w.value()).exp();
      tape.backward(h.sum());
      assertSays(IllegalStateException.class,
          "F32[3] was given back, by backward() or with its owner; read it before", h::toArray);
    }
  }

  @Test
  void parametersSayWhatIsMissing() {
    try (var parameters = new Parameters(device, Precision.F32)) {
      Parameter w = parameters.in("h").add("w", Initializer.constant(1f), 3);
      assertSays(IllegalStateException.class,
          "parameter h.w has no memory yet; call Parameters.initialize(seed) first", w::value);
      assertSays(IllegalStateException.class,
          "parameter h.w has no memory yet; call Parameters.initialize(seed) first", w::master);
      assertSays(IllegalStateException.class,
          "parameter h.w has no memory yet; call Parameters.initialize(seed) first", w::gradient);
      assertSays(IllegalStateException.class, "the parameters have no memory yet; call initialize(seed)",
          parameters::values);
      assertSays(IllegalStateException.class, "the parameters have no memory yet; call initialize(seed)",
          parameters::gradients);
      assertSays(IllegalArgumentException.class, "two parameters are named h.w",
          () -> parameters.add("h.w", Initializer.constant(1f), 3));
      assertSays(IllegalArgumentException.class, "no parameter is named h.v", () -> parameters.in("h").get("v"));
      parameters.initialize(1);
      assertSays(IllegalStateException.class, "parameter late comes too late: the parameters are initialised; build all"
          + " layers before initialize(seed)", () -> parameters.add("late", Initializer.constant(1f), 3));
      assertSays(IllegalStateException.class, "the parameters are initialised already", () -> parameters.initialize(2));
      assertSays(IllegalArgumentException.class,
          "an operation on parameters alone has no scope to live in; bring one in"
              + " with borrow()",
          () -> w.value().plus(w.value()));
    }
  }

  @Test
  void closedParametersAreGone() {
    var parameters = new Parameters(device, Precision.F32);
    Parameter w = parameters.add("w", Initializer.constant(1f), 3);
    parameters.initialize(1);
    parameters.close();
    var e = assertThrows(IllegalStateException.class, () -> w.value().toArray());
    assertTrue(e.getMessage().contains("F32[3] w was given back") || e.getMessage().contains("closed"), e.getMessage());
  }

  @Test
  void backwardSaysWhatItNeeds() {
    try (var parameters = new Parameters(device, Precision.F32); var tape = Tape.on(device);
        var other = Tape.on(device)) {
      Parameter w = parameters.add("w", Initializer.constant(1f), 3);
      parameters.initialize(1);
      Tensor y = tape.borrow(w.value()).exp();
      assertSays(IllegalArgumentException.class,
          "backward: a loss has one element, got F32[3]; give its gradient, or reduce it first",
          () -> tape.backward(y));
      assertSays(IllegalArgumentException.class, "backward: gradient F32[4] does not fit F32[3]",
          () -> tape.backward(y, f32(tape, 4), _ -> {}));
      assertThrows(IllegalArgumentException.class, () -> other.backward(y.sum()));
    }
  }

  @Test
  void backwardOnAClosedTapeIsRefused() {
    try (var parameters = new Parameters(device, Precision.F32)) {
      Parameter w = parameters.add("w", Initializer.constant(1f), 3);
      parameters.initialize(1);
      Tape tape = Tape.on(device);
      Tensor loss = tape.borrow(w.value()).sum();
      tape.close();
      assertSays(IllegalStateException.class, "this scope is closed; its tensors are gone", () -> tape.backward(loss));
    }
  }

  @Test
  void indicesOutOfBoundsAreRefusedBeforeAnythingIsWritten() {
    try (var scope = Scope.on(device)) {
      Tensor table = f32(scope, 3, 4);
      for (int bad : new int[]{-1, 3, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
        Tensor index = scope.tensor(new int[]{0, bad}, Shape.of(2));
        assertNames(bad, () -> table.embedding(index));
        assertNames(bad, () -> f32(scope, 2, 3).gather(index.reshape(2, 1)));
        assertNames(bad, () -> f32(scope, 2, 3).crossEntropy(index, 3, -7));
        assertNames(bad, () -> index.oneHot(3));
        assertNames(bad, () -> table.indexSelect(0, index));
      }
      Tensor padding = scope.tensor(new int[]{0, 2}, Shape.of(2));
      assertNames(2, () -> f32(scope, 2, 3).crossEntropy(padding, 2, -1));
    }
  }

  private static void assertNames(int index, Executable call) {
    String message = assertThrows(RuntimeException.class, call).getMessage();
    assertTrue(message.contains(Integer.toString(index)), message);
  }
}
