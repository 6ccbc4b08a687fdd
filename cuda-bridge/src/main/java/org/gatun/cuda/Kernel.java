package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.gatun.cuda.ffi.NativeHandle;

/**
 * A function of a {@link KernelModule} that the device runs. Arguments are values, copied at the launch; their number and sizes are compared
 * with the kernel's declaration where the driver can tell it (CUDA 12.4 and later), which catches an {@code int} given for a {@code long}.
 */
public final class Kernel {
  /** The most that CUDA before 12.1 passes to a kernel. */
  private static final int ARGUMENT_BYTES = 4096;
  private static final int MAX_ARGUMENTS = 128;

  private final String name;
  private final long function;
  private final NativeHandle module;
  private final List<Integer> declaredBytes;
  private final Launch launch = new Launch();

  Kernel(String name, long function, NativeHandle module) {
    this.name = name;
    this.function = function;
    this.module = module;
    this.declaredBytes = DriverModules.argumentBytesOrNull(function);
  }

  public String name() {
    return name;
  }

  /** Begins a list of arguments. The kernel has one such list: it is good until the launch, or the next call of this method. */
  public Launch with() {
    launch.count = 0;
    launch.used = 0;
    return launch;
  }

  /** Lets launches ask for up to {@code bytes} of dynamic shared memory, where more than 48 KiB is wanted. */
  public void allowSharedBytes(int bytes) {
    module.value();
    DriverModules.allowSharedBytes(function, bytes);
  }

  /** The arguments of one launch, in the order of the kernel's declaration. */
  public final class Launch {
    // Lives as long as the kernel's Java object; the driver has copied the arguments when the launch returns.
    private final MemorySegment values = Arena.ofAuto().allocate(ARGUMENT_BYTES, 16);
    private final MemorySegment addresses = Arena.ofAuto().allocate(MAX_ARGUMENTS * JAVA_LONG.byteSize(), 8);
    private int count;
    private int used;

    private Launch() {}

    public Launch pointer(DevicePtr pointer) {
      return int64(pointer.address());
    }

    public Launch pointer(long address) {
      return int64(address);
    }

    public Launch int32(int value) {
      values.set(JAVA_INT, next(Integer.BYTES, Integer.BYTES), value);
      return this;
    }

    public Launch int64(long value) {
      values.set(JAVA_LONG, next(Long.BYTES, Long.BYTES), value);
      return this;
    }

    public Launch float32(float value) {
      values.set(JAVA_FLOAT, next(Float.BYTES, Float.BYTES), value);
      return this;
    }

    /** A structure by value, laid out as C lays it out; copied now. */
    public Launch structure(MemorySegment value) {
      int bytes = Math.toIntExact(value.byteSize());
      MemorySegment.copy(value, 0, values, next(bytes, 16), bytes);
      return this;
    }

    /** Runs {@code blocks} blocks of {@code threads} threads with these arguments, in the stream's order. */
    public void over(Stream stream, int blocks, int threads) {
      over(stream, blocks, 1, 1, threads, 0);
    }

    /** Runs a grid of {@code gx} by {@code gy} by {@code gz} blocks with {@code sharedBytes} of dynamic shared memory each. */
    public void over(Stream stream, int gx, int gy, int gz, int threads, int sharedBytes) {
      if (declaredBytes != null && count != declaredBytes.size()) {
        throw new IllegalArgumentException(
            "kernel " + name + ": " + count + " arguments came, " + declaredBytes.size() + " are declared");
      }
      module.unchecked();
      int status =
          DriverModules.launch(function, gx, gy, gz, threads, sharedBytes, stream.handle(), addresses.address());
      if (status != Driver.SUCCESS) {
        throw Driver.failure(status,
            "cuLaunchKernel(" + name + ", grid " + gx + " x " + gy + " x " + gz + ", " + threads
                + " threads, " + sharedBytes + " bytes shared)");
      }
    }

    /** The offset of the next argument's value, whose size is checked here and whose address is noted. */
    private long next(int bytes, int alignment) {
      if (declaredBytes != null && (count >= declaredBytes.size() || declaredBytes.get(count) != bytes)) {
        throw new IllegalArgumentException("kernel " + name + ": argument " + count + " came as " + bytes + " bytes, "
            + (count >= declaredBytes.size() ? "and " + declaredBytes.size() + " arguments are declared"
                : "and " + declaredBytes.get(count) + " are declared"));
      }
      int offset = (used + alignment - 1) & -alignment;
      if (count == MAX_ARGUMENTS || offset + bytes > ARGUMENT_BYTES) {
        throw new IllegalArgumentException(
            "kernel " + name + ": arguments of more than " + ARGUMENT_BYTES + " bytes, or more than "
                + MAX_ARGUMENTS + " of them; pass a pointer to device memory instead");
      }
      addresses.setAtIndex(JAVA_LONG, count++, values.address() + offset);
      used = offset + bytes;
      return offset;
    }
  }
}
