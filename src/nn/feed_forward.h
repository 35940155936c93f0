// Feed-forward networks: two or three Linears, computed together where the backend can.
#pragma once

#include "nn/linear.h"

namespace ocelli::nn {

// down(activation(up(x))) + residual
Tensor feed_forward(Context& c, const Tensor& x, const Linear& up, Activation activation,
                    const Linear& down, const Tensor& residual);

// down(silu(gate(x)) * up(x)) + residual; members: gate, up.
Tensor feed_forward(Context& c, const Tensor& x, const LinearGroup<2>& gate_up, const Linear& down,
                    const Tensor& residual);

}  // namespace ocelli::nn
