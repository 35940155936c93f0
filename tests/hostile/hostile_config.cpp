// Row S10: config.json and the other JSON files of a model folder.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "harness.h"

namespace ocelli::hostile {
namespace {

constexpr char kConfig[] = "config.json";

class Configs : public Table {
 public:
  // `name` holds this text.
  Case& file(std::string what, const std::string& name, std::string text, const std::string& says) {
    return add(
        std::move(what), [=, text = std::move(text)](const Folder& f) { f.write(name, text); },
        "^error: .*" + says);
  }
  // Of the text model, or of the one with pictures where the path says so.
  Case& value(const std::string& name, const std::string& path, const Json& value,
              const std::string& says) {
    return add(
        path + " = " + value.dump(), [=](const Folder& f) { f.set(name, path, value); },
        "^error: .*" + says);
  }
};

void texts(Configs& t) {
  t.row("S10");
  t.add(
      "no config", [](const Folder& f) { f.remove(kConfig); },
      "^error: .*config\\.json is missing");
  const std::string here = "config\\.json: .*";
  t.file("an empty config", kConfig, "", here + "JSON");
  t.file("spaces", kConfig, "  \n ", here + "JSON");
  t.file("a list", kConfig, "[]", here + "object");
  t.file("null", kConfig, "null", here + "(object|missing|JSON)");
  t.file("a number", kConfig, "1", here + "object");
  t.file("an empty object", kConfig, "{}", here + "model_type");
  t.file("zeros", kConfig, std::string(100, '\0'), here + "NUL");
  t.file("a byte order mark", kConfig, "\xEF\xBB\xBF{}", here + "byte order mark");
  t.file("UTF-16", kConfig, std::string("\xFF\xFE{\0}\0", 6), here + "JSON");
  t.file("cut in the middle", kConfig, "{\"model_type\": \"llama\", \"hidden_si", here + "JSON");
  t.file("a web page", kConfig, "<html></html>", here + "JSON");
  t.file("100000 lists", kConfig, "{\"a\":" + std::string(100'000, '['), here + "deep");
  t.file("a key twice", kConfig, R"({"model_type":"llama","hidden_size":1,"hidden_size":2})",
         here + "twice");
  t.file("NaN", kConfig, R"({"model_type":"llama","hidden_size":NaN})", here + "JSON");
  t.file("Infinity", kConfig, R"({"model_type":"llama","hidden_size":Infinity})", here + "JSON");
  t.add(
      "10 MB", [](const Folder& f) { f.write_hole(kConfig, "{", 10'000'000); },
      "^error: .*config\\.json: too large");
  t.add(
      "1 TiB", [](const Folder& f) { f.write_hole(kConfig, "{", uint64_t{1} << 40); },
      "^error: .*config\\.json: too large");
  t.add(
      "a pipe",
      [](const Folder& f) {
        f.remove(kConfig);
        ASSERT_EQ(mkfifo(f.file(kConfig).c_str(), 0600), 0);
      },
      "^error: .*(config\\.json is missing|pipe)");
  t.add(
      "a folder",
      [](const Folder& f) {
        f.remove(kConfig);
        fs::create_directory(f.path() / kConfig);
      },
      "^error: .*(config\\.json is missing|folder)");
  t.add(
      "an endless device",
      [](const Folder& f) {
        f.remove(kConfig);
        fs::create_symlink("/dev/zero", f.path() / kConfig);
      },
      "^error: .*(config\\.json is missing|device)");
  for (const char* type : {"", "gpt5", "../../etc/passwd", "Llama", "llama\n\x1b[2J"}) {
    t.value(kConfig, "model_type", type, here + "model_type .*supported are .*llama");
  }
  t.value(kConfig, "model_type", std::string(900'000, 'x'), here + "model_type").what =
      "a long model_type";
}

void llama_numbers(Configs& t) {
  const std::string here = "config\\.json: .*";
  const Json bad[] = {0,   -1,  int64_t{2147483647}, int64_t{4294967295},
                      1.5, "8", Json::array(),       true};
  for (const char* key :
       {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "vocab_size", "max_position_embeddings", "head_dim"}) {
    for (const Json& value : bad) t.value(kConfig, key, value, here + key);
  }
  // In range, but of another model than the weights.
  t.value(kConfig, "hidden_size", 81, here + "head_dim");
  t.value(kConfig, "hidden_size", 144, "has shape");
  t.value(kConfig, "num_hidden_layers", 5, "missing tensor model\\.layers\\.4");
  t.value(kConfig, "vocab_size", 593, "has shape");
  t.value(kConfig, "num_attention_heads", 8, here + "num_attention_heads .*multiple");
  t.value(kConfig, "num_attention_heads", 3, "has shape");
  t.value(kConfig, "num_key_value_heads", 4, here + "num_attention_heads .*multiple");
  t.value(kConfig, "num_key_value_heads", 18, here + "num_attention_heads .*multiple");
  t.value(kConfig, "num_key_value_heads", 1, "has shape");
  t.value(kConfig, "head_dim", 7, here + "head_dim");
  t.value(kConfig, "tie_word_embeddings", false, "missing tensor lm_head");
  t.value(kConfig, "tie_word_embeddings", "yes", here + "tie_word_embeddings");
  for (const char* key : {"attention_bias", "mlp_bias"}) t.value(kConfig, key, true, here + key);
  for (const char* act : {"relu", "", "gelu"})
    t.value(kConfig, "hidden_act", act, here + "hidden_act");
  for (const Json& eps : {Json(0), Json(-1e-5), Json(1), Json(1e300), Json("1e-5"), Json(1e-300)})
    t.value(kConfig, "rms_norm_eps", eps, here + "rms_norm_eps");
  for (const Json& theta : {Json(0), Json(-1), Json(1), Json(1e300), Json("1e4"), Json(false)})
    t.value(kConfig, "rope_theta", theta, here + "rope_theta");
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    t.value(kConfig, key, Json::object({{"rope_type", "yarn"}, {"factor", -1}}),
            here + "(rotary|rope|yarn)");
    t.value(kConfig, key, "linear", here + "rope");
    t.value(kConfig, key, Json::object({{"rope_type", 7}}), here + "rope_type");
  }
  for (const Json& eos : {Json("2"), Json(2.5), Json::array({Json("</s>")}), Json::object()})
    t.value(kConfig, "eos_token_id", eos, here + "eos_token_id");
  t.add(
      "an eos list of 100000",
      [](const Folder& f) {
        Json list = Json::array();
        for (int i = 0; i < 100'000; ++i) list.push_back(i);
        f.set(kConfig, "eos_token_id", list);
      },
      "^error: .*config\\.json: .*eos_token_id");
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "vocab_size", "model_type"}) {
    t.add(
        std::string("no ") + key, [=](const Folder& f) { f.erase(kConfig, key); },
        "^error: .*config\\.json: .*" + std::string(key));
  }
}

void smolvlm_numbers(Configs& t) {
  const size_t first = t.cases.size();
  const std::string here = "config\\.json: .*";
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "image_size",
                          "patch_size", "num_channels", "intermediate_size"}) {
    for (const Json& value : {Json(0), Json(-1), Json(int64_t{4294967295}), Json("16")})
      t.value(kConfig, std::string("vision_config.") + key, value, here + key);
  }
  t.value(kConfig, "vision_config.patch_size", 513, here + "patch_size");
  t.value(kConfig, "vision_config.image_size", 8192, "has shape \\[1024, 48\\]");
  t.value(kConfig, "vision_config.patch_size", 1, "has shape \\[48, 3, 16, 16\\]");
  t.value(kConfig, "vision_config.num_attention_heads", 7, here + "num_attention_heads");
  t.value(kConfig, "vision_config.layer_norm_eps", 0, here + "layer_norm_eps");
  t.value(kConfig, "vision_config.num_channels", 4, here + "num_channels");
  t.value(kConfig, "vision_config.hidden_act", "quick_gelu", here + "hidden_act");
  for (const Json& value : {Json(), Json::array(), Json(1), Json("x")}) {
    t.value(kConfig, "vision_config", value, here + "vision_config");
    t.value(kConfig, "text_config", value, here + "text_config");
  }
  t.value(kConfig, "text_config.model_type", "gpt2", here + "model_type");
  t.value(kConfig, "text_config.num_attention_heads", 0, here + "num_attention_heads");
  for (const Json& value : {Json(0), Json(-4), Json(3), Json(65), Json("4"), Json(5)})
    t.value(kConfig, "scale_factor", value, here + "scale_factor");
  for (const Json& value : {Json(-1), Json(636), Json(int64_t{1} << 40), Json("<image>"), Json()})
    t.value(kConfig, "image_token_id", value, "image_token_id");
  t.value(kConfig, "image_token_id", 3, "image_token_id of config.json is 3");

  const char* pre = "preprocessor_config.json";
  const std::string there = "preprocessor_config\\.json";
  t.add(
      "no preprocessor", [=](const Folder& f) { f.remove(pre); },
      "^error: .*" + there + " is missing");
  t.file("a preprocessor that is a list", pre, "[]", there);
  t.file("a preprocessor that is cut", pre, "{\"size\":", there);
  t.value(pre, "size", 512, there + ".*size");
  for (const Json& edge : {Json(0), Json(-1), Json(1'000'000), Json("512"), Json(512.5)}) {
    t.value(pre, "size.longest_edge", edge, there + ".*longest_edge");
    t.value(pre, "max_image_size.longest_edge", edge, there + ".*longest_edge");
  }
  t.value(pre, "max_image_size.longest_edge", 384,
          there + ".*tiles of 384 pixels do not fit the tower, which takes 512");
  t.value(pre, "max_image_size.longest_edge", 1, there + ".*tiles");
  for (const Json& value : {Json("lanczos"), Json(0), Json(99), Json(-1)})
    t.value(pre, "resample", value, there + ".*resample");
  for (const Json& value : {Json(0), Json(-1), Json(1e300), Json("1/255")})
    t.value(pre, "rescale_factor", value, there + ".*rescale_factor");
  for (const char* key : {"image_mean", "image_std"}) {
    t.value(pre, key, 0.5, there + ".*" + key);
    t.value(pre, key, Json::array({Json(0.5), Json(0.5)}), there + ".*" + key);
    t.value(pre, key, Json::array({Json("a"), Json(1), Json(1)}), there + ".*" + key);
  }
  t.value(pre, "image_std", Json::array({Json(0), Json(1), Json(1)}), there + ".*image_std");
  t.value(pre, "image_std", Json::array({Json(1e-30), Json(1), Json(1)}), there + ".*image_std");
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"})
    t.value(pre, key, false, there + ".*" + key);
  for (const Json& value : {Json(0), Json(-64), Json(63), Json(int64_t{1} << 40), Json("64")})
    t.value("processor_config.json", "image_seq_len", value,
            "processor_config\\.json.*image_seq_len|image_seq_len");
  t.file("a processor that is cut", "processor_config.json", "{", "processor_config\\.json");
  for (size_t i = first; i < t.cases.size(); ++i) t.cases[i].fixture = "models/smolvlm2-a";
}

void others(Configs& t) {
  const std::string there = "generation_config\\.json";
  t.file("a generation config that is cut", "generation_config.json", "{\"eos", there);
  t.file("a generation config of a list", "generation_config.json", "[2]", there);
  t.value("generation_config.json", "eos_token_id", "2", there + ".*eos_token_id");
  t.add(
      "a generation config of 2 MB",
      [](const Folder& f) { f.write_hole("generation_config.json", "{", 2'000'000); },
      "^error: .*" + there + ": too large");
  t.file("a tokenizer config that is cut", "tokenizer_config.json",
         "{\"bos_token\":", "tokenizer_config\\.json");
  t.file("a tokenizer config of a list", "tokenizer_config.json", "[]", "tokenizer_config\\.json");

  // Keys that ask other programs to run code mean nothing here; saying so is enough.
  const auto code = [&](const std::string& key, const Json& value) {
    Case& c = t.add(
        key,
        [=](const Folder& f) {
          f.set(kConfig, key, value);
          f.write("modeling_evil.py", "open('pwned', 'w')");
        },
        "warning: config\\.json: .*" + key + ".*(code|ignored)");
    c.status = 0;
  };
  code("auto_map", Json::object({{"AutoModel", "modeling_evil.Evil"}}));
  code("trust_remote_code", true);
  code("custom_pipelines", Json::object({{"x", Json::object({{"impl", "modeling_evil.Evil"}})}}));
}

}  // namespace

std::vector<Case> config_cases() {
  Configs t;
  texts(t);
  llama_numbers(t);
  smolvlm_numbers(t);
  others(t);
  return t.cases;
}

}  // namespace ocelli::hostile
