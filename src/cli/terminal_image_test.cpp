#include "cli/terminal_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <charconv>
#include <map>

#include "base/base64.h"
#include "media/decode.h"
#include "media/resample.h"

namespace ocelli::cli {
namespace {

using Pixel = std::array<int, 3>;

// Four quarters, each of one colour.
media::Image quarters(int width, int height) {
  constexpr uint8_t kColours[4][3] = {{255, 0, 0}, {0, 128, 0}, {0, 0, 255}, {240, 240, 240}};
  media::Image out;
  out.width = width;
  out.height = height;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const uint8_t* c = kColours[(y * 2 / height) * 2 + x * 2 / width];
      out.rgb.insert(out.rgb.end(), c, c + 3);
    }
  }
  return out;
}

ImageStyle style(Protocol protocol, int columns = 40, int rows = 16) {
  return {.protocol = protocol, .columns = columns, .rows = rows};
}

// Takes `begin` ... `end` off the front of `text`; what is between.
std::string take(std::string& text, const std::string& begin, const std::string& end) {
  EXPECT_TRUE(text.starts_with(begin)) << testing::PrintToString(text.substr(0, 40));
  const size_t at = text.find(end, begin.size());
  EXPECT_NE(at, std::string::npos);
  if (at == std::string::npos) return "";
  const std::string out = text.substr(begin.size(), at - begin.size());
  text.erase(0, at + end.size());
  return out;
}

media::Image decode(const std::string& base64) {
  const auto bytes = base::decode_base64(base64);
  EXPECT_TRUE(bytes.ok());
  auto image = media::decode(*bytes);
  EXPECT_TRUE(image.ok());
  return *std::move(image);
}

TEST(TerminalImage, Names) {
  for (const Protocol p :
       {Protocol::kNone, Protocol::kKitty, Protocol::kIterm, Protocol::kSixel, Protocol::kBlocks})
    EXPECT_EQ(protocol_from_name(name(p)), p);
  EXPECT_EQ(protocol_from_name("auto"), std::nullopt);
}

TEST(TerminalImage, NoneShowsNothing) {
  EXPECT_EQ(show_image(quarters(4, 4), style(Protocol::kNone)).value(), "");
}

TEST(TerminalImage, CellsKeepTheShapeWithinTheLimits) {
  const auto cells = [](int w, int h, Protocol p) {
    const CellSize c = cells_of(w, h, style(p));
    return std::pair(c.columns, c.rows);
  };
  using P = std::pair<int, int>;
  EXPECT_EQ(cells(4000, 3000, Protocol::kKitty), P(40, 15));
  EXPECT_EQ(cells(3000, 4000, Protocol::kKitty), P(24, 16));
  EXPECT_EQ(cells(100, 100, Protocol::kKitty), P(10, 5));  // not enlarged
  EXPECT_EQ(cells(1, 1, Protocol::kKitty), P(1, 1));
  EXPECT_EQ(cells(32768, 1, Protocol::kSixel), P(40, 1));
  EXPECT_EQ(cells(1, 32768, Protocol::kSixel), P(1, 16));
  EXPECT_EQ(cells(320, 320, Protocol::kBlocks), P(32, 16));
  EXPECT_EQ(cells(10, 10, Protocol::kBlocks), P(10, 5));
}

TEST(TerminalImage, KittyCarriesThePngInChunks) {
  media::Image noise = quarters(300, 200);
  for (size_t i = 0; i < noise.rgb.size(); ++i) noise.rgb[i] = uint8_t(i * 2654435761u >> 13);
  std::string text = show_image(noise, style(Protocol::kKitty, 20, 10)).value();
  std::string payload, controls;
  bool more = true;
  for (int chunk = 0; more; ++chunk) {
    ASSERT_LT(chunk, 1000);
    const std::string sequence = take(text, "\033_G", "\033\\");
    const size_t semicolon = sequence.find(';');
    const std::string keys = sequence.substr(0, semicolon);
    const std::string data = sequence.substr(semicolon + 1);
    if (chunk == 0) controls = keys;
    more = keys.ends_with("m=1");
    EXPECT_TRUE(more || keys.ends_with("m=0")) << keys;
    EXPECT_LE(data.size(), 4096u);
    EXPECT_TRUE(!more || data.size() % 4 == 0);
    payload += data;
  }
  EXPECT_EQ(text, "\n");
  EXPECT_EQ(controls, "a=T,f=100,q=2,c=20,r=7,m=1");
  const media::Image back = decode(payload);
  const media::Image small = media::resize(noise, 200, 133, media::Filter::kLanczos);
  EXPECT_EQ(std::pair(back.width, back.height), std::pair(200, 133));
  EXPECT_EQ(back.rgb, small.rgb);
}

