#include "train/preview.h"

#include <algorithm>

#include "base/terminal_safe.h"
#include "base/utf8.h"

namespace ocelli::train {

namespace {

constexpr std::string_view kGreen = "\x1b[32m", kDim = "\x1b[2m", kPlain = "\x1b[0m";

// Text as it is but for what steers a terminal; lines stay lines.
std::string shown(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::next_utf8(text, at);
    const bool keep = c.code_point == '\n' || !base::steers_terminal(c.code_point);
    if (keep) {
      base::append_utf8(out, c.code_point);
    } else {
      constexpr std::string_view kDigits = "0123456789ABCDEF";
      out += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[c.code_point >> shift & 15];
    }
    at += c.bytes;
  }
  return out;
}

std::string plural(int64_t count, std::string_view one) {
  return std::to_string(count) + " " + std::string(one) + (count == 1 ? "" : "s");
}

std::string picture_text(const Sample& sample, size_t number) {
  const engine::PreparedImage& image = *sample.prompt.images[number];
  int64_t tokens = 0;
  for (size_t i = 0; i < sample.picture.size(); ++i) {
    tokens += sample.picture[i] == int32_t(number) && sample.prompt.image_rows[i] >= 0;
  }
  return "[" + std::string(image.clip ? "clip " : "image ") + std::to_string(number + 1) + ": " +
         std::to_string(image.width) + "x" + std::to_string(image.height) + ", " +
         plural(image.tiles.plan.tiles, image.clip ? "frame" : "tile") + ", " +
         plural(tokens, "token") + "]";
}

// Writes tokens in runs of one look.
class Painter {
 public:
  enum Look { kNothing, kTrained, kSpecial, kText };
  explicit Painter(bool color) : color_(color) {}

  void add(std::string_view bytes, Look look) {
    if (look != look_) flush();
    look_ = look;
    run_ += bytes;
  }
  std::string take() {
    flush();
    return std::move(out_);
  }

 private:
  void flush() {
    if (run_.empty()) return;
    const std::string text = shown(run_);
    run_.clear();
    if (!color_) {
      out_ += look_ == kTrained ? "[" + text + "]" : text;
    } else if (look_ == kText) {
      out_ += text;
    } else {
      out_.append(look_ == kTrained ? kGreen : kDim).append(text).append(kPlain);
    }
  }

  bool color_;
  Look look_ = kNothing;
  std::string run_, out_;
};

std::string share(int64_t part, int64_t whole) {
  const int64_t tenths = whole > 0 ? (part * 1000 + whole / 2) / whole : 0;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

}  // namespace

std::string preview(const engine::Engine& engine, const Sample& sample,
                    const PreviewOptions& options) {
  const text::Tokenizer& tokenizer = engine.tokenizer();
  Painter painter(options.color);
  for (size_t i = 0; i < sample.prompt.ids.size(); ++i) {
    const int32_t id = sample.prompt.ids[i];
    const int32_t picture = sample.picture.empty() ? -1 : sample.picture[i];
    // Recipes may learn markers of tiles: those are shown as they are.
    const bool trained = i > 0 && sample.trained[i] != 0;
    if (picture >= 0 && !trained) {
      if (i == 0 || sample.picture[i - 1] != picture)
        painter.add(picture_text(sample, size_t(picture)), Painter::kSpecial);
      continue;
    }
    const bool special = tokenizer.is_special(id);
    painter.add(special ? tokenizer.token(id) : tokenizer.bytes_of(id), trained ? Painter::kTrained
                                                                        : special
                                                                            ? Painter::kSpecial
                                                                            : Painter::kText);
  }
  MaskCounts counts;
  counts.add(sample);
  std::string text = painter.take();
  if (!text.ends_with('\n')) text += '\n';
  return text + counts_text(counts) + "\n";
}

std::string preview(const engine::Engine& engine, const Dataset& data, const Example& example,
                    const PreviewOptions& options) {
  std::string out = "--- " + base::printable(data.where(example.row)) +
                    (example.rejected ? ", chosen\n" : "\n") +
                    preview(engine, example.sample, options);
  if (example.rejected) out += "--- rejected\n" + preview(engine, *example.rejected, options);
  return out;
}

void MaskCounts::add(const Sample& sample) {
  ++samples;
  tokens += sample.tokens();
  trained += sample.trained_tokens();
  for (size_t i = 0; i < sample.prompt.ids.size(); ++i) {
    picture_tokens +=
        sample.prompt.image_rows[i] >= 0 || (!sample.picture.empty() && sample.picture[i] >= 0);
  }
  if (sample.plain) plain_tokens += sample.tokens();
}

void MaskCounts::add(const Example& example) {
  add(example.sample);
  if (example.rejected) add(*example.rejected);
}

std::string counts_text(const MaskCounts& counts) {
  const int64_t text = counts.tokens - counts.picture_tokens;
  std::string out = plural(counts.samples, "sample") + ", " + plural(counts.tokens, "token");
  if (counts.picture_tokens > 0)
    out += " (" + std::to_string(counts.picture_tokens) + " of pictures)";
  return out + ", " + std::to_string(counts.trained) + " trained (" + share(counts.trained, text) +
         " of the text)";
}

base::Status check_trained(const MaskCounts& counts, Mask mask) {
  const int64_t text = counts.tokens - counts.picture_tokens;
  if (counts.trained == 0) {
    return base::fail(base::Code::kUsage,
                      "no trainable token: with --mask " + std::string(name_of(mask)) +
                          " nothing would be learnt from " + plural(counts.samples, "sample") +
                          "; look at --preview and choose another --mask");
  }
  // Texts without turns are learnt whole; that is what they are for.
  const int64_t turns = text - counts.plain_tokens, said = counts.trained - counts.plain_tokens;
  if (trains_prompts(mask) || turns <= 0 || double(said) <= kNearlyAll * double(turns)) return {};
  return base::fail(base::Code::kUsage,
                    "nearly every token would be trained (" + share(said, turns) + ", limit " +
                        share(int64_t(kNearlyAll * 1000), 1000) +
                        " of the text), so the prompts are learnt too; look at --preview, and pass "
                        "--mask all if it is meant");
}

}  // namespace ocelli::train
