package org.gatun.cuda;

/** What to do about a status of the driver, where that is known. */
final class DriverAdvice {
  private DriverAdvice() {}

  static String on(int status) {
    return switch (status) {
      case 2 -> "free device memory or ask for less; nvidia-smi lists other processes that hold some";
      case 34 ->
          "libcuda.so.1 is the toolkit's stub: take its stubs folder out of LD_LIBRARY_PATH and install NVIDIA's driver";
      case 46 ->
          "another process holds the device alone (nvidia-smi -q -d COMPUTE); end it, or set compute mode DEFAULT";
      case 100 ->
          "is a GPU there (nvidia-smi -L), and is it visible here (CUDA_VISIBLE_DEVICES; in a container: --gpus all)?";
      case 200, 209 -> "compile the kernel for this device's compute capability";
      case 214, 220 -> "the hardware reported a fault that it could not correct; see nvidia-smi -q and dmesg";
      case 222 -> "the driver is older than the compiler: update the driver, or compile to a cubin";
      case 700, 716, 718, 719 ->
          "a kernel went wrong and the device's context is lost: start again, under compute-sanitizer to find the kernel";
      case 701 -> "the kernel wants more registers or shared memory than a block of that size can have";
      case 802 -> "on machines with NVSwitch start nvidia-fabricmanager; else wait until the driver is up";
      case 803 -> "libcuda.so.1 and the kernel's module are of different versions: reboot, or install them again";
      case 804 ->
          "a forward-compatibility libcuda.so.1 was found first: take its folder (cuda/compat) out of the search path";
      case 900, 901, 905, 906 ->
          "something in the captured work cannot be part of a graph: waiting, allocating, or another stream without an event";
      case 904 -> "a stream that joined the capture by an event was not joined back before the end";
      default -> "";
    };
  }
}
