package org.gatun.cuda.ffi;

import static org.gatun.cuda.ffi.NativeLibrary.unexpected;

import java.lang.invoke.MethodHandle;

/**
 * A C function that returns a status, called by one of few shapes: pointers, handles, streams and sizes travel as {@code long}.
 * Each new shape costs the JVM some 8 ms once, each further function of a known shape a hundredth of that. Held in a
 * {@code static final} field a call is compiled to the bare jump: the fields of a record are constants to the compiler.
 */
public record NativeFunction(String name, MethodHandle handle) {
  public int call() {
    try {
      return (int) handle.invokeExact();
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(int a) {
    try {
      return (int) handle.invokeExact(a);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a) {
    try {
      return (int) handle.invokeExact(a);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(int a, long b) {
    try {
      return (int) handle.invokeExact(a, b);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, int b) {
    try {
      return (int) handle.invokeExact(a, b);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, long b) {
    try {
      return (int) handle.invokeExact(a, b);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, int b, int c) {
    try {
      return (int) handle.invokeExact(a, b, c);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, int b, long c) {
    try {
      return (int) handle.invokeExact(a, b, c);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, long b, int c) {
    try {
      return (int) handle.invokeExact(a, b, c);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, long b, long c) {
    try {
      return (int) handle.invokeExact(a, b, c);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, int b, long c, long d) {
    try {
      return (int) handle.invokeExact(a, b, c, d);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, byte b, long c, long d) {
    try {
      return (int) handle.invokeExact(a, b, c, d);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, long b, long c, long d) {
    try {
      return (int) handle.invokeExact(a, b, c, d);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, long b, long c, long d, long e) {
    try {
      return (int) handle.invokeExact(a, b, c, d, e);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, long b, long c, long d, long e, long f) {
    try {
      return (int) handle.invokeExact(a, b, c, d, e, f);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  public int call(long a, long b, long c, int d, long e, long f) {
    try {
      return (int) handle.invokeExact(a, b, c, d, e, f);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** The function's name, as the C header has it. */
  @Override
  public String toString() {
    return name;
  }
}
