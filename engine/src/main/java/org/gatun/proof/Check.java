package org.gatun.proof;

import org.gatun.tensor.Device;

/**
 * Something that a device is held to.
 *
 * @param subject the operation or the quality it is about
 * @param detail which case of it
 */
public record Check(String subject, String detail, Proof proof) {
  /** What is done to see whether it holds. */
  @FunctionalInterface
  public interface Proof {
    /**
     * The largest error found, as a share of what is allowed: at most one.
     *
     * @throws AssertionError if the device does not hold to it; says where and by how much
     */
    double on(Device device);
  }
}
