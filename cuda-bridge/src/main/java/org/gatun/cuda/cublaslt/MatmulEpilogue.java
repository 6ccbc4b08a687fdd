package org.gatun.cuda.cublaslt;

/**
 * What cuBLASLt does with the product before it stores it. GELU is the form with tanh, GPT-2's. The bias has D's element
 * type and the auxiliary matrix D's layout; the codes are {@code cublasLtEpilogue_t}'s.
 */
public enum MatmulEpilogue {
  /** D = product. */
  NONE(1, Vector.NONE, false),
  /** D = product + bias, with one bias a row of D. */
  BIAS(4, Vector.READ, false),
  /** aux = product; D = gelu(aux). */
  GELU_AUX(160, Vector.NONE, true),
  /** aux = product + bias, with one bias a row of D; D = gelu(aux). */
  GELU_AUX_BIAS(164, Vector.READ, true),
  /** D = product * gelu'(aux). */
  DGELU(192, Vector.NONE, true),
  /** D = product * gelu'(aux); bias = the sum over D's columns, one a row. */
  DGELU_BGRAD(208, Vector.WRITTEN, true),
  /** D = product; bias = the sum of op(A) over the inner dimension, one a row of D. Overwrites, whatever beta is. */
  BGRADA(256, Vector.WRITTEN, false),
  /** D = product; bias = the sum of op(B) over the inner dimension, one a column of D. Overwrites, whatever beta is. */
  BGRADB(512, Vector.WRITTEN, false);

  private enum Vector { NONE, READ, WRITTEN }

  private final int code;
  private final Vector bias;
  private final boolean aux;

  MatmulEpilogue(int code, Vector bias, boolean aux) {
    this.code = code;
    this.bias = bias;
    this.aux = aux;
  }

  int code() {
    return code;
  }

  /** True if the product reads or writes a vector of biases. */
  public boolean hasBias() {
    return bias != Vector.NONE;
  }

  /** True if the vector is a result: the gradient of a bias. */
  public boolean writesBias() {
    return bias == Vector.WRITTEN;
  }

  /** True if the product writes ({@code GELU_*}) or reads ({@code DGELU*}) a matrix of pre-activations. */
  public boolean hasAux() {
    return aux;
  }
}
