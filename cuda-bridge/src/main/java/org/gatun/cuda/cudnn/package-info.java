/**
 * NVIDIA's cuDNN by its backend API: graphs of a few operations that the library fuses into one kernel, and attention made
 * of them. Graphs and plans need no device, only a description of one; running a plan does.
 */
package org.gatun.cuda.cudnn;
