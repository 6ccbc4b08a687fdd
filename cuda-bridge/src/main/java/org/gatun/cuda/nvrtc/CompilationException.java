package org.gatun.cuda.nvrtc;

import org.gatun.cuda.CudaException;

/** Source text that the compiler refused; the message ends with all that it said. */
public final class CompilationException extends CudaException {
  private static final long serialVersionUID = 1L;

  private final String log;

  CompilationException(String call, int status, String statusName, String log) {
    super(call, status, statusName, "the compiler says:\n" + log.strip());
    this.log = log;
  }

  /** What the compiler said. */
  public String log() {
    return log;
  }
}
