#include "benchmarks/random_models.h"

#include "base/json.h"

namespace ocelli::benchmarks {

using base::Json;
using encoding::Encoding;
using formats::TensorSpec;

namespace {

constexpr int64_t kTextVocab = 49152, kVisionVocab = 49280;
constexpr int64_t kImageToken = 49190, kEndOfUtterance = 49279;

int64_t vocab(const ModelSize& m) {
  return m.vocab ? m.vocab : m.tile ? kVisionVocab : kTextVocab;
}

void add_text(const ModelSize& m, const std::string& prefix, Encoding e,
              std::vector<TensorSpec>& out) {
  const int64_t q = m.heads * m.head_dim, kv = m.kv_heads * m.head_dim;
  out.push_back({prefix + "embed_tokens.weight", e, {vocab(m), m.hidden}});
  for (int64_t i = 0; i < m.layers; ++i) {
    const std::string layer = prefix + "layers." + std::to_string(i) + ".";
    out.push_back({layer + "input_layernorm.weight", e, {m.hidden}});
    out.push_back({layer + "self_attn.q_proj.weight", e, {q, m.hidden}});
    out.push_back({layer + "self_attn.k_proj.weight", e, {kv, m.hidden}});
    out.push_back({layer + "self_attn.v_proj.weight", e, {kv, m.hidden}});
    out.push_back({layer + "self_attn.o_proj.weight", e, {m.hidden, q}});
    out.push_back({layer + "post_attention_layernorm.weight", e, {m.hidden}});
    out.push_back({layer + "mlp.gate_proj.weight", e, {m.intermediate, m.hidden}});
    out.push_back({layer + "mlp.up_proj.weight", e, {m.intermediate, m.hidden}});
    out.push_back({layer + "mlp.down_proj.weight", e, {m.hidden, m.intermediate}});
  }
  out.push_back({prefix + "norm.weight", e, {m.hidden}});
}

// Weight [rows, cols] and bias [rows].
void add_biased(const std::string& name, int64_t rows, int64_t cols, Encoding e,
                std::vector<TensorSpec>& out) {
  out.push_back({name + ".weight", e, cols ? std::vector{rows, cols} : std::vector{rows}});
  out.push_back({name + ".bias", e, {rows}});
}

void add_vision(const ModelSize& m, Encoding e, std::vector<TensorSpec>& out) {
  const std::string prefix = "model.vision_model.";
  const int64_t h = m.vision_hidden, grid = m.tile / m.patch;
  out.push_back({prefix + "embeddings.patch_embedding.weight", e, {h, 3, m.patch, m.patch}});
  out.push_back({prefix + "embeddings.patch_embedding.bias", e, {h}});
  out.push_back({prefix + "embeddings.position_embedding.weight", e, {grid * grid, h}});
  for (int64_t i = 0; i < m.vision_layers; ++i) {
    const std::string layer = prefix + "encoder.layers." + std::to_string(i) + ".";
    add_biased(layer + "layer_norm1", h, 0, e, out);
    for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      add_biased(layer + "self_attn." + part, h, h, e, out);
    }
    add_biased(layer + "layer_norm2", h, 0, e, out);
    add_biased(layer + "mlp.fc1", m.vision_intermediate, h, e, out);
    add_biased(layer + "mlp.fc2", h, m.vision_intermediate, e, out);
  }
  add_biased(prefix + "post_layernorm", h, 0, e, out);
  out.push_back(
      {"model.connector.modality_projection.proj.weight", e, {m.hidden, h * m.scale * m.scale}});
}

Json text_config(const ModelSize& m) {
  return Json::object({{"model_type", m.family},
                       {"hidden_size", m.hidden},
                       {"intermediate_size", m.intermediate},
                       {"num_hidden_layers", m.layers},
                       {"num_attention_heads", m.heads},
                       {"num_key_value_heads", m.kv_heads},
                       {"head_dim", m.head_dim},
                       {"rope_theta", m.rope_theta},
                       {"rms_norm_eps", 1e-5},
                       {"max_position_embeddings", 8192},
                       {"vocab_size", vocab(m)},
                       {"pad_token_id", 2},
                       {"torch_dtype", "bfloat16"}});
}

Json config(const ModelSize& m) {
  if (!m.tile) {
    Json config = text_config(m);
    config.set("architectures", Json::array({"LlamaForCausalLM"}));
    config.set("bos_token_id", 1).set("eos_token_id", 2).set("tie_word_embeddings", true);
    if (m.vocab) config.set("max_position_embeddings", 65536).set("rms_norm_eps", 1e-6);
    return config;
  }
  // As on the hub: the keys of the tower that are the defaults of its class are left out.
  Json vision = Json::object({{"model_type", "smolvlm_vision"},
                              {"hidden_size", m.vision_hidden},
                              {"image_size", m.tile},
                              {"patch_size", m.patch},
                              {"num_attention_heads", m.vision_heads}});
  if (m.vision_layers != 12) {
    vision.set("num_hidden_layers", m.vision_layers);
    vision.set("intermediate_size", m.vision_intermediate);
  }
  return Json::object({{"architectures", Json::array({"SmolVLMForConditionalGeneration"})},
                       {"model_type", "smolvlm"},
                       {"image_token_id", kImageToken},
                       {"pad_token_id", 128002},
                       {"scale_factor", m.scale},
                       {"text_config", text_config(m)},
                       {"tie_word_embeddings", false},
                       {"torch_dtype", "float32"},
                       {"vision_config", vision},
                       {"vocab_size", vocab(m)}});
}

Json preprocessor(const ModelSize& m) {
  const auto edge = [](int64_t n) { return Json::object({{"longest_edge", n}}); };
  const Json half = Json::array({0.5, 0.5, 0.5});
  return Json::object({{"do_convert_rgb", true},
                       {"do_image_splitting", true},
                       {"do_normalize", true},
                       {"do_pad", true},
                       {"do_rescale", true},
                       {"do_resize", true},
                       {"image_mean", half},
                       {"image_processor_type", "SmolVLMImageProcessor"},
                       {"image_std", half},
                       {"max_image_size", edge(m.tile)},
                       {"processor_class", "SmolVLMProcessor"},
                       {"resample", 1},
                       {"rescale_factor", 0.00392156862745098},
                       {"size", edge(m.longest_edge)}});
}

constexpr char kVisionTemplate[] =
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}"
    "{{ ':' if message.content[0].type == 'image' else ': ' }}{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% elif part.type == 'image' %}{{ '<image>' }}"
    "{% endif %}{% endfor %}{{ '<end_of_utterance>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";
