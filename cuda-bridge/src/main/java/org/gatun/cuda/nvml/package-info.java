/** NVIDIA's management library: power, clocks, temperature and memory of the cards, as nvidia-smi shows them. */
package org.gatun.cuda.nvml;