TEST(TerminalImage, ItermCarriesThePng) {
  const media::Image image = quarters(120, 60);
  std::string text = show_image(image, style(Protocol::kIterm)).value();
  const std::string sequence = take(text, "\033]1337;File=", "\a");
  EXPECT_EQ(text, "\n");
  const size_t colon = sequence.find(':');
  const std::string payload = sequence.substr(colon + 1);
  EXPECT_THAT(
      sequence.substr(0, colon),
      testing::MatchesRegex("inline=1;size=[0-9]+;width=12;height=3;preserveAspectRatio=1"));
  EXPECT_EQ(decode(payload).rgb, image.rgb);
  EXPECT_THAT(sequence,
              testing::HasSubstr("size=" + std::to_string(base::decode_base64(payload)->size())));
}

TEST(TerminalImage, InsideTmuxTheSequencesAreWrapped) {
  const media::Image image = quarters(20, 20);
  for (const Protocol p : {Protocol::kKitty, Protocol::kIterm}) {
    ImageStyle s = style(p);
    const std::string plain = show_image(image, s).value();
    s.tmux = true;
    std::string text = show_image(image, s).value();
    // The wrap ends with the first ESC \ whose ESC is not doubled.
    ASSERT_TRUE(text.starts_with("\033Ptmux;"));
    std::string inner;
    size_t at = 7;
    for (; at < text.size(); ++at) {
      if (text[at] == '\033') {
        ++at;
        if (text[at] == '\\') break;
        ASSERT_EQ(text[at], '\033');
      }
      inner += text[at];
    }
    EXPECT_EQ(inner + text.substr(at + 1), plain);
  }
}

// A reader of sixels as DEC STD 070 describes them.
class SixelReader {
 public:
  explicit SixelReader(std::string text) : text_(std::move(text)) {
    const size_t q = text_.find('q');
    EXPECT_TRUE(text_.starts_with("\033P") && q != std::string::npos);
    at_ = q + 1;
    while (at_ < text_.size() && text_[at_] != '\033') step();
    EXPECT_EQ(text_.substr(at_), "\033\\\n");
  }
  Pixel at(int x, int y) const {
    const auto found = pixels_.find({x, y});
    return found == pixels_.end() ? Pixel{-1, -1, -1} : found->second;
  }
  int width() const { return width_; }
  int height() const { return height_; }
  int colours() const { return int(colours_.size()); }

 private:
  int number() {
    int out = 0;
    while (text_[at_] >= '0' && text_[at_] <= '9') out = out * 10 + (text_[at_++] - '0');
    return out;
  }
  std::vector<int> numbers() {
    std::vector<int> out{number()};
    while (text_[at_] == ';') ++at_, out.push_back(number());
    return out;
  }
  void draw(char c, int count) {
    ASSERT_TRUE(c >= '?' && c <= '~') << int(c);
    for (; count > 0; --count, ++x_) {
      for (int bit = 0; bit < 6; ++bit) {
        if (!((c - '?') >> bit & 1)) continue;
        pixels_[{x_, y_ + bit}] = colours_.at(colour_);
        width_ = std::max(width_, x_ + 1);
        height_ = std::max(height_, y_ + bit + 1);
      }
    }
  }
  void step() {
    const char c = text_[at_++];
    if (c == '"') {
      numbers();
    } else if (c == '#') {
      const auto n = numbers();
      colour_ = n[0];
      if (n.size() == 5) colours_[n[0]] = {n[2] * 255 / 100, n[3] * 255 / 100, n[4] * 255 / 100};
    } else if (c == '!') {
      const int count = number();
      draw(text_[at_++], count);
    } else if (c == '$') {
      x_ = 0;
    } else if (c == '-') {
      x_ = 0;
      y_ += 6;
    } else {
      draw(c, 1);
    }
  }
  std::string text_;
  size_t at_ = 0;
  int x_ = 0, y_ = 0, colour_ = 0, width_ = 0, height_ = 0;
  std::map<int, Pixel> colours_;
  std::map<std::pair<int, int>, Pixel> pixels_;
};