constexpr char kTextTemplate[] =
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + "
    "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% endif %}";

}  // namespace

const std::vector<ModelSize>& model_sizes() {
  static const std::vector<ModelSize> sizes = {
      {"SmolVLM2-256M", 576, 1536, 30, 9, 3, 100000, 512, 16, 4, 768, 12, 12, 3072, 2048},
      {"SmolVLM2-500M", 960, 2560, 32, 15, 5, 100000, 512, 16, 4, 768, 12, 12, 3072, 2048},
      {"SmolVLM2-2.2B", 2048, 8192, 24, 32, 32, 130000, 384, 14, 3, 1152, 27, 16, 4304, 1536},
      {"SmolLM2-135M", 576, 1536, 30, 9, 3, 100000, 0, 0, 0, 0, 0, 0, 0, 0},
      {"SmolLM2-360M", 960, 2560, 32, 15, 5, 100000, 0, 0, 0, 0, 0, 0, 0, 0},
      {"SmolLM2-1.7B", 2048, 8192, 24, 32, 32, 130000, 0, 0, 0, 0, 0, 0, 0, 0},
      {"SmolLM3-3B", 2048, 11008, 36, 16, 4, 5000000, 0, 0, 0, 0, 0, 0, 0, 0, 128, 128256,
       "smollm3"},
  };
  return sizes;
}

std::vector<TensorSpec> tensors(const ModelSize& m, Encoding e) {
  std::vector<TensorSpec> out;
  if (!m.tile) {
    add_text(m, "model.", e, out);  // the head is the embedding
    return out;
  }
  add_vision(m, e, out);
  add_text(m, "model.text_model.", e, out);
  out.push_back({"lm_head.weight", e, {vocab(m), m.hidden}});
  return out;
}

std::vector<std::pair<std::string, std::string>> folder_files(const ModelSize& m) {
  const int64_t eos = m.tile ? kEndOfUtterance : 2;
  const Json generation =
      Json::object({{"bos_token_id", 1}, {"eos_token_id", eos}, {"pad_token_id", 2}});
  const Json tokenizer = Json::object({{"bos_token", "<|im_start|>"},
                                       {"eos_token", m.tile ? "<end_of_utterance>" : "<|im_end|>"},
                                       {"pad_token", "<|im_end|>"},
                                       {"tokenizer_class", "GPT2Tokenizer"},
                                       {"unk_token", "<|endoftext|>"}});
  std::vector<std::pair<std::string, std::string>> files = {
      {"config.json", config(m).dump(2)},
      {"generation_config.json", generation.dump(2)},
      {"tokenizer.json", tokenizer_json(m.tile != 0)},
      {"tokenizer_config.json", tokenizer.dump(2)},
      {"chat_template.jinja", m.tile ? kVisionTemplate : kTextTemplate}};
  if (m.tile) {
    const int64_t side = m.tile / m.patch / m.scale;
    const Json processor =
        Json::object({{"image_seq_len", side * side}, {"processor_class", "SmolVLMProcessor"}});
    files.emplace_back("preprocessor_config.json", preprocessor(m).dump(2));
    files.emplace_back("processor_config.json", processor.dump(2));
  }
  return files;
}

}  // namespace ocelli::benchmarks
