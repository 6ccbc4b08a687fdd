/**
 * Token data: documents out of text, JSON lines and parquet, the files of tokens made of them, their manifest, and
 * downloads. This package knows files, tokenizers and hosts; it never sees a model, an option or a terminal.
 */
package org.gatun.train.data;
