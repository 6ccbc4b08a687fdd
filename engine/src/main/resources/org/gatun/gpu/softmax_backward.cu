// The gradient of softmax.cu's results over rows of [rows, columns], a block a row; a row is read twice and written once.
#include "common.cuh"

// dx = (dy - sum(dy y)) y, or dy - exp(y) sum(dy) for the logarithm.
extern "C" __global__ void __launch_bounds__(1024)
softmax_backward(TX *dx, const TY *dy, const TZ *y, int64 rows, int columns, int logarithm, int add) {
  for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
    const int64 start = row * columns;
    float mine = 0.0f;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
      mine += to_float(dy[start + c]) * (logarithm ? 1.0f : to_float(y[start + c]));
    }
    const float sum = block_sum(mine);
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
      const float gradient = to_float(dy[start + c]);
      const float value = to_float(y[start + c]);
      put(dx + start + c, logarithm ? gradient - expf(value) * sum : (gradient - sum) * value, add != 0);
    }
  }
}
