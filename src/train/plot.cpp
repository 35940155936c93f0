// The curves of a report, as SVG.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "train/report.h"

namespace ocelli::train {
namespace {

constexpr double kWidth = 800, kHeight = 260, kLeft = 64, kRight = 12, kTop = 12, kBottom = 28;
constexpr size_t kMostPoints = 2000;  // of a curve; more are thinned out
constexpr size_t kSmoothedFrom = 50;  // points
constexpr int kTicks = 4;

struct Point {
  double x = 0, y = 0;
};
using Points = std::vector<Point>;

Points points_of(const std::vector<Metrics>& history, const std::string& tag) {
  Points all;
  for (const Metrics& metrics : history) {
    for (const auto& [name, value] : metrics.values) {
      if (name == tag && std::isfinite(value)) all.push_back({double(metrics.step), value});
    }
  }
  return all;
}

Points thinned(const Points& all) {
  if (all.size() <= kMostPoints) return all;
  Points some;
  for (size_t i = 0; i < kMostPoints; ++i) some.push_back(all[i * all.size() / kMostPoints]);
  some.push_back(all.back());
  return some;
}

// An exponential average over about a twentieth of the points, unbiased at the start.
Points smoothed(Points all) {
  const double keep = 1 - 20.0 / double(all.size());
  double sum = 0, weight = 0;
  for (Point& p : all) {
    sum = keep * sum + (1 - keep) * p.y;
    weight = keep * weight + (1 - keep);
    p.y = sum / weight;
  }
  return all;
}

struct Frame {
  double x0 = 0, x1 = 1, y0 = 0, y1 = 1;

  explicit Frame(const Points& a, const Points& b) {
    x0 = y0 = INFINITY;
    x1 = y1 = -INFINITY;
    for (const Points* points : {&a, &b}) {
      for (const Point& p : *points) {
        x0 = std::min(x0, p.x);
        x1 = std::max(x1, p.x);
        y0 = std::min(y0, p.y);
        y1 = std::max(y1, p.y);
      }
    }
    if (x1 == x0) x1 = x0 + 1;
    if (y1 == y0) y1 = y0 + (y0 == 0 ? 1 : std::abs(y0));
  }
  double x(double v) const { return kLeft + (v - x0) / (x1 - x0) * (kWidth - kLeft - kRight); }
  double y(double v) const { return kTop + (y1 - v) / (y1 - y0) * (kHeight - kTop - kBottom); }
};

std::string number(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string line(const Frame& frame, const Points& points, const char* style) {
  std::string out = "<polyline fill=\"none\" " + std::string(style) + " points=\"";
  for (const Point& p : points) {
    out += number("%.1f", frame.x(p.x)) + "," + number("%.1f", frame.y(p.y)) + " ";
  }
  return out + "\"/>\n";
}

std::string axes(const Frame& frame) {
  std::string out;
  for (int i = 0; i <= kTicks; ++i) {
    const double y = frame.y0 + (frame.y1 - frame.y0) * i / kTicks;
    const double x = frame.x0 + (frame.x1 - frame.x0) * i / kTicks;
    const std::string at = number("%.1f", frame.y(y));
    out += "<line x1=\"" + number("%.0f", kLeft) + "\" x2=\"" + number("%.0f", kWidth - kRight) +
           "\" y1=\"" + at + "\" y2=\"" + at + "\" stroke=\"#8884\"/><text x=\"" +
           number("%.0f", kLeft - 6) + "\" y=\"" + number("%.1f", frame.y(y) + 4) +
           "\" text-anchor=\"end\">" + number("%.3g", y) + "</text><text x=\"" +
           number("%.1f", frame.x(x)) + "\" y=\"" + number("%.0f", kHeight - 8) +
           "\" text-anchor=\"" + (i == kTicks ? "end" : "middle") + "\">" + number("%.0f", x) +
           "</text>\n";
  }
  return out;
}

}  // namespace

std::string svg_plot(const std::vector<Metrics>& history, const std::string& tag,
                     const std::string& other) {
  const Points points = points_of(history, tag);
  const Points marks = other.empty() ? Points{} : points_of(history, other);
  if (points.size() + marks.size() < 2) return {};
  const Frame frame(points, marks);
  const bool many = points.size() >= kSmoothedFrom;
  std::string out = "<svg viewBox=\"0 0 " + number("%.0f", kWidth) + " " + number("%.0f", kHeight) +
                    "\" role=\"img\" aria-label=\"" + tag + " by step\">\n" + axes(frame);
  out += line(
      frame, thinned(points),
      many ? "stroke=\"#0969da55\" stroke-width=\"1\"" : "stroke=\"#0969da\" stroke-width=\"2\"");
  if (many) out += line(frame, thinned(smoothed(points)), "stroke=\"#0969da\" stroke-width=\"2\"");
  if (!marks.empty()) {
    out += line(frame, thinned(marks), "stroke=\"#bc4c00\" stroke-width=\"2\"");
    for (const Point& p : thinned(marks)) {
      out += "<circle r=\"3\" fill=\"#bc4c00\" cx=\"" + number("%.1f", frame.x(p.x)) + "\" cy=\"" +
             number("%.1f", frame.y(p.y)) + "\"/>";
    }
    out += "\n<text x=\"" + number("%.0f", kWidth - kRight - 4) + "\" y=\"" +
           number("%.0f", kTop + 12) + "\" text-anchor=\"end\">blue: " + tag +
           ", orange: " + other + "</text>\n";
  }
  return out + "</svg>\n";
}

}  // namespace ocelli::train
