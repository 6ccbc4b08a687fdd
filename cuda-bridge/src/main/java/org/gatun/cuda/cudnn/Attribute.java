package org.gatun.cuda.cudnn;

/**
 * What can be set on or read from a backend descriptor: {@code cudnnBackendAttributeName_t} with the type of its values,
 * {@code cudnnBackendAttributeType_t} (cudnn_graph_v9.h).
 */
enum Attribute {
  POINTWISE_MODE(0, Type.POINTWISE_MODE), POINTWISE_PRECISION(1, Type.DATA_TYPE), POINTWISE_AXIS(9, Type.INT64),
  HEURISTICS_MODE(200, Type.HEURISTICS_MODE), HEURISTICS_GRAPH(201, Type.DESCRIPTOR),
  HEURISTICS_RESULTS(202, Type.DESCRIPTOR), HEURISTICS_DEVICE(204, Type.DESCRIPTOR),
  CONFIGURATION_ENGINE(300, Type.DESCRIPTOR),
  PLAN_CONFIGURATION(401, Type.DESCRIPTOR), PLAN_WORKSPACE_BYTES(402, Type.INT64), PLAN_DEVICE(407, Type.DESCRIPTOR),
  OP_POINTWISE(750, Type.DESCRIPTOR), OP_POINTWISE_X(751, Type.DESCRIPTOR), OP_POINTWISE_B(752, Type.DESCRIPTOR),
  OP_POINTWISE_Y(753, Type.DESCRIPTOR), OP_POINTWISE_T(758, Type.DESCRIPTOR),
  GRAPH_OPERATIONS(801, Type.DESCRIPTOR),
  TENSOR_ALIGNMENT(900, Type.INT64), TENSOR_TYPE(901, Type.DATA_TYPE), TENSOR_DIMS(902, Type.INT64),
  TENSOR_STRIDES(903, Type.INT64), TENSOR_UID(906, Type.INT64), TENSOR_IS_VIRTUAL(907, Type.BOOLEAN),
  TENSOR_IS_BY_VALUE(908, Type.BOOLEAN),
  PACK_UIDS(1000, Type.INT64), PACK_POINTERS(1001, Type.POINTER), PACK_WORKSPACE(1003, Type.POINTER),
  ENGINE_INDEX(1301, Type.INT64),
  MATMUL_PRECISION(1500, Type.DATA_TYPE), OP_MATMUL_A(1520, Type.DESCRIPTOR), OP_MATMUL_B(1521, Type.DESCRIPTOR),
  OP_MATMUL_C(1522, Type.DESCRIPTOR), OP_MATMUL(1523, Type.DESCRIPTOR),
  REDUCTION_OPERATOR(1600, Type.REDUCTION), REDUCTION_PRECISION(1601, Type.DATA_TYPE),
  OP_REDUCTION_X(1610, Type.DESCRIPTOR), OP_REDUCTION_Y(1611, Type.DESCRIPTOR), OP_REDUCTION(1612, Type.DESCRIPTOR),
  OP_RESHAPE_X(2200, Type.DESCRIPTOR), OP_RESHAPE_Y(2201, Type.DESCRIPTOR),
  DEVICE_ORDINAL(2700, Type.INT32), DEVICE_JSON(2702, Type.CHAR);

  /** How an attribute's values lie in memory. */
  enum Type {
    DATA_TYPE(1, 4), BOOLEAN(2, 1), INT64(3, 8), POINTER(6, 8), HEURISTICS_MODE(8, 4), POINTWISE_MODE(14, 4),
    DESCRIPTOR(15, 8), REDUCTION(18, 4), INT32(23, 4), CHAR(24, 1);

    private final int code;
    private final int byteSize;

    Type(int code, int byteSize) {
      this.code = code;
      this.byteSize = byteSize;
    }

    int code() {
      return code;
    }

    int byteSize() {
      return byteSize;
    }
  }

  private final int code;
  private final Type type;

  Attribute(int code, Type type) {
    this.code = code;
    this.type = type;
  }

  int code() {
    return code;
  }

  Type type() {
    return type;
  }
}
