/**
 * The command line and the trainer: options, data files, batches, steps, checkpoints and what is
 * printed. Of the engine and the model it sees what is public; it alone knows clocks, folders and
 * signals.
 */
package org.gatun.train;
