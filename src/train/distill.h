// Distillation: the student learns to find the teacher's likeliest tokens as likely as the teacher
// does. The loss of a trained token is
//
//   (1 - ratio) * CE  +  ratio * temperature^2 * sum_k p_k (log p_k - log q_k)
//
// with CE the cross-entropy of the token itself, p the teacher's k likeliest at the temperature and
// q = softmax(logits / temperature) of the student. What p gives to other tokens counts as zero,
// and p is not made to add up to one (tensor::TopKJob). The square keeps the gradient's size the
// same at any temperature (Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network,
// 2015).
#pragma once

#include "train/objective.h"
#include "train/top_k.h"

namespace ocelli::train {

struct DistillOptions {
  double ratio = 0.5;      // in [0, 1]
  double temperature = 1;  // that the sources were asked for
};

// `training` is for batches with gradient, `held_back` for evaluations; both outlive the objective,
// and `held_back` may be null where there are none. Logs cross_entropy, divergence (in nats, of one
// token) and teacher_mass, the share of the teacher's probability that the k tokens have.
std::unique_ptr<Objective> make_distill(const DistillOptions& options, TopKSource& training,
                                        TopKSource* held_back);

}  // namespace ocelli::train
