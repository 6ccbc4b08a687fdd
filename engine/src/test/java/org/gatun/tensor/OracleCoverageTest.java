package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.OpRow;
import org.gatun.proof.OpTable;
import org.junit.jupiter.api.Test;

/** Nothing can be added to the engine without a row in {@link OpTable}. */
class OracleCoverageTest {
  @Test
  void everyNodeIsRecordedBySomeRow() throws Exception {
    var recorded = new HashSet<Class<?>>();
    var operators = new HashSet<Enum<?>>();
    try (var device = new CpuDevice(1)) {
      for (OpRow row : OpTable.rows()) {
        row.withOperation(x -> {
          Tensor y = row.operation().apply(x);
          for (Node node : nodes((Tape) x[0].scope())) {
            recorded.add(node.getClass());
            switch (node) {
              case Unary unary -> operators.add(unary.op());
              case Binary binary -> operators.add(binary.op());
              default -> {}
            }
          }
          return y;
        }).check(Precision.F32, OpRow.Use.ON_PARAMETERS).forwardOnly().run(device);
      }
    }
    var missing = new TreeSet<String>();
    // A recomputed segment is no operation of its own: RecomputedTest checks it.
    recorded.add(Recomputed.class);
    nodeRecords().filter(type -> !recorded.contains(type)).forEach(type -> missing.add(type.getSimpleName()));
    Stream.of(UnaryOp.values()).filter(op -> !operators.contains(op)).forEach(op -> missing.add(op.name()));
    Stream.of(BinaryOp.values()).filter(op -> op.isDifferentiable() && !operators.contains(op))
        .forEach(op -> missing.add(op.name()));
    assertEquals(Set.of(), missing, "add rows to OpTable for these nodes and operators");
  }

  @Test
  void everyOperationOfTensorHasARow() {
    Set<String> rows = OpTable.rows().stream().map(OpRow::op).collect(Collectors.toSet());
    var missing = new TreeSet<String>();
    for (Method method : Tensor.class.getDeclaredMethods()) {
      boolean open = Modifier.isPublic(method.getModifiers());
      boolean makesTensors = List.of(Tensor.class, List.class, Residual.class).contains(method.getReturnType());
      if (open && makesTensors && !rows.contains(method.getName())) {
        missing.add(method.getName());
      }
    }
    assertEquals(Set.of(), missing, "add rows to OpTable for these methods of Tensor");
  }

  @Test
  void everyRowNamesAMethodOfTensor() {
    Set<String> methods =
        Arrays.stream(Tensor.class.getDeclaredMethods()).map(Method::getName).collect(Collectors.toSet());
    Set<String> unknown = OpTable.rows().stream().map(OpRow::op).filter(op -> !methods.contains(op))
        .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(Set.of(), unknown);
  }

  private static Stream<Class<?>> nodeRecords() throws Exception {
    Path classes = Path.of(Node.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    Set<Class<?>> found = new HashSet<>();
    try (Stream<Path> files = Files.list(classes.resolve("org/gatun/tensor"))) {
      for (String file : files.map(path -> path.getFileName().toString()).filter(f -> f.endsWith(".class")).toList()) {
        String name = file.substring(0, file.length() - ".class".length());
        if (name.equals("package-info")) {
          continue;
        }
        Class<?> type = Class.forName("org.gatun.tensor." + name, false, Node.class.getClassLoader());
        if (type.isRecord() && Node.class.isAssignableFrom(type)) {
          found.add(type);
        }
      }
    }
    assertTrue(found.size() > 10, "the node records were looked for in " + classes);
    return found.stream();
  }

  @SuppressWarnings("unchecked")
  private static List<Node> nodes(Tape tape) {
    try {
      Field nodes = Tape.class.getDeclaredField("nodes");
      nodes.setAccessible(true);
      return (List<Node>) nodes.get(tape);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }
}
