package org.gatun.cuda;

/**
 * What a device is: {@code computeCapability} is 90 for 9.0, memory, cache and the shared memory that a block may ask for are in bytes,
 * {@code busId} is the one that nvidia-smi shows.
 */
public record GpuProperties(int ordinal, String name, int computeCapability, int multiprocessors, long totalMemory,
    long l2Bytes,
    int sharedMemoryPerBlockOptin, String busId) {
  /** Asks the driver, which must be initialised. */
  static GpuProperties of(int ordinal) {
    int device = Driver.device(ordinal);
    int computeCapability = 10 * Driver.deviceAttribute(DeviceAttribute.COMPUTE_CAPABILITY_MAJOR, device)
        + Driver.deviceAttribute(DeviceAttribute.COMPUTE_CAPABILITY_MINOR, device);
    return new GpuProperties(
        ordinal,
        Driver.deviceName(device),
        computeCapability,
        Driver.deviceAttribute(DeviceAttribute.MULTIPROCESSOR_COUNT, device),
        Driver.deviceTotalMemory(device),
        Driver.deviceAttribute(DeviceAttribute.L2_CACHE_BYTES, device),
        Driver.deviceAttribute(DeviceAttribute.SHARED_MEMORY_PER_BLOCK_OPTIN, device),
        Driver.devicePciBusId(device));
  }
}
