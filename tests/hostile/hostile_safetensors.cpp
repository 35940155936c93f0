// Rows S01 to S09, S12, S13: weights, their index, and folders with weights of another kind.
#include <sys/stat.h>

#include "formats/test_support.h"
#include "harness.h"

namespace ocelli::hostile {
namespace {

using formats::entry;
using formats::little_endian;
using formats::safetensors;

constexpr char kFile[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";
// The beginning of every line about the weights' file.
const std::string kHere = "^error: .*model\\.safetensors: .*";

class Weights : public Table {
 public:
  // The weights are these bytes.
  Case& file(std::string what, std::string bytes, const std::string& says) {
    return add(
        std::move(what), [bytes = std::move(bytes)](const Folder& f) { f.write(kFile, bytes); },
        kHere + says);
  }
  // The weights have this header, and zeros behind it.
  Case& header(std::string what, const std::string& header, const std::string& says,
               size_t data = 8) {
    return file(std::move(what), safetensors(header, data), says);
  }
  // One tensor `w`.
  Case& tensor(std::string what, const std::string& dtype, const std::string& shape,
               const std::string& offsets, const std::string& says, size_t data = 8) {
    return header(std::move(what), "{" + entry("w", dtype, shape, offsets) + "}", says, data);
  }
  Case& index(std::string what, const std::string& map, const std::string& says) {
    return add(
        std::move(what),
        [map](const Folder& f) {
          f.remove(kFile);
          f.write(kIndex, "{\"metadata\":{},\"weight_map\":" + map + "}");
        },
        "^error: .*" + says);
  }
};

std::string two(const std::string& first, const std::string& second) {
  return "{" + entry("a", "U8", "[4]", first) + "," + entry("b", "U8", "[4]", second) + "}";
}

void header_length(Weights& t) {
  t.row("S01");
  const std::string good = "{" + entry("w", "F32", "[2]", "[0,8]") + "}";
  t.file("an empty file", "", "(header|empty)");
  t.file("three bytes", "abc", "header");
  t.file("eight bytes", little_endian(2), "header");
  for (const uint64_t length :
       {uint64_t{0}, uint64_t{1}, uint64_t{7}, uint64_t{good.size() + 9}, uint64_t{100'000'001},
        uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX - 7, UINT64_MAX}) {
    t.file("header of " + std::to_string(length) + " bytes",
           little_endian(length) + good + std::string(8, '\0'), "header");
  }
  const std::string length = little_endian(good.size());
  t.file("the length is big endian", std::string(length.rbegin(), length.rend()) + good, "header");
  t.add(
      "a header of 100000001 bytes that is there",
      [](const Folder& f) { f.write_hole(kFile, little_endian(100'000'001) + "{", 100'000'100); },
      kHere + "header");
  t.add(
      "a header of zeros", [](const Folder& f) { f.write_hole(kFile, "", 1 << 20); },
      kHere + "header");
  t.add(
      "4 GiB of zeros behind a header of 50 MB",
      [](const Folder& f) {
        f.write_hole(kFile, little_endian(50'000'000) + "{", uint64_t{1} << 32);
      },
      kHere + "header");
  t.add(
      "a page of a web site",
      [](const Folder& f) {
        f.write(kFile, "<!DOCTYPE html><html><body>404 not found</body></html>");
      },
      kHere + "header");
  t.add(
      "a large-file pointer",
      [](const Folder& f) {
        f.write(kFile,
                "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 1061760\n");
      },
      kHere + "(header|git)");
  t.add(
      "a folder",
      [](const Folder& f) {
        f.remove(kFile);
        fs::create_directory(f.path() / kFile);
      },
      kHere + "folder");
  t.add(
      "a pipe",
      [](const Folder& f) {
        f.remove(kFile);
        ASSERT_EQ(mkfifo(f.file(kFile).c_str(), 0600), 0);
      },
      kHere + "pipe");
  t.add(
      "an endless device",
      [](const Folder& f) {
        f.remove(kFile);
        fs::create_symlink("/dev/zero", f.path() / kFile);
      },
      kHere + "device");
  t.add(
      "a link to itself",
      [](const Folder& f) {
        f.remove(kFile);
        fs::create_symlink(kFile, f.path() / kFile);
      },
      "^error: .*model\\.safetensors.*(circle|missing)");
}

void header_text(Weights& t) {
  t.row("S02");
  const std::string good = entry("w", "F32", "[2]", "[0,8]");
  t.header("not JSON", "this is not JSON at all", "header");
  t.header("a list", "[" + good.substr(4) + "]", "header");
  t.header("a text", "\"w\"", "header");
  t.header("a number", "12345678", "header");
  t.header("null", "null", "header");
  t.header("only a brace", "{ ", "header");
  t.header("a byte order mark", "\xEF\xBB\xBF{" + good + "}", "header");
  t.header("bytes behind it", "{" + good + "}}", "header");
  t.header("a second object", "{" + good + "}{}", "header");
  t.header("letters behind it", "{" + good + "} x", "header");
  t.header("zeros behind it", "{" + good + "}" + std::string(6, '\0'), "header");
  t.header("a name that is not UTF-8", "{" + entry("\xff\xfe", "F32", "[2]", "[0,8]") + "}",
           "header");
  t.header("an overlong name", "{" + entry("\xc0\xaf", "F32", "[2]", "[0,8]") + "}", "header");
  t.header("half a surrogate", "{" + entry("\\ud800", "F32", "[2]", "[0,8]") + "}", "header");
  t.header("a NUL byte", "{" + entry(std::string("a\0b", 3), "F32", "[2]", "[0,8]") + "}",
           "header");
  t.header("a raw newline in a name", "{" + entry("a\nb", "F32", "[2]", "[0,8]") + "}", "header");
  t.header("a text without end", "{\"w", "header");
  t.header("a comma too many", "{" + good + ",}", "header");
  t.header("single quotes", "{'w':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}", "header");
  t.header("a comment", "{/* */" + good + "}", "header");
  t.header("NaN", "{" + entry("w", "F32", "[NaN]", "[0,8]") + "}", "header");
  const auto deep = [&](std::string what, const std::string& begin, const std::string& unit,
                        size_t count) {
    t.add(
        std::move(what),
        [=](const Folder& f) {
          f.write_many(kFile, little_endian(begin.size() + unit.size() * count) + begin, unit,
                       count);
        },
        kHere + "header.*");
  };
  deep("100000 lists in lists", "{\"w\":", "[", 100'000);
  deep("100000 objects in objects", "", "{\"a\":", 100'000);
  deep("20 million lists", "{\"w\":", "[", 20'000'000);
  deep("10 million empty lists", "{\"w\":[[]", ",[]", 10'000'000);
  deep("30 million numbers", "{\"w\":[0", ",0", 30'000'000);
  deep("a name of 90 MB", "{\"", "aaaaaaaaaa", 9'000'000);
  t.header("a name of 5000 bytes", "{" + entry(std::string(5000, 'n'), "U8", "[8]", "[0,8]") + "}",
           "name is too long");

  t.row("S03");
  t.header("a tensor twice", "{" + good + "," + good + "}", "twice");
  t.header("a tensor twice by an escape",
           "{" + good + "," + entry("\\u0077", "F32", "[2]", "[0,8]") + "}", "twice");
  t.header("two descriptions",
           R"({"w":{"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]}})", "twice");
  t.header("metadata twice", "{\"__metadata__\":{},\"__metadata__\":{}," + good + "}", "twice");
  t.header("a key of the metadata twice", R"({"__metadata__":{"a":"1","a":"2"},)" + good + "}",
           "twice");
  for (const char* value : {"1", "null", "true", "[\"x\"]", "{}"}) {
    t.header(std::string("metadata of ") + value,
             "{\"__metadata__\":{\"format\":" + std::string(value) + "}," + good + "}",
             "__metadata__.*not text");
  }
  t.header("a list for metadata", "{\"__metadata__\":[]," + good + "}", "__metadata__");
  t.header("a text for metadata", "{\"__metadata__\":\"pt\"," + good + "}", "__metadata__");
}

void offsets(Weights& t) {
  t.row("S04");
  t.header("a hole", two("[0,4]", "[5,9]"), "offsets leave a hole", 9);
  t.header("a hole before the first", two("[1,5]", "[5,9]"), "offsets leave a hole", 9);
  t.header("an overlap of a byte", two("[0,4]", "[3,7]"), "offsets overlap");
  t.header("the same bytes", two("[0,4]", "[0,4]"), "offsets overlap", 4);
  t.header("one past the file", two("[0,4]", "[4,8]"), "offsets end past the file", 7);
  t.tensor("far past the file", "U8", "[9223372036854775807]", "[0,9223372036854775807]",
           "larger than any file");
  t.tensor("reversed", "F32", "[2]", "[8,0]", "data_offsets end before");
  t.tensor("negative", "F32", "[2]", "[-8,0]", "data_offsets");
  t.tensor("both negative", "F32", "[2]", "[-8,-0]", "data_offsets");
  t.tensor("one number", "F32", "[2]", "[8]", "data_offsets");
  t.tensor("three numbers", "F32", "[2]", "[0,4,8]", "data_offsets");
  t.tensor("no numbers", "F32", "[2]", "[]", "data_offsets");
  t.tensor("fractions", "F32", "[2]", "[0.0,8.0]", "data_offsets");
  t.tensor("texts", "F32", "[2]", "[\"0\",\"8\"]", "data_offsets");
  t.tensor("an object", "F32", "[2]", "{\"0\":0,\"1\":8}", "data_offsets");
  t.tensor("null offsets", "F32", "[2]", "null", "data_offsets");
  t.tensor("2 to the 64", "F32", "[2]", "[0,18446744073709551616]", "data_offsets");
  t.tensor("2 to the 64 less 1", "F32", "[2]", "[0,18446744073709551615]", "data_offsets");
  t.tensor("true", "F32", "[2]", "[false,8]", "data_offsets");
  t.header("none", R"({"w":{"dtype":"F32","shape":[2]}})", "data_offsets");
  t.header("a tensor that is a list", R"({"w":["F32",[2],[0,8]]})", "object");
  t.header("a tensor that is null", R"({"w":null})", "object");

  t.row("S05");
  const std::string good = "{" + entry("w", "F32", "[2]", "[0,8]") + "}";
  t.header("a byte too many", good, "1 bytes are left over", 9);
  t.header("a byte too few", good, "offsets end past the file", 7);
  t.header("no data", good, "offsets end past the file", 0);
  t.file("an archive behind it",
         safetensors(good, 8) + "PK\x03\x04" + std::string(60, 'z') + "PK\x05\x06",
         "bytes are left over");
  t.header("bytes and no tensors", "{}", "bytes are left over", 8);
  t.file("a pickle in front", std::string("\x80\x04\x95") + safetensors(good, 8), "header");
}

void shapes(Weights& t) {
  t.row("S06");
  for (const char* shape :
       {"[2,18446744073709551614]", "[4294967296,4294967296]", "[9223372036854775807,2]",
        "[3,3,9223372036854775807]", "[-1]", "[-2,-4]", "[8.0]", "[8e0]", "[\"8\"]", "[null]",
        "[true]", "[[8]]", "8", "null", "{}", "\"[8]\"", "[1,1,1,1,1,1,1,1,8]", "[1e999]"}) {
    t.tensor(std::string("shape ") + shape, "U8", shape, "[0,8]", "(shape|header)");
  }
  t.header("no shape", R"({"w":{"dtype":"F32","data_offsets":[0,8]}})", "shape");
  t.add(
      "a shape of a million sizes",
      [](const Folder& f) {
        const std::string begin = R"({"w":{"dtype":"U8","data_offsets":[0,8],"shape":[8)";
        f.write_many(kFile, little_endian(begin.size() + 2'000'003) + begin, ",1", 1'000'000,
                     "]}}" + std::string(8, '\0'));
      },
      kHere + "shape has too many dimensions");

  t.row("S07");
  t.tensor("too large", "F32", "[2]", "[0,7]", "dtype and shape", 7);
  t.tensor("too small", "F32", "[1]", "[0,8]", "dtype and shape");
  t.tensor("bytes for nothing", "F32", "[0]", "[0,8]", "dtype and shape");
  t.tensor("a number of 8 bytes", "F32", "[]", "[0,8]", "dtype and shape");
  for (const char* dtype : {"F31", "f32", "", "float32", "Q8_0", "F32 ", "\\u0046\\u0034\\u0000"}) {
    t.tensor(std::string("dtype ") + dtype, dtype, "[2]", "[0,8]", "dtype");
  }
  t.tensor("half a byte", "F4", "[3]", "[0,1]", "within a byte", 1);
  t.tensor("six bits", "F6_E2M3", "[5]", "[0,4]", "within a byte", 4);
  t.header("a dtype that is a number", R"({"w":{"dtype":32,"shape":[2],"data_offsets":[0,8]}})",
           "dtype");
  t.header("no dtype", R"({"w":{"shape":[2],"data_offsets":[0,8]}})", "dtype");
}

// `count` tensors, each of the four bytes from `place(i)`.
void many_tensors(const Folder& f, size_t count, bool same_bytes) {
  const auto text = [&](size_t i) {
    const uint64_t at = same_bytes ? 0 : 4 * i;
    return "\"t" + std::to_string(1'000'000 + i) +
           R"(":{"dtype":"F32","shape":[1],"data_offsets":[)" + std::to_string(at) + "," +
           std::to_string(at + 4) + "]}";
  };
  std::string header = "{";
  for (size_t i = 0; i < count; ++i) header += (i ? "," : "") + text(i);
  header += "}";
  const std::string length = little_endian(header.size());
  f.write_hole(kFile, length + header, 8 + header.size() + (same_bytes ? 4 : 4 * count));
}

void bombs(Weights& t) {
  t.row("S08");
  t.add(
       "a million tensors on the same bytes",
       [](const Folder& f) { many_tensors(f, 1'000'000, true); },
       kHere + "too many tensors.*1000000, limit 100000")
      .seconds = 1;
  t.add(
      "100000 tensors on the same bytes", [](const Folder& f) { many_tensors(f, 100'000, true); },
      kHere + "overlap");
  t.add(
      "100000 tensors that mean nothing", [](const Folder& f) { many_tensors(f, 100'000, false); },
      "^error: .*missing tensor model\\.embed_tokens\\.weight");
}

void index_files(Weights& t) {
  t.row("S09");
  for (const char* shard :
       {"../../etc/passwd", "/etc/passwd", "../model.safetensors", "./model.safetensors",
        "a/../model.safetensors", "..\\\\model.safetensors", "", ".", "..", ".hidden.safetensors",
        "a\\nb.safetensors", "a\\u0000b.safetensors", "http://localhost/a.safetensors",
        "pytorch_model-00001-of-00002.bin", "sub/model.safetensors", "\\u202e.safetensors",
        "config.json"}) {
    t.index(std::string("shard ") + shard, "{\"w\":\"" + std::string(shard) + "\"}", "shard");
  }
  t.index("a shard that is missing", R"({"w":"model-00002-of-00002.safetensors"})",
          "shard model-00002-of-00002\\.safetensors is missing");
  t.index("a name of 300 bytes", "{\"w\":\"" + std::string(300, 'x') + ".safetensors\"}", "shard");
  for (const char* map :
       {"null", "[]", "\"x\"", "{}", "{\"w\":1}", "{\"w\":null}", "{\"w\":[\"a.safetensors\"]}"})
    t.index(std::string("weight_map ") + map, map, "(weight_map|shard)");
  const auto index_is = [&](std::string what, std::string text, const std::string& says) {
    t.add(
        std::move(what),
        [text = std::move(text)](const Folder& f) {
          f.remove(kFile);
          f.write(kIndex, text);
        },
        "^error: .*index\\.json: .*" + says);
  };
  index_is("an empty index", "", "JSON");
  index_is("an index that is cut", R"({"weight_map":{"w":"model-0000)", "JSON");
  index_is("a list for an index", "[]", "weight_map");
  index_is("deep lists for an index", std::string(100'000, '['), "deep");
  index_is("a tensor twice in the index",
           R"({"weight_map":{"w":"a.safetensors","w":"b.safetensors"}})", "twice");
  t.add(
      "a million entries",
      [](const Folder& f) {
        f.remove(kFile);
        std::string text = "{\"weight_map\":{\"t\":\"a.safetensors\"";
        for (int i = 0; i < 1'000'000; ++i)
          text += ",\"t" + std::to_string(i) + "\":\"a.safetensors\"";
        f.write(kIndex, text + "}}");
      },
      "^error: .*index\\.json: too large");
  t.add(
      "as many entries as go into an index",
      [](const Folder& f) {
        f.remove(kFile);
        std::string text = "{\"weight_map\":{\"t\":\"a.safetensors\"";
        for (int i = 0; i < 650'000; ++i)
          text += ",\"" + std::to_string(i) + "\":\"a.safetensors\"";
        f.write(kIndex, text + "}}");
      },
      "^error: .*a\\.safetensors is missing");
  t.add(
      "5000 shards",
      [](const Folder& f) {
        f.remove(kFile);
        std::string text = "{\"weight_map\":{\"t\":\"a.safetensors\"";
        for (int i = 0; i < 5000; ++i)
          text += ",\"t" + std::to_string(i) + "\":\"s" + std::to_string(i) + ".safetensors\"";
        f.write(kIndex, text + "}}");
      },
      "^error: .*too many shards");
  t.add(
      "an index of 1 GiB",
      [](const Folder& f) {
        f.remove(kFile);
        f.write_hole(kIndex, "{", uint64_t{1} << 30);
      },
      "^error: .*index\\.json.*too large");
  const std::string map = R"({"w":"a.safetensors"})";
  t.index("a shard of another name than its link", map, "a\\.safetensors");
  const auto shard = [&](std::string what, std::function<void(const Folder&)> make,
                         const std::string& says) {
    t.add(
        std::move(what),
        [make = std::move(make)](const Folder& f) {
          f.remove(kFile);
          f.write(kIndex, R"({"weight_map":{"w":"a.safetensors"}})");
          make(f);
        },
        "^error: .*" + says);
  };
  shard(
      "a shard that is a folder",
      [](const Folder& f) { fs::create_directory(f.path() / "a.safetensors"); },
      "a\\.safetensors: .*folder");
  shard(
      "a shard that is a pipe",
      [](const Folder& f) { ASSERT_EQ(mkfifo(f.file("a.safetensors").c_str(), 0600), 0); },
      "a\\.safetensors: .*pipe");
  shard(
      "a shard that is a link to a file of the system",
      [](const Folder& f) { fs::create_symlink("/etc/passwd", f.path() / "a.safetensors"); },
      "a\\.safetensors: .*header");
  shard(
      "a shard that leads nowhere",
      [](const Folder& f) { fs::create_symlink("nowhere", f.path() / "a.safetensors"); },
      "a\\.safetensors is missing");
  shard(
      "a shard without the tensor",
      [](const Folder& f) {
        f.write("a.safetensors", safetensors("{" + entry("v", "F32", "[2]", "[0,8]") + "}", 8));
      },
      "tensor w is not in a\\.safetensors");
  shard(
      "a shard that is cut",
      [](const Folder& f) {
        f.write("a.safetensors", safetensors("{" + entry("w", "F32", "[2]", "[0,8]") + "}", 3));
      },
      "a\\.safetensors: .*offsets end past the file");
}

// What is right in itself and belongs to something else.
void mismatches(Weights& t) {
  t.row("S12");
  const std::string other = OCELLI_FIXTURES "/models/smolvlm2-a/";
  const auto from_other = [&](std::string what, const std::string& name, const std::string& says) {
    t.add(
        std::move(what),
        [=](const Folder& f) {
          f.remove(name);
          fs::create_symlink(other + name, f.path() / name);
        },
        "^error: .*" + says);
  };
  from_other("a tokenizer of another model", "tokenizer.json",
             "embedding has 592 rows, the tokenizer");
  from_other("weights of another model", "model.safetensors", "(missing tensor|has shape)");
  from_other("a config of another model", "config.json", "(missing tensor|has shape)");

  t.row("S13");
  for (const char* name :
       {"pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"}) {
    t.add(
        std::string("a folder with ") + name,
        [=](const Folder& f) {
          f.remove(kFile);
          f.write(name, "\x80\x02}q\x01.");
        },
        "^error: .*" + std::string(name) + ".*pickle.*convert|^error: .*pickled.*" + name +
            ".*convert");
    t.add(
         std::string("the file ") + name,
         [=](const Folder& f) { f.write(name, "\x80\x02}q\x01."); },
         "^error: .*" + std::string(name) + ": .*pickle.*convert")
        .words = {"show", name};
  }
  t.add(
       "an archive of PyTorch",
       [](const Folder& f) {
         f.write("model.bin", "PK\x03\x04" + std::string(26, '\0') + "archive/data.pkl\x80\x02.");
       },
       "^error: .*model\\.bin: .*pickle")
      .words = {"show", "model.bin"};
}

// The good weights with one tensor's description changed: found by the family, not by the format.
void weights(Weights& t) {
  t.row("S16");
  const auto change = [&](std::string what, const std::string& from, const std::string& to,
                          const std::string& says) {
    t.add(
        std::move(what),
        [=](const Folder& f) {
          std::string bytes = f.read(kFile);
          const size_t at = bytes.find(from);
          ASSERT_NE(at, bytes.npos);
          ASSERT_EQ(from.size(), to.size()) << "the header keeps its length";
          f.write(kFile, bytes.replace(at, from.size(), to));
        },
        "^error: .*" + says);
  };
  const std::string norm = "model.layers.0.input_layernorm.";
  change("a tensor of another name", norm + "weight", norm + "weighx",
         "missing tensor " + norm + "weight .*the nearest name is " + norm + "weighx");
  change("a name that moves the cursor", norm + "weight", norm + "\\u001b",
         "missing tensor " + norm + "weight");
  change("a matrix on its side", "\"shape\":[192,72]", "\"shape\":[72,192]",
         "tensor model\\.layers\\.0\\.mlp\\.gate_proj\\.weight has shape \\[72, 192\\]");
  change("an embedding on its side", "\"shape\":[592,72]", "\"shape\":[72,592]",
         "has shape \\[72, 592\\]");
  change("whole numbers for weights", "\"F32\",\"shape\":[592,72]", "\"I32\",\"shape\":[592,72]",
         "has dtype I32, which weights cannot have");
  change("bytes of another size", "\"F32\",\"shape\":[592,72]", "\"F16\",\"shape\":[592,72]",
         "dtype and shape do not fit");
  const auto number = [&](std::string what, const std::string& bytes) {
    t.add(
         std::move(what),
         [=](const Folder& f) {
           std::string all = f.read(kFile);
           const size_t tensor = all.size() - 4;  // of the last layer or the last norm
           f.write(kFile, all.replace(tensor, 4, bytes));
         },
         "^error: .*(logits that are not finite)")
        .words = {"run", ".", "-q", "-n", "1", "-p", "hi"};
  };
  number("a weight that is not a number", std::string("\0\0\xc0\x7f", 4));
  number("a weight that is infinite", std::string("\0\0\x80\x7f", 4));
}

}  // namespace

std::vector<Case> safetensors_cases() {
  Weights t;
  header_length(t);
  header_text(t);
  offsets(t);
  shapes(t);
  bombs(t);
  index_files(t);
  mismatches(t);
  weights(t);
  return t.cases;
}

}  // namespace ocelli::hostile
