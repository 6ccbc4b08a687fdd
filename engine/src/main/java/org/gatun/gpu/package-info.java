/**
 * The device that is one of NVIDIA's GPUs: memory in a stream-ordered pool, kernels compiled from the sources beside
 * these classes, matrix products and attention by NVIDIA's libraries. Touches the bridge and the tensors it is handed;
 * never a tape, a parameter or a model. All work goes to one stream; nothing waits for the device but a download.
 */
package org.gatun.gpu;
