// Rows G01 to G19: GGUF files of a model, of its vision tower, and in parts.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <limits>

#include "bytes.h"
#include "gguf_doc.h"
#include "harness.h"

namespace ocelli::hostile {
namespace {

constexpr char kFile[] = "m.gguf";
constexpr uint32_t kU32 = 4, kF32 = 6, kText = 8, kArray = 9;

class Ggufs : public Table {
 public:
  Case& given(std::string what, std::function<void(const Folder&)> make, const std::string& says) {
    Case& c = add(std::move(what), std::move(make), "^error: .*m\\.gguf.*" + says);
    c.words = {"show", kFile};
    c.fixture = "";
    return c;
  }
  Case& file(std::string what, std::function<std::string()> make, const std::string& says) {
    return given(
        std::move(what), [=](const Folder& f) { f.write(kFile, make()); }, says);
  }
  // The good file with something changed.
  Case& doc(std::string what, std::function<void(GgufDoc&)> change, const std::string& says) {
    return file(
        std::move(what),
        [=] {
          GgufDoc d = GgufDoc::read("mixed.gguf");
          change(d);
          return d.file();
        },
        says);
  }
};

std::string good() {
  return read_fixture("gguf/mixed.gguf");
}

void whole_files(Ggufs& t) {
  t.row("G01");
  t.file(
      "an empty file", [] { return ""; }, "");
  t.file(
      "three bytes", [] { return "GGU"; }, "");
  t.file(
      "only the magic", [] { return "GGUF"; }, "");
  t.file(
      "another magic", [] { return "ggml" + std::string(100, '\0'); }, "");
  t.file(
      "zeros", [] { return std::string(4096, '\0'); }, "");
  t.file(
      "a safetensors file",
      [] { return read_fixture("models/smollm2/model.safetensors").substr(0, 9000); }, "");
  t.given(
      "a folder", [](const Folder& f) { fs::create_directory(f.path() / kFile); }, "");
  t.given(
      "a pipe", [](const Folder& f) { ASSERT_EQ(mkfifo(f.file(kFile).c_str(), 0600), 0); }, "pipe");
  t.given(
      "an endless device",
      [](const Folder& f) { fs::create_symlink("/dev/zero", f.path() / kFile); }, "device");
  t.row("G02");
  for (const uint32_t version : {0u, 1u, 4u, 99u, 0x03000000u, UINT32_MAX})
    t.doc(
        "version " + std::to_string(version), [=](GgufDoc& d) { d.version = version; },
        "(version|big-endian)");
  t.row("G03");
  for (int i = 0; i < 40; ++i) {
    t.file(
        "cut at " + std::to_string(i) + " of 40",
        [=] {
          const std::string bytes = good();
          return bytes.substr(0, std::max<size_t>(bytes.size() * size_t(i) / 40, 5));
        },
        "");
  }
  t.row("G04");
  for (const uint64_t n :
       {uint64_t{1} << 63, uint64_t{1} << 32, UINT64_MAX, uint64_t{1'000'000}, uint64_t{200'000}}) {
    t.doc(
         std::to_string(n) + " tensors", [=](GgufDoc& d) { d.tensor_count = n; }, "tensors")
        .megabytes = 60;
    t.doc(
         std::to_string(n) + " keys", [=](GgufDoc& d) { d.key_count = n; }, "keys")
        .megabytes = 60;
  }
  t.doc(
       "a tensor less than there are", [](GgufDoc& d) { d.tensor_count = d.tensors.size() - 1; },
       "")
      .says = "^error: .*";
  t.doc(
      "a tensor more than there are", [](GgufDoc& d) { d.tensor_count = d.tensors.size() + 1; },
      "");
  t.doc(
      "a key less than there are", [](GgufDoc& d) { d.key_count = d.keys.size() - 1; }, "");
  t.doc(
      "a key more than there are", [](GgufDoc& d) { d.key_count = d.keys.size() + 1; }, "");
  t.doc(
      "no tensors", [](GgufDoc& d) { d.tensors.clear(); }, "");
  t.doc(
      "no keys", [](GgufDoc& d) { d.keys.clear(); }, "");
}

void metadata(Ggufs& t) {
  t.row("G05");
  for (const uint64_t n : {UINT64_MAX, uint64_t{1} << 40, uint64_t{1} << 63, uint64_t{1} << 30}) {
    t.doc(
        "a text of " + std::to_string(n) + " bytes",
        [=](GgufDoc& d) {
          d.keys.push_back({"x", kText, le64(n)});
        },
        "");
    t.doc(
        "an array of " + std::to_string(n),
        [=](GgufDoc& d) {
          d.keys.push_back({"x", kArray, le32(kU32) + le64(n)});
        },
        "");
    t.doc(
        "texts, " + std::to_string(n),
        [=](GgufDoc& d) {
          d.keys.push_back({"x", kArray, le32(kText) + le64(n)});
        },
        "");
  }
  t.doc(
      "an array of arrays",
      [](GgufDoc& d) {
        d.keys.push_back({"x", kArray, le32(kArray) + le64(1) + le32(kU32) + le64(1) + le32(7)});
      },
      "(nest|array)");
  t.doc(
      "arrays in arrays without end",
      [](GgufDoc& d) {
        std::string deep;
        for (int i = 0; i < 100'000; ++i) deep += le32(kArray) + le64(1);
        d.keys.push_back({"x", kArray, deep});
      },
      "(nest|array)");
  for (const uint32_t type : {13u, 99u, UINT32_MAX}) {
    t.doc(
        "a value of type " + std::to_string(type),
        [=](GgufDoc& d) {
          d.keys.push_back({"x", type, le64(0)});
        },
        "type");
    t.doc(
        "an array of type " + std::to_string(type),
        [=](GgufDoc& d) {
          d.keys.push_back({"x", kArray, le32(type) + le64(1) + le64(0)});
        },
        "type");
  }
  t.row("G06");
  t.doc(
      "200000 keys",
      [](GgufDoc& d) {
        for (int i = 0; i < 200'000; ++i)
          d.keys.push_back({"k" + std::to_string(i), kU32, le32(1)});
      },
      "keys.*limit");
  t.doc(
      "200000 tensors",
      [](GgufDoc& d) {
        for (int i = 0; i < 200'000; ++i) d.tensors.push_back({"t" + std::to_string(i), {0}, 0, 0});
      },
      "tensors.*limit");
  t.row("G07");
  t.doc(
      "a key twice", [](GgufDoc& d) { d.keys.push_back(d.keys.back()); }, "twice|duplicate");
  t.doc(
      "a tensor twice", [](GgufDoc& d) { d.tensors.push_back(d.tensors.back()); },
      "twice|duplicate");
  t.doc(
      "an empty key",
      [](GgufDoc& d) {
        d.keys.push_back({"", kU32, le32(1)});
      },
      "");
  t.doc(
      "an empty name",
      [](GgufDoc& d) {
        d.tensors.push_back({"", {0}, 0, 0});
      },
      "");
  t.doc(
      "a key of 65536 bytes",
      [](GgufDoc& d) {
        d.keys.push_back({std::string(65'536, 'k'), kU32, le32(1)});
      },
      "");
  t.doc(
      "a name of 65536 bytes",
      [](GgufDoc& d) { d.tensor("output_norm.weight").name = std::string(65'536, 'k'); }, "");
  t.doc(
      "a key that is not UTF-8",
      [](GgufDoc& d) {
        d.keys.push_back({"\xff\xfe", kU32, le32(1)});
      },
      "");
  t.doc(
      "a name that is not UTF-8",
      [](GgufDoc& d) { d.tensor("output_norm.weight").name = "\xff\xfe"; }, "");
  for (const char* name : {"a/../../../etc/passwd", "a\nb\x1b[2J",
                           "\xE2\x80\xAE"
                           "abc"})
    t.doc(
        std::string("a tensor of the name ") + name,
        [=](GgufDoc& d) { d.tensor("output_norm.weight").name = name; }, "");
  t.doc(
      "a name with a NUL byte",
      [](GgufDoc& d) { d.tensor("output_norm.weight").name = std::string("a\0b", 3); }, "");
  t.row("G08");
  for (const uint32_t n : {0u, 3u, 7u, 1u << 21, 1u << 31, UINT32_MAX})
    t.doc(
        "an alignment of " + std::to_string(n),
        [=](GgufDoc& d) {
          d.keys.push_back({"general.alignment", kU32, le32(n)});
        },
        "align");
  t.doc(
      "an alignment that is a text", [](GgufDoc& d) { d.add_text("general.alignment", "32"); },
      "align");
  t.doc(
      "an alignment of minus 32",
      [](GgufDoc& d) {
        d.keys.push_back({"general.alignment", 5, le32(uint32_t(-32))});
      },
      "align");
}

void tensors(Ggufs& t) {
  t.row("G09");
  const uint64_t big = uint64_t{1} << 32;
  using Dims = std::vector<uint64_t>;
  for (const Dims& dims : {Dims{1152, (uint64_t{1} << 42) + 1},
                           {big, big},
                           {big, big, big, big},
                           {UINT64_MAX},
                           {uint64_t{1} << 63, 2},
                           {0},
                           {256, 0},
                           {1, 1, 1, 1, 256},
                           {},
                           {255},
                           {uint64_t(-256)},
                           {256, 2}}) {
    std::string what = "dimensions";
    for (const uint64_t n : dims) what += " " + std::to_string(n);
    t.doc(
        what, [=](GgufDoc& d) { d.tensor("output_norm.weight").dims = dims; }, "");
  }
  t.doc(
      "a thousand dimensions",
      [](GgufDoc& d) { d.tensor("output_norm.weight").dims = Dims(1000, 1); }, "dimensions");
  t.row("G10");
  for (const uint64_t at :
       {UINT64_MAX, uint64_t{1} << 63, uint64_t{1} << 40, uint64_t{10'000'000}, UINT64_MAX - 31})
    t.doc(
        "an offset of " + std::to_string(at),
        [=](GgufDoc& d) { d.tensor("output_norm.weight").offset = at; }, "offset|byte|align");
  t.doc(
      "an offset that is not aligned",
      [](GgufDoc& d) { d.tensor("output_norm.weight").offset += 1; }, "align|offset");
  t.doc(
      "an overlap", [](GgufDoc& d) { d.tensor("blk.0.attn_norm.weight").offset = 0; },
      "overlap|offset|same bytes");
  t.doc(
      "the last tensor ends past the file", [](GgufDoc& d) { d.data.resize(d.data.size() - 200); },
      "");
  t.doc(
      "no data at all", [](GgufDoc& d) { d.data.clear(); }, "");
  t.row("G11");
  for (const uint32_t type : {4u, 5u, 31u, 36u, 99u, UINT32_MAX})
    t.doc(
        "tensor type " + std::to_string(type),
        [=](GgufDoc& d) { d.tensor("blk.0.attn_output.weight").type = type; }, "type");
  for (const uint32_t type : {10u, 12u, 14u})
    t.doc(
        "rows of half a block, type " + std::to_string(type),
        [=](GgufDoc& d) { d.tensor("blk.0.attn_output.weight").type = type; }, "block|multiple");
  t.doc(
      "whole numbers for a norm", [](GgufDoc& d) { d.tensor("output_norm.weight").type = 26; }, "");
  t.row("G16");
  for (const char* name : {"output_norm.weight", "token_embd.weight", "blk.1.ffn_down.weight"}) {
    t.doc(
         std::string("no ") + name,
         [=](GgufDoc& d) {
           std::erase_if(d.tensors, [&](const auto& x) { return x.name == name; });
         },
         "")
        .says = "^error: .*(missing tensor|m\\.gguf)";
  }
  t.doc(
      "a matrix on its side",
      [](GgufDoc& d) {
        std::swap(d.tensor("blk.1.attn_k.weight").dims[0], d.tensor("blk.1.attn_k.weight").dims[1]);
      },
      "shape");
  t.row("G17");
  for (const char* bytes : {"\x00\x00\xc0\x7f", "\x00\x00\x80\x7f", "\x00\x00\x80\xff"}) {
    const std::string number(bytes, 4);
    Case& c = t.doc(
        "weights of " + std::to_string(static_cast<unsigned char>(number[2]) * 256 +
                                       static_cast<unsigned char>(number[3])),
        [=](GgufDoc& d) {
          const uint64_t at = d.tensor("output_norm.weight").offset;
          for (size_t i = 0; i < 256; ++i) d.data.replace(at + 4 * i, 4, number);
        },
        "");
    c.says = "^error: .*not finite";
    c.words = {"run", "-q", "-m", kFile, "-n", "1", "-p", "hi"};
  }
}

void hyper_parameters(Ggufs& t) {
  t.row("G12");
  for (const char* name : {"llama.block_count", "llama.context_length", "llama.embedding_length",
                           "llama.feed_forward_length", "llama.attention.head_count",
                           "llama.attention.head_count_kv", "llama.attention.key_length"}) {
    for (const uint32_t n : {0u, 0x7fffffffu, UINT32_MAX})
      t.doc(
          std::string(name) + " = " + std::to_string(n), [=](GgufDoc& d) { d.set_u32(name, n); },
          "");
    t.doc(
        std::string(name) + " is a text", [=](GgufDoc& d) { d.set_text(name, "4"); }, "");
    t.doc(
        std::string(name) + " = -1",
        [=](GgufDoc& d) {
          d.key(name) = {name, 5, le32(UINT32_MAX)};
        },
        "");
    t.doc(
        std::string(name) + " is a float", [=](GgufDoc& d) { d.set_f32(name, 2.5f); }, "");
    // One layer, one head for keys and a short context are possible.
    if (std::string(name) != "llama.context_length" && std::string(name) != "llama.block_count" &&
        std::string(name) != "llama.attention.head_count_kv")
      t.doc(
           std::string(name) + " = 1", [=](GgufDoc& d) { d.set_u32(name, 1); }, "")
          .says = "^error: ";
  }
  for (const char* name : {"llama.block_count", "llama.embedding_length",
                           "llama.feed_forward_length", "llama.attention.head_count"})
    t.doc(
        std::string("no ") + name, [=](GgufDoc& d) { d.erase_key(name); }, "");
  for (auto& c : t.cases)
    if (c.id.starts_with("G12")) c.says = "^error: ";
  t.row("G13");
  const float inf = std::numeric_limits<float>::infinity();
  for (const float x : {NAN, inf, -inf, -1.0f, 0.0f}) {
    t.doc(
        "an epsilon of " + std::to_string(x),
        [=](GgufDoc& d) { d.set_f32("llama.attention.layer_norm_rms_epsilon", x); }, "eps");
    t.doc(
        "a rope base of " + std::to_string(x),
        [=](GgufDoc& d) { d.set_f32("llama.rope.freq_base", x); }, "(rope|base|theta)");
    t.doc(
        "a rope factor of " + std::to_string(x),
        [=](GgufDoc& d) {
          d.add_text("llama.rope.scaling.type", "yarn");
          d.keys.push_back({"llama.rope.scaling.factor", kF32, f32(x)});
        },
        "");
  }
  t.row("G14");
  t.doc(
       "heads that do not divide", [](GgufDoc& d) { d.set_u32("llama.attention.head_count", 3); },
       "")
      .says = "^error: ";
  t.doc(
       "3 heads of keys", [](GgufDoc& d) { d.set_u32("llama.attention.head_count_kv", 3); }, "")
      .says = "^error: ";
  t.doc(
       "a vocabulary of another size", [](GgufDoc& d) { d.set_u32("llama.vocab_size", 600); }, "")
      .says = "^error: ";
  t.row("G15");
  const auto key = [&](std::string what, const char* name, uint32_t type, std::string bytes,
                       const std::string& says = "") {
    t.doc(
         std::move(what),
         [=, bytes = std::move(bytes)](GgufDoc& d) {
           d.key(name) = {name, type, bytes};
         },
         says)
        .says = "^error: ";
  };
  const char* tokens = "tokenizer.ggml.tokens";
  t.doc(
      "no tokens", [=](GgufDoc& d) { d.erase_key(tokens); }, "token");
  key("tokens that are none", tokens, kArray, gguf_texts({}));
  key("tokens that are numbers", tokens, kArray, le32(kU32) + le64(2) + le32(1) + le32(2));
  key("tokens that are a text", tokens, kText, gguf_text("abc"));
  key("tokens that repeat", tokens, kArray, gguf_texts(std::vector<std::string>(592, "same")));
  key("tokens that are not UTF-8", tokens, kArray,
      gguf_texts(std::vector<std::string>(592, "\xff")));
  key("types that are few", "tokenizer.ggml.token_type", kArray, le32(5) + le64(1) + le32(1));
  key("types that are texts", "tokenizer.ggml.token_type", kArray, gguf_texts({"a"}));
  key("merges of unknown tokens", "tokenizer.ggml.merges", kArray, gguf_texts({"nothing nobody"}));
  key("merges without a space", "tokenizer.ggml.merges", kArray, gguf_texts({"nothing"}));
  key("merges that are numbers", "tokenizer.ggml.merges", kArray, le32(kU32) + le64(1) + le32(1));
  for (const char* model : {"", "lua", "bert", "../../etc/passwd"})
    key(std::string("a tokenizer called ") + model, "tokenizer.ggml.model", kText,
        gguf_text(model));
  for (const char* pre : {"", "nobody", "../../etc/passwd"})
    key(std::string("a pre-tokenizer called ") + pre, "tokenizer.ggml.pre", kText, gguf_text(pre));
  for (const char* name : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"})
    key(std::string(name) + " is a text", name, kText, gguf_text("2"));
  key("a template that is a number", "tokenizer.chat_template", kU32, le32(5));
  key("a template that is broken", "tokenizer.chat_template", kText, gguf_text("{% if"));
  key("a template of 300 KB", "tokenizer.chat_template", kText,
      gguf_text(std::string(300'000, 'x')));
  t.row("G19");
  for (const char* name : {"../../etc", "gpt9", "", "Llama", "clip", "\x1b[2J"})
    t.doc(
        std::string("an architecture called ") + name,
        [=](GgufDoc& d) { d.set_text("general.architecture", name); }, "architecture");
  t.doc(
      "an architecture of a MB",
      [](GgufDoc& d) { d.set_text("general.architecture", std::string(1'000'000, 'x')); },
      "architecture");
  t.doc(
      "an architecture that is a number", [](GgufDoc& d) { d.set_u32("general.architecture", 1); },
      "architecture");
  t.doc(
      "no architecture", [](GgufDoc& d) { d.erase_key("general.architecture"); }, "architecture");
}

void parts(Ggufs& t) {
  t.row("G18");
  const std::string a = "smollm3-yarn-00001-of-00002.gguf", b = "smollm3-yarn-00002-of-00002.gguf";
  const auto split = [&](std::string what, std::function<void(const Folder&)> make,
                         const std::string& given) {
    Case& c = t.add(std::move(what), std::move(make), "^error: .*gguf");
    c.words = {"show", given};
    c.fixture = "";
  };
  const auto put = [](const Folder& f, const std::string& name, const std::string& as) {
    f.write(as, read_fixture("gguf/" + name));
  };
  split(
      "the second part is missing", [=](const Folder& f) { put(f, a, a); }, a);
  split(
      "the first part is missing", [=](const Folder& f) { put(f, b, b); }, b);
  split(
      "the first part twice",
      [=](const Folder& f) {
        put(f, a, a);
        put(f, a, b);
      },
      a);
  split(
      "the second part of another model",
      [=](const Folder& f) {
        put(f, a, a);
        put(f, "mixed.gguf", b);
      },
      a);
  split(
      "the second part is cut",
      [=](const Folder& f) {
        put(f, a, a);
        f.write(b, read_fixture("gguf/" + b).substr(0, 100'000));
      },
      a);
  split(
      "the second part is a folder",
      [=](const Folder& f) {
        put(f, a, a);
        fs::create_directory(f.path() / b);
      },
      a);
  split(
      "parts without number", [=](const Folder& f) { put(f, a, "x.gguf"); }, "x.gguf");
  const auto count = [&](std::string what, uint16_t no, uint16_t of) {
    split(
        std::move(what),
        [=](const Folder& f) {
          GgufDoc d = GgufDoc::read(a);
          d.key("split.no").bytes = le16(no);
          d.key("split.count").bytes = le16(of);
          f.write(a, d.file());
          put(f, b, b);
        },
        a);
  };
  count("part 7 of 2", 7, 2);
  count("65535 parts", 0, 65'535);
  count("3 parts", 0, 3);

  t.row("A06");
  const std::string model = "smolvlm2-a-BF16.gguf", tower = "mmproj-BF16.gguf";
  const auto projector = [&](std::string what, std::function<void(GgufDoc&)> change) {
    Case& c = t.add(
        std::move(what),
        [=](const Folder& f) {
          put(f, "smolvlm2-a/" + model, model);
          GgufDoc d = GgufDoc::read("smolvlm2-a/" + tower);
          change(d);
          f.write(tower, d.file());
        },
        "^error: .*");
    c.words = {"show", model};
    c.fixture = "";
  };
  for (const char* name :
       {"clip.vision.patch_size", "clip.vision.image_size", "clip.vision.embedding_length",
        "clip.vision.attention.head_count", "clip.vision.projector.scale_factor"}) {
    for (const uint32_t n : {0u, 7u, UINT32_MAX})
      projector(std::string(name) + " = " + std::to_string(n),
                [=](GgufDoc& d) { d.set_u32(name, n); });
    projector(std::string("no ") + name, [=](GgufDoc& d) { d.erase_key(name); });
  }
  projector("another projector", [](GgufDoc& d) { d.set_text("clip.projector_type", "llava"); });
  t.cases.back().words = {"show", model, "--mmproj", tower};
  projector("a mean of two numbers", [](GgufDoc& d) {
    d.key("clip.vision.image_mean").bytes = le32(kF32) + le64(2) + f32(0.5f) + f32(0.5f);
  });
  projector("a deviation of zero", [](GgufDoc& d) {
    d.key("clip.vision.image_std").bytes = le32(kF32) + le64(3) + f32(0) + f32(0) + f32(0);
  });
  projector("a mean that is not a number", [](GgufDoc& d) {
    d.key("clip.vision.image_mean").bytes = le32(kF32) + le64(3) + f32(NAN) + f32(0) + f32(0);
  });
  projector("no position embedding", [](GgufDoc& d) {
    std::erase_if(d.tensors, [](const auto& x) { return x.name == "v.position_embd.weight"; });
  });
  projector("an epsilon that is not a number",
            [](GgufDoc& d) { d.set_f32("clip.vision.attention.layer_norm_epsilon", NAN); });
}

}  // namespace

std::vector<Case> gguf_cases() {
  Ggufs t;
  whole_files(t);
  metadata(t);
  tensors(t);
  hyper_parameters(t);
  parts(t);
  return t.cases;
}

}  // namespace ocelli::hostile
