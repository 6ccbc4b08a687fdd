/**
 * GPT-2: its parts, its folders as Hugging Face lays them out, its tokenizers, and sampling.
 *
 * <p>{@link org.gatun.model.Gpt2Config} says how large, {@link org.gatun.model.Gpt2} computes, {@link
 * org.gatun.model.Gpt2Folder} reads and writes, {@link org.gatun.model.Generator} continues a text. This
 * package knows layers, tensors and files of the engine; it never asks which device it runs on, and
 * the place of a folder comes from outside.
 */
package org.gatun.model;
