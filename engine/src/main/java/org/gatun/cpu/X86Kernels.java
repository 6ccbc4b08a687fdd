package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cpu.GemmKernels.TILE_COLUMNS;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.gatun.cpu.X86Loops.Left;
import org.gatun.cpu.X86Loops.Shape;

/**
 * The inner loops of products of matrices in machine code, which {@link X86Loops} writes when this class is first
 * used: for Linux on x86-64 with AVX2 or AVX-512. Everywhere else {@link GemmKernels} does the same with the Vector API.
 *
 * <p>These loops do what the compiler of Java cannot be told: they read rows of A where they lie, ask for what they
 * will need next while they multiply, and keep a whole tile in registers without persuasion.
 *
 * <p>Every call is checked against the bounds of its memory first, so that none can end the JVM.
 */
final class X86Kernels {
  /** Rows of the largest tile. */
  static final int TILE_ROWS = 6;

  /** Floats from row to row of B in {@link #strip}, and of tiles that are transposed. */
  static final int STRIP_DISTANCE = 64;

  /** Floats of a vector of AVX2, which a column of a panel of A fits into. */
  static final int NARROW = 8;

  /** Floats from row to row of what {@link #transpose} writes. */
  private static final int[] TRANSPOSED = {TILE_COLUMNS, STRIP_DISTANCE};

  private static final int FLOAT = Float.BYTES;
  private static final String PROPERTY = "org.gatun.machineCode";

  /** The kernels of this process, or null and the reason why it has none. */
  private record Offer(X86Kernels kernels, String obstacle) {
    static final Offer OFFER = make();

    private static Offer make() {
      String obstacle = obstacleHere();
      if (obstacle == null) {
        try {
          return new Offer(new X86Kernels(Lanes.SPECIES.length()), null);
        } catch (UnsupportedOperationException e) {
          obstacle = e.getMessage();
        }
      }
      return new Offer(null, obstacle);
    }

    private static String obstacleHere() {
      if (!Boolean.parseBoolean(System.getProperty(PROPERTY, "true"))) {
        return "-D" + PROPERTY + "=" + System.getProperty(PROPERTY);
      }
      if (!System.getProperty("os.name").equals("Linux") || !System.getProperty("os.arch").equals("amd64")) {
        return "machine code is there for Linux on x86-64";
      }
      if (Lanes.SPECIES.length() < 8 || !processorHas("avx2", "fma")) {
        return "machine code needs AVX2";
      }
      Module module = X86Kernels.class.getModule();
      if (!module.isNativeAccessEnabled()) {
        String name = module.isNamed() ? module.getName() : "ALL-UNNAMED";
        return "machine code needs java --enable-native-access=" + name;
      }
      return null;
    }

