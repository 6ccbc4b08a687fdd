package org.gatun.cuda;

/** The device has no room for what was asked. */
public final class OutOfDeviceMemoryException extends CudaException {
  private static final long serialVersionUID = 1L;

  OutOfDeviceMemoryException(String call, int status, String statusName, String meaning) {
    super(call, status, statusName, meaning);
  }
}
