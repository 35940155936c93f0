// Rows V01 to V04, V07, V08, V10: clips. Each is given to the built-in model; --show-prompt decodes
// and cuts the frames without asking the model anything.
#include <gtest/gtest.h>

#include "bytes.h"
#include "harness.h"

namespace ocelli::hostile {
namespace {

class Clips : public Table {
 public:
  Case& made(std::string what, std::string name, std::function<void(const Folder&)> make,
             const std::string& says) {
    Case& c = add(std::move(what), std::move(make), "^error: .*" + says);
    c.words = {"run", "-q", "./" + name, "-p", "x", "--show-prompt"};
    c.fixture = "";
    return c;
  }
  Case& clip(std::string what, const std::string& name, std::function<std::string()> make,
             const std::string& says = "") {
    return made(
        std::move(what), name, [=](const Folder& f) { f.write(name, make()); },
        name + ": .*" + says);
  }
  Case& fine(std::string what, const std::string& name, std::function<std::string()> make) {
    Case& c = clip(std::move(what), name, std::move(make));
    c.status = 0;
    c.says = "<image>";
    return c;
  }
};

std::string clip(const std::string& name) {
  return read_fixture("video/" + name);
}

// Replaces bytes at this offset behind the last place of `word`.
std::string patch(std::string bytes, std::string_view word, size_t offset, std::string_view value) {
  const size_t at = bytes.rfind(word);
  EXPECT_NE(at, bytes.npos) << word;
  if (at != bytes.npos) bytes.replace(at + word.size() + offset, value.size(), value);
  return bytes;
}
std::string renamed(std::string bytes, std::string_view from, std::string_view to) {
  size_t found = 0;
  for (size_t at = 0; (at = bytes.find(from, at)) != bytes.npos; at += to.size(), ++found)
    bytes.replace(at, from.size(), to);
  EXPECT_GT(found, 0u) << from;
  return bytes;
}

void playlists(Clips& t) {
  t.row("V01");
  struct Playlist {
    const char *what, *text;
  };
  for (const Playlist& p :
       {Playlist{"a playlist of the web",
                 "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"},
        {"a playlist to a server", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"},
        {"a list of files", "ffconcat version 1.0\nfile /etc/passwd\n"},
        {"a list of files without version", "file '/etc/passwd'\n"},
        {"metadata", ";FFMETADATA1\ntitle=x\n"},
        {"a session", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"},
        {"a manifest",
         "<?xml version=\"1.0\"?><MPD "
         "xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><BaseURL>file:///etc/passwd</BaseURL></MPD>"},
        {"subtitles", "1\n00:00:00,000 --> 00:00:01,000\n/etc/passwd\n"},
        {"a picture sequence", "%03d.png\n"}}) {
    for (const char* name : {"x.mp4", "x.m3u8"}) {
      const std::string text = p.text;
      Case& c = t.clip(std::string(p.what) + " as " + name, name, [=] { return text; });
      c.says = "^error: ";
    }
  }
  t.row("V02");
  t.clip("an AVI of subtitles that are a playlist", "x.avi", [] {
    const std::string gab = "GAB2" + std::string(1, '\0') + le16(2) + le32(0) + le16(4) + le32(60) +
                            "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n";
    const std::string header =
        "strh" + le32(56) + "txts" + std::string(52, '\0') + "strf" + le32(0);
    const std::string list = "hdrlavih" + le32(56) + std::string(56, '\0') + "LIST" +
                             le32(uint32_t(header.size() + 4)) + "strl" + header;
    const std::string movi = "movi00sb" + le32(uint32_t(gab.size())) + gab;
    const std::string body = "AVI LIST" + le32(uint32_t(list.size())) + list + "LIST" +
                             le32(uint32_t(movi.size())) + movi;
    return "RIFF" + le32(uint32_t(body.size())) + body;
  });
}

void headers(Clips& t) {
  t.row("V03");
  const auto mp4 = [&](std::string what, std::string_view word, size_t offset, std::string value,
                       const std::string& says = "") {
    const std::string w(word);
    return &t.clip(
        std::move(what), "x.mp4", [=] { return patch(clip("h264.mp4"), w, offset, value); }, says);
  };
  // The sample table: chunks beyond the file, counts beyond it, sizes beyond it.
  mp4("frames of 4 GiB each", "stsz", 4, be32(UINT32_MAX) + be32(1000));
  mp4("chunks beyond the file", "stco", 8, be32(UINT32_MAX));
  mp4("no frames", "stsz", 4, be32(0) + be32(0));
  for (const uint32_t n : {0x7fffffffu, UINT32_MAX}) {
    t.clip(std::to_string(n) + " frames", "x.mp4",
           [=] { return patch(clip("h264.mp4"), "stsz", 4, be32(1) + be32(n)); });
  }
  for (const char* box : {"moov", "trak", "mdia", "minf", "stbl", "stsd"}) {
    const std::string name = box;
    t.clip("no " + name, "x.mp4", [=] { return renamed(clip("h264.mp4"), name, "xxxx"); });
  }
  t.clip("a box of 0 bytes in the middle", "x.mp4", [] {
    std::string b = clip("h264.mp4");
    const size_t at = b.rfind("trak");
    return b.replace(at - 4, 4, be32(1));
  });
  t.clip("boxes in boxes without end", "x.mp4", [] {
    std::string b = clip("h264.mp4").substr(0, 32);
    for (int i = 0; i < 100'000; ++i) b += be32(uint32_t(800'008 - 8 * i)) + "moov";
    return b;
  });

  t.row("V04");
  for (const char* name : {"h264.mp4", "faststart_2997.mp4", "open_gop.mkv", "vp9_60.webm",
                           "mpeg4.avi", "mpeg2.ts", "flv1.flv"}) {
    const std::string file = name, as = "x" + file.substr(file.find('.'));
    for (const int bytes : {1, 8, 40, 200})
      t.clip(file + " cut after " + std::to_string(bytes), as, [=] {
         return clip(file).substr(0, size_t(bytes));
       }).says = "^error: ";
  }
  t.clip("an MP4 without a picture stream", "x.mp4",
         [] { return renamed(clip("h264.mp4"), "vide", "soun"); });
  t.clip("a sound", "x.wav", [] {
    return "RIFF" + le32(36) + "WAVEfmt " + le32(16) + le16(1) + le16(1) + le32(8000) + le32(8000) +
           le16(1) + le16(8) + "data" + le32(0);
  });
  for (const char* name : {"x.mp4", "x.mkv", "x.avi", "x.webm", "x.mov"}) {
    t.clip(std::string("an empty file as ") + name, name, [] { return ""; });
    t.clip(std::string("zeros as ") + name, name, [] { return std::string(100'000, '\0'); });
  }
  t.row("V07");
  t.made(
      "a file of 4 GiB", "x.mp4",
      [](const Folder& f) {
        f.write_hole("x.mp4", clip("h264.mp4").substr(0, 40), uint64_t{4} << 30);
      },
      "x\\.mp4: .*(large|limit)");
  t.clip(
      "a clip of 10 hours", "x.mp4",
      [] { return patch(patch(clip("hour.mp4"), "mdhd", 12, be32(1638)), "mvhd", 12, be32(100)); },
      "(seconds|long|limit)");
  t.row("V08");
  for (const char* codec : {"mjp2", "avs2", "drac", "xxxx"})
    t.clip(
        std::string("a codec called ") + codec, "x.mp4",
        [=] { return renamed(clip("h264.mp4"), "avc1", codec); }, "");
  t.row("V10");
  for (const std::string& name :
       {std::string("-vf.mp4"), std::string("|id.mp4"), std::string(";touch pwned;.mp4"),
        std::string("$(touch pwned).mp4"), std::string("a\nb.mp4"), std::string(250, 'n') + ".mp4",
        std::string("\xff\xfe.mp4"), std::string("file:x.mp4"), std::string("concat:a|b.mp4")}) {
    Case& c = t.clip("a clip that is called " + name, name,
                     [] { return clip("one_frame.mp4").substr(0, 100); });
    c.says = "^error: ";
  }
  t.fine("a clip of one frame", "x.mp4", [] { return clip("one_frame.mp4"); });
  t.fine("a clip under another name", "x.jpg", [] { return clip("one_frame.mp4"); });
}

}  // namespace

std::vector<Case> video_cases() {
  Clips t;
  playlists(t);
  headers(t);
  return t.cases;
}

}  // namespace ocelli::hostile
