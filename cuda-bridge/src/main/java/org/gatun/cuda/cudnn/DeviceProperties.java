package org.gatun.cuda.cudnn;

import org.gatun.cuda.CudaContext;

/** What cuDNN must know of a device to choose and compile kernels for it: a device of this machine, or one known by its description. */
public final class DeviceProperties {
  private final int ordinal;
  private final String json;

  private DeviceProperties(int ordinal, String json) {
    this.ordinal = ordinal;
    this.json = json;
  }

  /** The device of {@code context}. */
  public static DeviceProperties of(CudaContext context) {
    return new DeviceProperties(context.ordinal(), null);
  }

  /** A device that need not be here, in the words that {@link #json} gives of one that is. */
  public static DeviceProperties described(String json) {
    return new DeviceProperties(-1, json);
  }

  /** All properties as cuDNN writes them down, to plan for this device elsewhere. */
  public String json() {
    Cudnn.requireUsable();
    try (var descriptors = new Descriptors()) {
      return descriptors.text(describe(descriptors), Attribute.DEVICE_JSON);
    }
  }

  /** The descriptor of this device, made among {@code descriptors}. */
  long describe(Descriptors descriptors) {
    long device = descriptors.make(Descriptors.Kind.DEVICE);
    if (json == null) {
      descriptors.set(device, Attribute.DEVICE_ORDINAL, ordinal);
    } else {
      descriptors.set(device, Attribute.DEVICE_JSON, json);
    }
    return descriptors.finish(device, "properties of " + this);
  }

  @Override
  public String toString() {
    return json == null ? "device " + ordinal : "the described device";
  }
}
