// Pictures on the command line: folders, data URIs, standard input, every format, broken ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/base64.h"
#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;
using testing::Not;

void expect_refused(const Finished& f, const std::string& part) {
  EXPECT_EQ(f.status, 3) << f.out << f.err;
  EXPECT_EQ(f.out, "");
  EXPECT_THAT(f.err, HasSubstr("error: "));
  EXPECT_THAT(f.err, HasSubstr(part));
}

std::string data_uri(const std::string& name, const std::string& type) {
  const std::string bytes = read_all(fixture("media/" + name));
  return "data:" + type + ";base64," + base::encode_base64(std::as_bytes(std::span(bytes)));
}

// What the model sees of the pictures, without their names.
std::string prompt_of(std::vector<std::string> words) {
  words.insert(words.begin(), {"run", "-q", "--show-prompt", "--json"});
  const Json j = run(words).json();
  std::string out = j.find("ids")->dump();
  for (const Json& picture : j.find("pictures")->items())
    out += " " + picture.find("format")->as_string() + picture.find("width")->dump();
  return out;
}

TEST(Pictures, EveryFormatIsOpened) {
  for (const auto& [name, format] :
       std::vector<std::pair<std::string, std::string>>{{"420.jpg", "JPEG"},
                                                        {"rgb8.png", "PNG"},
                                                        {"lossy.webp", "WebP"},
                                                        {"interlaced.gif", "GIF"},
                                                        {"rle8.bmp", "BMP"},
                                                        {"tiles_deflate.tiff", "TIFF"},
                                                        {"plain.heic", "HEIC"},
                                                        {"plain.avif", "AVIF"}}) {
    EXPECT_THAT(prompt_of({fixture("media/" + name), "x"}), HasSubstr(" " + format)) << name;
  }
}

TEST(Pictures, AFolderIsItsPictures) {
  TemporaryFolder folder;
  fs::create_directory(folder.path() / "in");
  const auto copy = [&](const char* name, const char* to) {
    fs::copy_file(fixture(std::string("media/") + name), folder.path() / "in" / to);
  };
  copy("444.jpg", "photo10.jpg");
  copy("rgb8.png", "photo9.png");
  std::ofstream(folder.path() / "in" / "notes.txt") << "x";
  const std::string in = folder.file("in");
  EXPECT_EQ(prompt_of({in, "x"}),
            prompt_of({fixture("media/rgb8.png"), fixture("media/444.jpg"), "x"}));
  const Finished f = run({"run", in, "x", "--show-prompt"});
  EXPECT_THAT(f.err, HasSubstr("skipped 1 entry of " + in + " that is no picture (notes.txt)"));
  fs::remove(folder.path() / "in" / "photo10.jpg");
  fs::remove(folder.path() / "in" / "photo9.png");
  expect_refused(run({"run", in, "x"}), "no pictures in this folder");
}

TEST(Pictures, ADataUriIsAPicture) {
  const std::string uri = data_uri("rgb8.png", "image/png");
  EXPECT_EQ(prompt_of({uri, "x"}), prompt_of({fixture("media/rgb8.png"), "x"}));
  const Json j = run({"run", uri, "x", "--json"}).json();
  EXPECT_LT(j.find("files")->items().at(0).as_string().size(), 80u);
  expect_refused(run({"run", "data:image/png;base64", "x"}), "no comma");
  expect_refused(run({"run", "data:image/png;base64,@@", "x"}), "base64");
  expect_refused(run({"run", "data:image/png;base64,iVBORw0KGgo", "x"}), "base64");
  expect_refused(run({"run", "data:text/html,<b>", "x"}), "unsupported: a data URI of text/html");
  expect_refused(run({"run", "data:image/png,hello", "x"}), "not a picture");
}

TEST(Pictures, StandardInputIsAPicture) {
  const std::string shell = "exec \"$@\" < '" + fixture("media/444.jpg") + "'";
  RunOptions options;
  options.wrapper = {"/bin/sh", "-c", shell, "sh"};
  const Finished f = run({"run", "-", "x", "--show-prompt"}, options);
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(f.out, HasSubstr("JPEG 120x90"));
  expect_refused(run({"run", "-", "x"}), "empty");  // /dev/null
}

TEST(Pictures, ManyPicturesAreRefusedAtOnce) {
  std::vector<std::string> words{"run"};
  words.insert(words.end(), 33, fixture("media/size_1x1.png"));
  words.push_back("x");
  expect_refused(run(words), "too many pictures in one request (33, limit 32)");
}

TEST(Pictures, PlanTakesTheSame) {
  const Json j =
      run({"plan", data_uri("rgb8.png", "image/png"), fixture("media/plain.avif"), "x", "--json"})
          .json();
  EXPECT_EQ(j.find("pictures")->as_int(), 2);
}

TEST(Pictures, DoctorListsFormats) {
  EXPECT_THAT(run({"doctor"}).out, HasSubstr("JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF"));
}

// Headers that promise too much, other kinds: a sentence at once.
TEST(Pictures, BombsAndOtherKinds) {
  const std::string bmp = std::string("BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18) +
                          std::string("\0\0\0\x80\0\0\0\x40\1\0\x18\0", 12) + std::string(24, '\0');
  const std::string gif = std::string("GIF89a\xff\xff\xff\xff\x80\0\0", 13) + std::string(6, 'x') +
                          std::string(",\0\0\0\0\xff\xff\xff\xff\0\2\1\0\0;", 15);
  const std::string tiff =
      std::string("II*\0\x08\0\0\0\4\0", 10) + std::string("\0\1\4\0\1\0\0\0\0\0\1\0", 12) +
      std::string("\1\1\4\0\1\0\0\0\0\0\1\0", 12) + std::string("\x06\1\3\0\1\0\0\0\1\0\0\0", 12) +
      std::string("\x11\1\4\0\1\0\0\0\x08\0\0\0", 12) + std::string(4, '\0');
  const std::vector<std::pair<std::string, std::string>> bad = {
      {bmp, "pixels"},
      {gif, "pixels"},
      {tiff, "pixels"},
      {"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported: SVG"},
      {"<!doctype html><html></html>", "unsupported: HTML"},
      {"%PDF-1.7\n", "unsupported: PDF"},
      {std::string("\0\0\1\0\1\0", 6), "unsupported: ICO"},
      {std::string("GIF89a\0\0\5\0\0\0\0,\0\0\0\0\0\0\5\0\0\2\1\0\0;", 28), "dimension"},
  };
  TemporaryFolder folder;
  const std::string path = folder.file("picture.png");
  for (const auto& [bytes, part] : bad) {
    std::ofstream(path, std::ios::binary) << bytes;
    const Finished finished = run({"run", path, "x"});
    expect_refused(finished, part);
    EXPECT_LT(finished.cpu_seconds, 2 * base::kSlower) << part;
  }
}

}  // namespace
}  // namespace ocelli::test
