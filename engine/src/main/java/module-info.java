/** Tensors, gradients, layers, optimizers and their files, on the processor and on NVIDIA's GPUs. */
module org.gatun.engine {
  requires com.fasterxml.jackson.core;
  requires jdk.incubator.vector;
  requires transitive org.gatun.cuda;

  exports org.gatun.cpu;
  exports org.gatun.dist;
  exports org.gatun.gpu;
  exports org.gatun.io;
  exports org.gatun.nn;
  exports org.gatun.optim;
  exports org.gatun.proof;
  exports org.gatun.tensor;
}
