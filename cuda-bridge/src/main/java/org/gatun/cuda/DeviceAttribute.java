package org.gatun.cuda;

/** What a device can be asked for; the numbers of {@code CUdevice_attribute}. */
enum DeviceAttribute {
  MULTIPROCESSOR_COUNT(16),
  L2_CACHE_BYTES(38),
  COMPUTE_CAPABILITY_MAJOR(75),
  COMPUTE_CAPABILITY_MINOR(76),
  SHARED_MEMORY_PER_BLOCK_OPTIN(97),
  MEMORY_POOLS_SUPPORTED(115);

  private final int number;

  DeviceAttribute(int number) {
    this.number = number;
  }

  int number() {
    return number;
  }
}
