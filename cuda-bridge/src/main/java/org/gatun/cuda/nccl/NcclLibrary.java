package org.gatun.cuda.nccl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cuda.ffi.NativeLibrary.unexpected;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeFunction;
import org.gatun.cuda.ffi.NativeLibrary;
import org.gatun.cuda.ffi.Scratch;

/** The functions of NCCL that are used here, one method each; {@link CudaLibrary#open} must have succeeded before. */
final class NcclLibrary {
  /** {@code ncclUniqueId}, which is passed by value. */
  static final StructLayout UNIQUE_ID =
      MemoryLayout.structLayout(MemoryLayout.sequenceLayout(128, JAVA_BYTE).withName("internal"));

  static final int SUCCESS = 0;
  static final int TIMEOUT = 8;

  private static final NativeLibrary LIBRARY = CudaLibrary.NCCL.open();
  private static final NativeFunction GET_VERSION = LIBRARY.status("ncclGetVersion", JAVA_LONG);
  private static final NativeFunction GET_UNIQUE_ID = LIBRARY.status("ncclGetUniqueId", JAVA_LONG);
  private static final MethodHandle COMM_INIT_RANK = LIBRARY.function("ncclCommInitRank",
      FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, UNIQUE_ID, JAVA_INT));
  private static final MethodHandle COMM_SPLIT = LIBRARY.function("ncclCommSplit",
      FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
  private static final NativeFunction COMM_COUNT = LIBRARY.status("ncclCommCount", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction COMM_USER_RANK = LIBRARY.status("ncclCommUserRank", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction COMM_GET_ASYNC_ERROR =
      LIBRARY.status("ncclCommGetAsyncError", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction COMM_FINALIZE = LIBRARY.status("ncclCommFinalize", JAVA_LONG);
  private static final NativeFunction COMM_DESTROY = LIBRARY.status("ncclCommDestroy", JAVA_LONG);
  private static final NativeFunction COMM_ABORT = LIBRARY.status("ncclCommAbort", JAVA_LONG);
  private static final MethodHandle ALL_REDUCE = collective("ncclAllReduce");
  private static final MethodHandle REDUCE_SCATTER = collective("ncclReduceScatter");
  private static final MethodHandle BROADCAST = collective("ncclBroadcast");
  private static final MethodHandle ALL_GATHER = LIBRARY.function("ncclAllGather",
      FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
  private static final NativeFunction GROUP_START = LIBRARY.status("ncclGroupStart");
  private static final NativeFunction GROUP_END = LIBRARY.status("ncclGroupEnd");
  private static final MethodHandle GET_ERROR_STRING =
      LIBRARY.function("ncclGetErrorString", FunctionDescriptor.of(JAVA_LONG, JAVA_INT));
  private static final MethodHandle GET_LAST_ERROR =
      LIBRARY.function("ncclGetLastError", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG));

  private NcclLibrary() {}

  /** {@code ncclResult_t ncclGetVersion(int *version)}: 23007 is 2.30.7. */
  static int version() {
    Scratch scratch = Scratch.cleared();
    check(GET_VERSION.call(scratch.address()), "ncclGetVersion()");
    return scratch.int32();
  }

  /** 23007 is 2.30.7. */
  static String versionText(int version) {
    return String.format(Locale.ROOT, "%d.%d.%d", version / 10_000, version / 100 % 100, version % 100);
  }

  /** {@code ncclResult_t ncclGetUniqueId(ncclUniqueId *id)}: with NCCL_COMM_ID set the same in every process. */
  static MemorySegment uniqueId(SegmentAllocator allocator) {
    MemorySegment id = allocator.allocate(UNIQUE_ID);
    check(GET_UNIQUE_ID.call(id.address()), "ncclGetUniqueId()");
    return id;
  }

  /** {@code ncclResult_t ncclCommInitRank(ncclComm_t *comm, int nranks, ncclUniqueId id, int rank)}: waits for all ranks. */
  static long initRank(int ranks, MemorySegment id, int rank) {
    Scratch scratch = Scratch.cleared();
    int status;
    try {
      status = (int) COMM_INIT_RANK.invokeExact(scratch.address(), ranks, id, rank);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    check(status, "ncclCommInitRank(" + ranks + " ranks, rank " + rank + ")");
    return scratch.int64();
  }

  /** {@code ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t *newcomm, ncclConfig_t *config)} */
  static long split(long comm, int color, int key) {
    Scratch scratch = Scratch.cleared();
    int status;
    try {
      status = (int) COMM_SPLIT.invokeExact(comm, color, key, scratch.address(), 0L);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    check(status, "ncclCommSplit(color " + color + ", key " + key + ")");
    return scratch.int64();
  }

  /** {@code ncclResult_t ncclCommCount(const ncclComm_t comm, int *count)} */
  static int count(long comm) {
    Scratch scratch = Scratch.cleared();
    check(COMM_COUNT.call(comm, scratch.address()), "ncclCommCount()");
    return scratch.int32();
  }

  /** {@code ncclResult_t ncclCommUserRank(const ncclComm_t comm, int *rank)} */
  static int userRank(long comm) {
    Scratch scratch = Scratch.cleared();
    check(COMM_USER_RANK.call(comm, scratch.address()), "ncclCommUserRank()");
    return scratch.int32();
  }

  /** {@code ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error)}: the error's number, 0 for none. */
  static int asyncError(long comm) {
    Scratch scratch = Scratch.cleared();
    check(COMM_GET_ASYNC_ERROR.call(comm, scratch.address()), "ncclCommGetAsyncError()");
    return scratch.int32();
  }

  /** {@code ncclResult_t ncclCommFinalize(ncclComm_t comm)}: waits for what is queued, here and at the other ranks. */
  static void finalizeComm(long comm) {
    check(COMM_FINALIZE.call(comm), "ncclCommFinalize()");
  }

  /** {@code ncclResult_t ncclCommDestroy(ncclComm_t comm)} */
  static void destroy(long comm) {
    check(COMM_DESTROY.call(comm), "ncclCommDestroy()");
  }

  /** {@code ncclResult_t ncclCommAbort(ncclComm_t comm)}: from any thread. */
  static void abort(long comm) {
    check(COMM_ABORT.call(comm), "ncclCommAbort()");
  }

  /**
   * {@code ncclResult_t ncclAllReduce(const void *send, void *receive, size_t count, ncclDataType_t type, ncclRedOp_t op,
   * ncclComm_t comm, cudaStream_t stream)}
   */
  static void allReduce(long send, long receive, long count, NcclType type, NcclOp op, long comm, long stream) {
    int status;
    try {
      status = (int) ALL_REDUCE.invokeExact(send, receive, count, type.code(), op.code(), comm, stream);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    check(status, "ncclAllReduce", count, type);
  }

  /**
   * {@code ncclResult_t ncclReduceScatter(const void *send, void *receive, size_t receiveCount, ncclDataType_t type,
   * ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream)}
   */
  static void reduceScatter(long send, long receive, long count, NcclType type, NcclOp op, long comm, long stream) {
    int status;
    try {
      status = (int) REDUCE_SCATTER.invokeExact(send, receive, count, type.code(), op.code(), comm, stream);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    check(status, "ncclReduceScatter", count, type);
  }

  /**
   * {@code ncclResult_t ncclAllGather(const void *send, void *receive, size_t sendCount, ncclDataType_t type,
   * ncclComm_t comm, cudaStream_t stream)}
   */
  static void allGather(long send, long receive, long count, NcclType type, long comm, long stream) {
    int status;
    try {
      status = (int) ALL_GATHER.invokeExact(send, receive, count, type.code(), comm, stream);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    check(status, "ncclAllGather", count, type);
  }

  /**
   * {@code ncclResult_t ncclBroadcast(const void *send, void *receive, size_t count, ncclDataType_t type, int root,
   * ncclComm_t comm, cudaStream_t stream)}
   */
  static void broadcast(long send, long receive, long count, NcclType type, int root, long comm, long stream) {
    int status;
    try {
      status = (int) BROADCAST.invokeExact(send, receive, count, type.code(), root, comm, stream);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    check(status, "ncclBroadcast", count, type);
  }

  /** {@code ncclResult_t ncclGroupStart(void)} */
  static void groupStart() {
    check(GROUP_START.call(), "ncclGroupStart()");
  }

  /** {@code ncclResult_t ncclGroupEnd(void)} */
  static void groupEnd() {
    check(GROUP_END.call(), "ncclGroupEnd()");
  }

  /** What to throw, or to tell, when {@code call} has ended with {@code status}. */
  static CudaException failure(int status, String call) {
    String detail = lastError();
    String meaning = errorString(status);
    return new CudaException(call, status, statusName(status), detail.isEmpty() ? meaning : meaning + ": " + detail);
  }

  /** {@code ncclResult_t}'s name; the library itself has sentences only. */
  static String statusName(int status) {
    return switch (status) {
      case SUCCESS -> "ncclSuccess";
      case 1 -> "ncclUnhandledCudaError";
      case 2 -> "ncclSystemError";
      case 3 -> "ncclInternalError";
      case 4 -> "ncclInvalidArgument";
      case 5 -> "ncclInvalidUsage";
      case 6 -> "ncclRemoteError";
      case 7 -> "ncclInProgress";
      case TIMEOUT -> "ncclTimeout";
      default -> "an unknown ncclResult_t";
    };
  }

  /** {@code const char *ncclGetErrorString(ncclResult_t result)} */
  static String errorString(int status) {
    long text;
    try {
      text = (long) GET_ERROR_STRING.invokeExact(status);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    return NativeLibrary.text(text);
  }

  /** {@code const char *ncclGetLastError(ncclComm_t comm)}: of no communicator in particular; empty if there was none. */
  private static String lastError() {
    long text;
    try {
      text = (long) GET_LAST_ERROR.invokeExact(0L);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    return text == 0 ? "" : NativeLibrary.text(text).strip();
  }

  private static void check(int status, String call) {
    if (status != SUCCESS) {
      throw failure(status, call);
    }
  }

  /** Puts the text together only where it is wanted: a collective is called many times a step. */
  private static void check(int status, String function, long count, NcclType type) {
    if (status != SUCCESS) {
      throw failure(status, function + "(" + count + " " + type + ")");
    }
  }

  private static MethodHandle collective(String symbol) {
    return LIBRARY.function(symbol,
        FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
  }
}