    private static boolean processorHas(String... flags) {
      try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
        return lines
            .filter(line -> line.startsWith("flags"))
            .findFirst()
            .map(line -> List.of(line.split("\\s+")).containsAll(List.of(flags)))
            .orElse(false);
      } catch (IOException _) { // a sandbox without it: nothing is known of the processor
        return false;
      }
    }
  }

  /** How the code is called, after its address; the arguments are those of {@link X86Loops}. */
  private static final class Call {
    static final MethodHandle PRODUCT =
        MachineCode.caller(
            ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG,
            JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle TRANSPOSITION =
        MachineCode.caller(ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle COPY =
        MachineCode.caller(ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle COPY_AND_SUM =
        MachineCode.caller(
            ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG);
    static final MethodHandle PACKING =
        MachineCode.caller(
            ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG,
            JAVA_LONG);
  }

  /**
   * Where rows of floats lie: the first at {@code at}, each {@code distance} bytes after the one before.
   *
   * <p>Memory off the heap is handed over by its address, and only within a round of the {@link Workers} whose device
   * owns it, or by a caller that keeps it: it cannot be given back meanwhile. Were it handed over as a segment, each call
   * would hold it, by a counter for which all threads compete: 2 to 4 % of a small model's step.
   *
   * @param array    what calls are given; {@link MemorySegment#NULL} for memory off the heap
   * @param start    of what may be touched: 0, or an address; {@code at} likewise
   * @param byteSize of it
   */
  record Rows(MemorySegment array, long start, long byteSize, long at, long distance) {
    /** For no addend, and for no operand. */
    static final Rows NONE = new Rows(MemorySegment.NULL, 0, 0, 0, 0);

    /** Of an array: elements, not bytes. */
    static Rows of(float[] x, int at, int distance) {
      long bytes = (long) x.length * FLOAT;
      return new Rows(MemorySegment.ofArray(x), 0, bytes, (long) at * FLOAT, (long) distance * FLOAT);
    }

    /** One row of an array, or the same each time, from an element on. */
    static Rows of(float[] x, int at) {
      return of(x, at, 0);
    }

    /** Of memory, in bytes. */
    static Rows of(MemorySegment memory, long at, long distance) {
      if (!memory.isNative()) {
        return new Rows(memory, 0, memory.byteSize(), at, distance);
      }
      if (!memory.scope().isAlive()) {
        throw new IllegalStateException("memory that was given back; use a device before it is closed");
      }
      return new Rows(MemorySegment.NULL, memory.address(), memory.byteSize(), memory.address() + at, distance);
    }

    /** One row of memory, or the same each time, from an element on. */
    static Rows of(MemorySegment memory, long element) {
      return of(memory, element * FLOAT, 0);
    }

    Rows {
      if (distance < 0) {
        throw new IllegalArgumentException("rows that lie " + distance + " bytes apart; they must not run backwards");
      }
    }

    private void require(long count, long floats) {
      requireBytes(count, Math.multiplyExact(floats, FLOAT));
    }

    /** That there are so many rows of so many bytes. */
    void requireBytes(long count, long length) {
      long all = Math.addExact(Math.multiplyExact(count - 1, distance), length);
      Objects.checkFromIndexSize(at - start, Math.max(all, length), byteSize);
    }
  }

  private final int lanes;

  /** By how A lies and by the rows of a tile, from 1 on. */
  private final Product[][] panels = new Product[Left.values().length][TILE_ROWS];

  private final Product[][] strips = new Product[Left.values().length][TILE_ROWS];

  /** By the distance of rows in the target. */
  private final Map<Long, MemorySegment> transpositions = new HashMap<>();

  /** Of 1, 2 and 4 vectors a row. */
  private final MemorySegment[] copies = new MemorySegment[3];

  private final MemorySegment summing;
  private final MemorySegment packing;

  private X86Kernels(int lanes) {
    this.lanes = lanes;
    var code = new X86Assembler(lanes);
    List<Shape> shapes = shapes();
    int[] places = new int[shapes.size()];
    for (int i = 0; i < places.length; i++) {
      places[i] = code.here();
      X86Loops.product(code, shapes.get(i));
    }
    int[] transpositionPlaces = new int[TRANSPOSED.length];
    for (int i = 0; i < TRANSPOSED.length; i++) {
      transpositionPlaces[i] = code.here();
      X86Loops.transposition(code, TRANSPOSED[i] * FLOAT);
    }
    int[] copyPlaces = new int[copies.length];
    for (int i = 0; i < copies.length; i++) {
      copyPlaces[i] = code.here();
      X86Loops.copy(code, 1 << i, false);
    }
    int summingPlace = code.here();
    X86Loops.copy(code, TILE_COLUMNS / lanes, true);
    long start = MachineCode.load(code.code()).address();
    for (int i = 0; i < places.length; i++) {
      Shape shape = shapes.get(i);
      var product = new Product(MemorySegment.ofAddress(start + places[i]), shape, lanes);
      (shape.far() ? panels : strips)[shape.left().ordinal()][shape.rows() - 1] = product;
    }
    for (int i = 0; i < TRANSPOSED.length; i++) {
      transpositions.put((long) TRANSPOSED[i] * FLOAT, MemorySegment.ofAddress(start + transpositionPlaces[i]));
    }
    Arrays.setAll(copies, i -> MemorySegment.ofAddress(start + copyPlaces[i]));
    summing = MemorySegment.ofAddress(start + summingPlace);
    var narrow = new X86Assembler(NARROW);
    int packingPlace = X86Loops.packing(narrow);
    packing = MemorySegment.ofAddress(MachineCode.load(narrow.code()).address() + packingPlace);
  }

  private List<Shape> shapes() {
    var shapes = new ArrayList<Shape>();
    for (int rows = 1; rows <= TILE_ROWS; rows++) {
      for (Left left : Left.values()) {
        shapes.add(new Shape(rows, TILE_COLUMNS / lanes, left, TILE_COLUMNS * FLOAT, true));
      }
      shapes.add(new Shape(rows, 2, Left.ROWS, STRIP_DISTANCE * FLOAT, false));
      shapes.add(new Shape(rows, 2, Left.COLUMNS, STRIP_DISTANCE * FLOAT, false));
    }
    return shapes;
  }

  /** Floats of a vector. */
  int lanes() {
    return lanes;
  }

  /** The kernels of this process; null if it has none. */
  static X86Kernels orNull() {
    return Offer.OFFER.kernels;
  }

  /** Why this process has none; null if it has. */
  static String obstacle() {
    return Offer.OFFER.obstacle;
  }

  /**
   * Products with a packed panel of B [depth, TILE_COLUMNS].
   *
   * @param rows of a tile, from 1 to {@link #TILE_ROWS}
   * @param left how A is given; panels are [depth, TILE_ROWS]
   */
  Product panel(int rows, Left left) {
    return panels[left.ordinal()][rows - 1];
  }

  /** Products with two vectors' breadth of a B whose rows are {@link #STRIP_DISTANCE} apart; A is given by rows or by columns. */
  Product strip(int rows, Left left) {
    return strips[left.ordinal()][rows - 1];
  }

  /** One loop, for so many rows and columns of C at a time. */
  record Product(MemorySegment code, Shape shape, int lanes) {
    /**
     * c = addend + a·b for {@code tiles} times as many rows as a tile has. Each element is one chain of fused
     * multiply-adds in the order of k, to which the addend is added last.
     *
     * @param a      rows of depth floats, columns of all rows, or columns of each tile's rows, by the shape
     * @param b      the distance of its rows is the shape's
     * @param addend {@link Rows#NONE} for none; distance 0 for the same row each time
     */
    void multiply(int tiles, int depth, Rows a, Rows b, Rows c, Rows addend) {
      long rows = (long) tiles * shape.rows();
      int columns = shape.vectors() * lanes;
      if (tiles <= 0 || depth < 0 || b.distance != shape.bDistance()) {
        throw new IllegalArgumentException(
            "multiply: " + tiles + " tiles of depth " + depth + " with " + b + " by " + shape);
      }
      if (depth > 0) {
        switch (shape.left()) {
          case ROWS -> a.require(rows, depth);
          case COLUMNS -> a.require(depth, rows);
          case PANELS -> a.require((long) tiles * depth, shape.rows());
        }
        b.require(depth, columns);
      }
      c.require(rows, columns);
      if (addend != Rows.NONE) {
        addend.require(rows, columns);
      }
      boolean gapless = a.distance == (long) depth * FLOAT;
      try {
        Call.PRODUCT.invokeExact(
            code, a.array, a.at, b.array, b.at, c.array, c.at, addend.array, addend.at, addend.distance,
            c.distance, (long) depth, (long) tiles, a.distance, gapless ? shape.nextStep() : 0L);
      } catch (RuntimeException | Error e) {
        throw e;
      } catch (Throwable t) { // our code throws nothing
        throw new IllegalStateException("product", t);
      }
    }
  }

  /**
   * Row k of {@code to} holds element k of all rows, for as many rows as a vector has lanes and {@code blocks} times as
   * many k; its rows are as far apart as those of a panel, or of {@link #STRIP_DISTANCE}.
   */
  void transpose(Rows rows, int blocks, Rows to) {
    MemorySegment code = transpositions.get(to.distance);
    if (code == null || blocks <= 0) {
      throw new IllegalArgumentException("transpose: " + blocks + " blocks to " + to + "; no code is made for that");
    }
    rows.require(lanes, (long) blocks * lanes);
    to.require((long) blocks * lanes, lanes);
    try {
      Call.TRANSPOSITION.invokeExact(code, rows.array, rows.at, to.array, to.at, rows.distance, (long) blocks);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable t) { // our code throws nothing
      throw new IllegalStateException("transpose", t);
    }
  }

  /** Copies rows of so many floats each, a multiple of the lanes. Later rows may overwrite earlier ones. */
  void copy(Rows rows, int count, int floats, Rows to) {
    if (count <= 0 || floats <= 0 || floats % lanes != 0) {
      throw new IllegalArgumentException("copy: " + count + " rows of " + floats + " floats; no code is made for that");
    }
    rows.require(count, floats);
    to.require(count, floats);
    for (int done = 0; done < floats;) {
      int size = Math.min(copies.length - 1, 31 - Integer.numberOfLeadingZeros((floats - done) / lanes));
      copy(copies[size], rows, count, done, to);
      done += lanes << size;
    }
  }

  /** Copies rows of {@link GemmKernels#TILE_COLUMNS} floats, and writes their sum: each is added to those before. */
  void copyAndSum(Rows rows, int count, Rows to, Rows sum) {
    if (count <= 0) {
      throw new IllegalArgumentException("copyAndSum: " + count + " rows; give one or more");
    }
    rows.require(count, TILE_COLUMNS);
    to.require(count, TILE_COLUMNS);
    sum.require(1, TILE_COLUMNS);
    try {
      Call.COPY_AND_SUM.invokeExact(
          summing, rows.array, rows.at, to.array, to.at, rows.distance, to.distance, (long) count, sum.array, sum.at);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable t) { // our code throws nothing
      throw new IllegalStateException("copyAndSum", t);
    }
  }

  private static void copy(MemorySegment code, Rows rows, int count, int from, Rows to) {
    long before = (long) from * FLOAT;
    try {
      Call.COPY.invokeExact(
          code, rows.array, rows.at + before, to.array, to.at + before, rows.distance, to.distance, (long) count);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable t) { // our code throws nothing
      throw new IllegalStateException("copy", t);
    }
  }

  /**
   * Packs columns of A into panels [count, {@link #TILE_ROWS}], the last one filled up with zeros, and sums its rows: each
   * is Σ of the even and Σ of the odd columns, to which the last one belongs.
   *
   * @param columns of {@code rows} floats each, at their distance from each other
   * @param panels  at their distance from each other
   * @param sums    a number for each row, and zeros as in the last panel; {@link Rows#NONE} for none
   */
  void packColumns(Rows columns, int count, int rows, Rows panels, Rows sums) {
    if (count <= 0 || rows <= 0) {
      throw new IllegalArgumentException("packColumns: " + count + " columns of " + rows + " rows; give one or more");
    }
    columns.require(count, rows);
    panels.require(Math.ceilDiv(rows, TILE_ROWS), Math.multiplyExact(count, TILE_ROWS));
    if (sums != Rows.NONE) {
      sums.require(1, Math.ceilDiv(rows, TILE_ROWS) * TILE_ROWS);
    }
    int whole = rows / TILE_ROWS;
    if (whole > 0) {
      packColumns(columns, count, 0, whole, TILE_ROWS, panels, sums);
    }
    if (rows % TILE_ROWS != 0) {
      packColumns(columns, count, whole, 1, rows % TILE_ROWS, panels, sums);
    }
  }

  /** So many panels from a panel on, with so many rows each. */
  private void packColumns(Rows columns, int count, int first, int number, int rows, Rows panels, Rows sums) {
    long before = (long) first * TILE_ROWS * FLOAT;
    try {
      Call.PACKING.invokeExact(
          packing, columns.array, columns.at + before, panels.array, panels.at + first * panels.distance,
          columns.distance, (long) count, (long) number, panels.distance, sums.array,
          sums == Rows.NONE ? 0 : sums.at + before, (long) (TILE_ROWS - rows) * FLOAT);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable t) { // our code throws nothing
      throw new IllegalStateException("packColumns", t);
    }
  }
}
