#include "train/report.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/base64.h"
#include "media/encode.h"
#include "media/resample.h"

namespace ocelli::train {

using base::Result;

namespace {

constexpr int kThumbnail = 192;  // pixels of the longer side
constexpr size_t kMostPictures = 200;

constexpr const char* kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1f2328;background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #d0d7de;padding:.3rem "
    ".6rem;text-align:left;vertical-align:top}th{font-weight:600}img{max-width:12rem;"
    "max-height:8rem;margin-right:.3rem}.right{color:#116329}.wrong{color:#a40e26}"
    "svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#59636e}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}"
    "td,th{border-color:#30363d}.right{color:#3fb950}.wrong{color:#f85149}text{fill:#9198a1}}";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string table(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::string out = "<table>\n";
  for (const auto& [name, value] : rows) {
    out += "<tr><th>" + escaped(name) + "</th><td>" + escaped(value) + "</td></tr>\n";
  }
  return out + "</table>\n";
}

Result<std::string> picture(const media::Image& image) {
  const double scale = std::min(1.0, double(kThumbnail) / std::max(image.width, image.height));
  const media::Image small =
      media::resize(image, std::max(1, int(std::lround(image.width * scale))),
                    std::max(1, int(std::lround(image.height * scale))), media::Filter::kBilinear);
  OCELLI_ASSIGN(const std::vector<std::byte> png, media::encode_png(small));
  return "<img alt=\"picture\" src=\"data:image/png;base64," + base::encode_base64(png) + "\">";
}

std::string answer(const std::string& text, const std::string& expected) {
  const char* style = text == expected ? "right" : "wrong";
  return "<td class=\"" + std::string(expected.empty() ? "" : style) + "\">" + escaped(text) +
         "</td>";
}

Result<std::string> predictions(const std::vector<Prediction>& all) {
  std::string out =
      "<table>\n<tr><th>asked</th><th>expected</th><th>before</th><th>after</th></tr>\n";
  size_t pictures = 0;
  for (const Prediction& p : all) {
    out += "<tr><td>";
    for (const media::Image& image : p.pictures) {
      if (++pictures > kMostPictures) break;
      OCELLI_ASSIGN(const std::string shown, picture(image));
      out += shown;
    }
    out += escaped(p.question) + "</td><td>" + escaped(p.expected) + "</td>" +
           answer(p.before, p.expected) + answer(p.after, p.expected) + "</tr>\n";
  }
  return out + "</table>\n";
}

}  // namespace

Result<std::string> html(const Report& report) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>" +
      escaped(report.title) + "</title>\n<style>" + kStyle + "</style>\n<h1>" +
      escaped(report.title) + "</h1>\n" + table(report.facts);
  const std::string loss = svg_plot(report.history, "train/loss", "eval/loss");
  if (!loss.empty()) out += "<h2>Loss</h2>\n" + loss;
  const std::string rate = svg_plot(report.history, "train/learning_rate", "");
  if (!rate.empty()) out += "<h2>Learning rate</h2>\n" + rate;
  if (!report.predictions.empty()) {
    OCELLI_ASSIGN(const std::string shown, predictions(report.predictions));
    out += "<h2>Answers before and after</h2>\n" + shown;
  }
  return out + "<h2>Settings</h2>\n" + table(report.settings) + "</html>\n";
}

}  // namespace ocelli::train
