#include "train/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace ocelli::train {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<Metrics> history(int steps) {
  std::vector<Metrics> all;
  for (int i = 1; i <= steps; ++i) {
    all.push_back({i, 0, {{"train/loss", 4.0 / i}}});
    if (i % 10 == 0) all.back().values.emplace_back("eval/loss", 5.0 / i);
  }
  return all;
}

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(Report, PlotsACurveAndItsMarks) {
  const std::string svg = svg_plot(history(40), "train/loss", "eval/loss");
  EXPECT_EQ(count(svg, "<polyline"), 2u);
  EXPECT_EQ(count(svg, "<circle"), 4u);
  EXPECT_THAT(svg, HasSubstr("points=\"64.0,12.0 "));  // the first and highest point
  EXPECT_THAT(svg, HasSubstr("788.0,232.0 \""));       // the last and lowest
}

TEST(Report, SmoothsLongCurvesAndThinsThem) {
  const std::string svg = svg_plot(history(9000), "train/loss", "");
  EXPECT_EQ(count(svg, "<polyline"), 2u);
  EXPECT_LT(svg.size(), 100'000u);
}

TEST(Report, NothingToPlotIsNoPlot) {
  EXPECT_EQ(svg_plot({}, "train/loss", "eval/loss"), "");
  EXPECT_EQ(svg_plot(history(1), "train/loss", ""), "");
  std::vector<Metrics> lost = history(1);
  lost.push_back({2, 0, {{"train/loss", std::numeric_limits<double>::quiet_NaN()}}});
  EXPECT_EQ(svg_plot(lost, "train/loss", ""), "");
}

TEST(Report, EqualNumbersAndOneStepStillHaveAFrame) {
  const std::vector<Metrics> flat{{3, 0, {{"a", 0.0}}}, {3, 0, {{"a", 0.0}}}};
  EXPECT_THAT(svg_plot(flat, "a", ""), Not(testing::AnyOf(HasSubstr("nan"), HasSubstr("inf"))));
}

TEST(Report, ShowsAnswersAndEscapesThem) {
  Report report;
  report.title = "a <b> run";
  report.facts = {{"samples", "50"}};
  report.settings = {{"optim", "adamw & more"}};
  report.history = history(20);
  media::Image image;
  image.width = 400;
  image.height = 2;
  image.rgb.assign(size_t(400 * 2 * 3), 7);
  report.predictions = {{{image}, "What?", "cat", "<script>", "cat"}};
  const auto page = html(report);
  ASSERT_TRUE(page.ok()) << page.error().message();
  EXPECT_THAT(*page, HasSubstr("<title>a &lt;b&gt; run</title>"));
  EXPECT_THAT(*page, HasSubstr("adamw &amp; more"));
  EXPECT_THAT(*page, HasSubstr("<td class=\"wrong\">&lt;script&gt;</td>"));
  EXPECT_THAT(*page, HasSubstr("<td class=\"right\">cat</td>"));
  EXPECT_THAT(*page, HasSubstr("data:image/png;base64,iVBOR"));
  EXPECT_THAT(*page, Not(HasSubstr("<script")));
  EXPECT_THAT(*page, Not(HasSubstr("http")));  // nothing from the network
}

}  // namespace
}  // namespace ocelli::train
