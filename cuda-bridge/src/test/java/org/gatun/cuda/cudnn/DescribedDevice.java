package org.gatun.cuda.cudnn;

import java.util.Locale;

/** Devices that are not here, in cuDNN's words. What the vendor's data sheets say; clocks and memory do not change the plans. */
enum DescribedDevice {
  A100(800, 108, 166_912), H200(900, 132, 232_448), B200(1000, 148, 232_448);

  private final int architecture;
  private final int multiprocessors;
  private final int sharedBytes;

  DescribedDevice(int architecture, int multiprocessors, int sharedBytes) {
    this.architecture = architecture;
    this.multiprocessors = multiprocessors;
    this.sharedBytes = sharedBytes;
  }

  DeviceProperties properties() {
    return DeviceProperties.described(String.format(Locale.ROOT, """
        {"deviceVer":%d,"driverVer":13000,"cudaDeviceId":0,"deviceName":"NVIDIA %s","multiProcessorCount":%d,\
        "maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,"warpSize":32,\
        "maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":%d,"reservedSharedMemoryPerBlock":1024,\
        "maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"pciDeviceId":0,\
        "isTccDriver":0,"supportCoopLaunch":1,"totalGlobalMem":150754820096,"smClockRateKHz":1980000,\
        "memClockRateKHz":3201000,"l2CacheSize":62914560}""", architecture, name(), multiprocessors, sharedBytes));
  }
}
