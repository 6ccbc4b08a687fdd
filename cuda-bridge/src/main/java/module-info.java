/** Bindings of NVIDIA's libraries; finds them at run time and says why it cannot. */
module org.gatun.cuda {
  exports org.gatun.cuda;
  exports org.gatun.cuda.nvml;
  exports org.gatun.cuda.nvrtc;
}
