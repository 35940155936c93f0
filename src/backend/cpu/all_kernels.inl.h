// The algorithms, written once. Included inside the namespace of a set, after its vocabulary.
// clang-format off: the order matters.
#include "backend/cpu/math.inl.h"
#include "backend/cpu/rows.inl.h"
#include "backend/cpu/product.inl.h"
#include "backend/cpu/linear.inl.h"
#include "backend/cpu/linear_q8.inl.h"
#include "backend/cpu/attention.inl.h"
#include "backend/cpu/attention_few.inl.h"
#include "backend/cpu/attention_run.inl.h"
#include "backend/cpu/product_grad.inl.h"
#include "backend/cpu/limits.inl.h"
#include "backend/cpu/table.inl.h"
