/**
 * Communication among the GPUs of many processes by NVIDIA's NCCL. One process a GPU; the first rank's address is all that the
 * processes must agree on.
 */
package org.gatun.cuda.nccl;
