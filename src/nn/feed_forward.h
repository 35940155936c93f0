// Feed-forward networks: two or three Linears, computed together where the backend can.
#pragma once

#include "nn/linear.h"

namespace ocelli::nn {

// down(activation(up(n))) + residual with n = norm(x)
Tensor feed_forward(Context& c, const Tensor& x, const ops::Norm& norm, const Linear& up,
                    Activation activation, const Linear& down, const Tensor& residual);

// down(silu(gate(n)) * up(n)) + residual; members: gate, up.
Tensor feed_forward(Context& c, const Tensor& x, const ops::Norm& norm,
                    const LinearGroup<2>& gate_up, const Linear& down, const Tensor& residual);

}  // namespace ocelli::nn
