// Attention in 8 bits, the scalar code of encoding/attention_codes.h.
#include "encoding/attention_codes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/reference/attention_codes.h"
#include "backend/reference/keys.h"
#include "backend/reference/loops.h"
#include "base/check.h"

namespace ocelli::reference {
namespace {

using namespace encoding::attention_codes;

float tame(float x) {
  return std::isnan(x) ? 0.0f : std::clamp(x, -kMostNumber, kMostNumber);
}

int32_t code(float x, float inverse) {
  return int32_t(std::nearbyint(x * inverse));
}

float inverse_of(float most) {
  return most > 0 ? std::min(127.0f / most, kMostInverse) : kMostInverse;
}

float exp2_255(float u, float lowest) {
  const float at = u > lowest ? u : lowest;
  const float n = std::nearbyint(at), f = at - n;
  return std::ldexp(std::fma(std::fma(std::fma(kExp3, f, kExp2), f, kExp1), f, kMostCode), int(n));
}

// One row of numbers as codes; the result is its scale.
float encode(const std::vector<float>& x, int32_t* codes) {
  float most = 0;
  for (const float a : x) most = std::max(most, std::fabs(a));
  for (size_t i = 0; i < x.size(); ++i) codes[i] = code(x[i], inverse_of(most));
  return most / 127.0f;
}

// The keys of a range and one key head.
struct CodedKeys {
  std::vector<int32_t> keys, values;  // [n, Dh]
  std::vector<float> key_scales, value_scales, centres;

  CodedKeys(const tensor::AttentionJob& job, tensor::KeyRange range, int64_t head);
};

CodedKeys::CodedKeys(const tensor::AttentionJob& job, tensor::KeyRange range, int64_t head) {
  const int64_t width = job.q.dim(2), n = range.end - range.begin;
  keys.resize(size_t(n * width));
  values.resize(size_t(n * width));
  key_scales.resize(size_t(n));
  value_scales.resize(size_t(width));
  centres.resize(size_t(width));
  if (n == 0) return;
  std::vector<float> mean(static_cast<size_t>(width)), row(static_cast<size_t>(width));
  const auto number = [&](const tensor::Tensor& t, int64_t s, int64_t i) {
    return tame(float(KeyRow(t, range.begin + s, head)[i]));
  };
  for (int64_t i = 0; i < width; ++i) {
    float sum = 0, low = number(job.v, 0, i), high = low;
    for (int64_t s = 0; s < n; ++s) {
      sum += number(job.k, s, i);
      low = std::min(low, number(job.v, s, i));
      high = std::max(high, number(job.v, s, i));
    }
    mean[size_t(i)] = sum / float(n);
    const float centre = 0.5f * low + 0.5f * high, half = std::max(high - centre, centre - low);
    centres[size_t(i)] = centre;
    value_scales[size_t(i)] = half / 127.0f;
    for (int64_t s = 0; s < n; ++s) {
      values[size_t(s * width + i)] = code(number(job.v, s, i) - centre, inverse_of(half));
    }
  }
  for (int64_t s = 0; s < n; ++s) {
    for (int64_t i = 0; i < width; ++i) {
      row[size_t(i)] = number(job.k, s, i) - mean[size_t(i)];
    }
    key_scales[size_t(s)] = encode(row, &keys[size_t(s * width)]);
  }
}

// One head of one query.
void attend(const tensor::AttentionJob& job, const CodedKeys& coded, int64_t t, int64_t h) {
  const int64_t width = job.q.dim(2), n = int64_t(coded.key_scales.size());
  std::vector<float> q(static_cast<size_t>(width)), o(static_cast<size_t>(width), 0.0f);
  std::vector<int32_t> codes(static_cast<size_t>(width));
  for (int64_t i = 0; i < width; ++i) q[size_t(i)] = tame(head(job.q, t, h)[i]);
  const float scale = encode(q, codes.data()), factor = scale * (job.scale * kLog2E);
  float most = kNoScore, total = 0;
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t count = std::min(kBlock, n - first);
    float x[kBlock], largest = 0;
    for (int64_t s = 0; s < count; ++s) {
      int32_t dot = 0;
      for (int64_t i = 0; i < width; ++i) {
        dot += codes[size_t(i)] * coded.keys[size_t((first + s) * width + i)];
      }
      x[s] = float(dot) * coded.key_scales[size_t(first + s)];
      largest = s == 0 ? x[s] : std::max(largest, x[s]);
    }
    int32_t weights[kBlock], sum = 0;
    for (int64_t s = 0; s < count; ++s) {
      weights[s] = int32_t(std::nearbyint(exp2_255((x[s] - largest) * factor, kLowest)));
      sum += weights[s];
    }
    const float gap = -std::fabs(largest - most) * factor;
    const float e = exp2_255(gap, kLowestFactor) / kMostCode;
    const float before = largest > most ? e : 1.0f, now = largest > most ? 1.0f : e;
    most = std::max(most, largest);
    total = std::fma(now, float(sum), total * before);
    for (int64_t i = 0; i < width; ++i) {
      int32_t dot = 0;
      for (int64_t s = 0; s < count; ++s) {
        dot += weights[s] * coded.values[size_t((first + s) * width + i)];
      }
      o[size_t(i)] = std::fma(now, float(dot), o[size_t(i)] * before);
    }
  }
  const float inverse = 1.0f / total;
  float* const out = head(job.out, t, h);
  for (int64_t i = 0; i < width; ++i) {
    const size_t c = size_t(i);
    out[i] = n == 0 ? 0.0f : std::fma(o[c] * inverse, coded.value_scales[c], coded.centres[c]);
  }
}

}  // namespace

void attention_in_codes(base::ThreadPool& pool, const tensor::AttentionJob& job) {
  OCELLI_CHECK(!job.log_sum_exp, "attention in 8 bits keeps nothing for a gradient");
  const int64_t tokens = job.q.dim(0), heads = job.q.dim(1), group = heads / job.k.dim(1);
  const auto same = [&](int64_t a, int64_t b) {
    const tensor::KeyRange x = job.ranges[size_t(a)], y = job.ranges[size_t(b)];
    return x.begin == y.begin && x.end == y.end;
  };
  for (int64_t t = 0, end = 0; t < tokens; t = end) {
    for (end = t + 1; end < tokens && same(t, end);) ++end;
    pool.parallel_for(job.k.dim(1), [&](int64_t first, int64_t last) {
      for (int64_t kv = first; kv < last; ++kv) {
        const tensor::KeyRange r = job.ranges[size_t(t)];
        const CodedKeys coded(job, {r.begin, std::max(r.begin, r.end)}, kv);
        for (int64_t i = t; i < end; ++i) {
          for (int64_t h = kv * group; h < (kv + 1) * group; ++h) attend(job, coded, i, h);
        }
      }
    });
  }
}

}  // namespace ocelli::reference