TEST(TerminalImage, SixelsShowThePicture) {
  const media::Image image = quarters(60, 44);
  const SixelReader back(show_image(image, style(Protocol::kSixel)).value());
  EXPECT_EQ(std::pair(back.width(), back.height()), std::pair(60, 44));
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      for (int i = 0; i < 3; ++i) {
        // Colours are percentages, and libsixel tells 32 levels apart.
        ASSERT_NEAR(back.at(x, y)[size_t(i)], image.row(y)[x * 3 + i], 8) << x << " " << y;
      }
    }
  }
}

TEST(TerminalImage, SixelsOfAPhotographStayNearIt) {
  media::Image image = quarters(200, 150);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      image.row(y)[x * 3] = uint8_t(x);
      image.row(y)[x * 3 + 1] = uint8_t(y);
      image.row(y)[x * 3 + 2] = uint8_t(255 - x);
    }
  }
  const SixelReader back(show_image(image, style(Protocol::kSixel)).value());
  EXPECT_LE(back.colours(), 256);
  double sum = 0;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      for (int i = 0; i < 3; ++i) {
        sum += std::abs(back.at(x, y)[size_t(i)] - image.row(y)[x * 3 + i]);
      }
    }
  }
  EXPECT_LT(sum / (200 * 150 * 3), 12);
}

TEST(TerminalImage, BlocksAreTwoPixelsACharacter) {
  const media::Image image = quarters(2, 2);
  ImageStyle s = style(Protocol::kBlocks);
  EXPECT_EQ(show_image(image, s).value(),
            "\033[38;2;255;0;0;48;2;0;0;255m\xe2\x96\x80"
            "\033[38;2;0;128;0;48;2;240;240;240m\xe2\x96\x80\033[0m\n");
  s.truecolor = false;
  EXPECT_EQ(show_image(image, s).value(),
            "\033[38;5;196;48;5;21m\xe2\x96\x80\033[38;5;28;48;5;255m\xe2\x96\x80\033[0m\n");
}

TEST(TerminalImage, AnOddLastRowHasNoBackgroundAndEqualCellsNoCodes) {
  media::Image image;
  image.width = 3;
  image.height = 3;
  image.rgb.assign(27, 8);
  EXPECT_EQ(show_image(image, style(Protocol::kBlocks)).value(),
            "\033[38;2;8;8;8;48;2;8;8;8m\xe2\x96\x80\xe2\x96\x80\xe2\x96\x80\033[0m\n"
            "\033[38;2;8;8;8;49m\xe2\x96\x80\xe2\x96\x80\xe2\x96\x80\033[0m\n");
}

TEST(TerminalImage, ATerminalThatClaimsNonsenseCostsNothing) {
  media::Image image = quarters(2000, 1500);
  for (const Protocol p :
       {Protocol::kKitty, Protocol::kIterm, Protocol::kSixel, Protocol::kBlocks}) {
    ImageStyle s = style(p, 1 << 30, 1 << 30);
    s.cell_width = s.cell_height = 1 << 30;
    const CellSize cells = cells_of(image.width, image.height, s);
    EXPECT_LE(cells.columns, 200);
    EXPECT_LE(cells.rows, 100);
    const auto text = show_image(image, s);
    ASSERT_TRUE(text.ok());
    EXPECT_LT(text->size(), size_t{16} << 20);
    s = style(p, -5, 0);
    s.cell_width = s.cell_height = 0;
    EXPECT_TRUE(show_image(image, s).ok());
  }
}

TEST(TerminalImage, ExtremeShapes) {
  for (const auto& [w, h] : {std::pair(1, 1), {1, 2000}, {2000, 1}, {3, 7}}) {
    for (const Protocol p :
         {Protocol::kKitty, Protocol::kIterm, Protocol::kSixel, Protocol::kBlocks}) {
      const auto text = show_image(quarters(w, h), style(p));
      ASSERT_TRUE(text.ok()) << w << "x" << h << " " << name(p);
      EXPECT_TRUE(text->ends_with('\n'));
    }
  }
}

}  // namespace
}  // namespace ocelli::cli
