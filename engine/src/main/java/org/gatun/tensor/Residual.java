package org.gatun.tensor;

/** A residual stream [.., C] and its normalised rows, made together by {@link Tensor#addLayerNorm}. */
public record Residual(Tensor stream, Tensor normed) {}
