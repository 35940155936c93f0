// Report: one HTML file, without scripts and without anything from the network, that shows a
// training run: the curves of the loss, the settings, and answers before and after.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "media/image.h"
#include "train/metrics_log.h"

namespace ocelli::train {

// A question asked before and after.
struct Prediction {
  std::vector<media::Image> pictures;  // shown small
  std::string question, expected, before, after;
};

struct Report {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;     // "trainable parameters", "1,234"
  std::vector<std::pair<std::string, std::string>> settings;  // the recipe
  std::vector<Metrics> history;
  std::vector<Prediction> predictions;
};

// A curve of `tag` over the steps, with a smoothed one over it where there are many points, and
// `other`'s points ("" : none). An empty text where fewer than two numbers are finite.
std::string svg_plot(const std::vector<Metrics>& history, const std::string& tag,
                     const std::string& other);

base::Result<std::string> html(const Report& report);

}  // namespace ocelli::train
