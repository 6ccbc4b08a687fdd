/**
 * Files: tensors as safetensors, small JSON documents, and writing that is complete or not there.
 *
 * <p>Everything read here was written by someone else: sizes, offsets and names are checked before
 * they are used, and what does not fit ends in a {@link org.gatun.io.MalformedFileException} of one
 * sentence. This package knows tensors and bytes; it never sees layers or kernels.
 */
package org.gatun.io;
