// The public interface (ocelli/ocelli.h) over the engine.
#include "engine/builtin.h"
#include "engine/messages.h"
#include "engine/session.h"
#include "ocelli/ocelli.h"

namespace ocelli {

using base::Json;
using engine::Engine;
using engine::Session;

struct Model::State {
  std::unique_ptr<Engine> engine;
};

struct Conversation::State {
  std::shared_ptr<Model::State> model;
  Session session;
  Json messages;
  std::vector<std::shared_ptr<const engine::PreparedImage>> images;
};

std::string_view version() {
  return OCELLI_VERSION;
}

Picture Picture::from_bytes(std::vector<std::byte> file) {
  Picture p("picture");
  p.bytes_ = std::move(file);
  p.is_file_ = false;
  return p;
}

Result<Model> Model::load(const std::string& path, const LoadOptions& options) {
  engine::EngineOptions o;
  o.threads = options.threads;
  o.context = options.context;
  o.exact = options.exact;
  if (!options.weights.empty()) {
    o.weights = encoding::from_name(options.weights);
    if (!o.weights) {
      return base::fail(Code::kUsage, "weights \"" + base::printable(options.weights, 40) +
                                          "\" are not known; f32, bf16, f16 and q8 are");
    }
  }
  OCELLI_ASSIGN(formats::ModelFolder folder,
                path.empty() ? engine::builtin_model() : formats::ModelFolder::open(path));
  auto state = std::make_shared<State>();
  OCELLI_ASSIGN(state->engine, Engine::load(std::move(folder), o));
  return Model(std::move(state));
}

bool Model::takes_pictures() const {
  return state_->engine->processor() != nullptr;
}
std::string_view Model::name() const {
  return state_->engine->name();
}

Result<Conversation> Model::chat(std::string_view system_prompt) const {
  OCELLI_ASSIGN(Session session, Session::create(*state_->engine));
  auto state = std::make_unique<Conversation::State>(
      Conversation::State{state_, std::move(session), Json::array(), {}});
  if (!system_prompt.empty())
    state->messages.push_back(engine::text_message("system", system_prompt));
  return Conversation(std::move(state));
}

Result<Answer> Model::ask(std::string_view question, std::vector<Picture> pictures,
                          const AskOptions& options) const {
  OCELLI_ASSIGN(Conversation conversation, chat());
  return conversation.ask(question, std::move(pictures), options);
}

Conversation::Conversation(std::unique_ptr<State> state) : state_(std::move(state)) {}
Conversation::Conversation(Conversation&&) noexcept = default;
Conversation& Conversation::operator=(Conversation&&) noexcept = default;
Conversation::~Conversation() = default;

Result<Answer> Conversation::ask(std::string_view question, std::vector<Picture> pictures,
                                 const AskOptions& options) {
  Engine& engine = *state_->model->engine;
  Json messages = state_->messages;
  auto images = state_->images;
  for (const Picture& picture : pictures) {
    base::MappedFile file;
    std::span<const std::byte> bytes = picture.bytes();
    if (picture.is_file()) {
      OCELLI_ASSIGN(file, base::MappedFile::open(picture.path()));
      bytes = file.bytes();
    }
    OCELLI_ASSIGN(auto image, engine.prepare_image(bytes, picture.path()));
    images.push_back(std::move(image));
  }
  messages.push_back(engine::user_message(question, pictures.size()));
  OCELLI_ASSIGN(const engine::Prompt prompt, engine.build_prompt(messages, images));

  engine::GenerateOptions g;
  g.max_tokens = options.max_tokens;
  g.trim_start = true;
  g.sampling.temperature = options.temperature;
  g.sampling.top_k = options.top_k;
  g.sampling.top_p = options.top_p;
  g.sampling.min_p = options.min_p;
  g.sampling.repetition_penalty = options.repetition_penalty;
  g.sampling.presence_penalty = options.presence_penalty;
  g.sampling.seed = options.seed;
  g.stop = options.stop;
  g.on_text = options.on_text;
  g.cancel = options.cancel;
  OCELLI_ASSIGN(engine::Generated out, state_->session.generate(prompt, g));
  if (out.finish != engine::FinishReason::kCancelled) {
    messages.push_back(engine::text_message("assistant", out.text));
    state_->messages = std::move(messages);
    state_->images = std::move(images);
  }
  Answer answer;
  answer.text = std::move(out.text);
  answer.finish_reason = engine::name(out.finish);
  answer.prompt_tokens = out.prompt_tokens;
  answer.reused_tokens = out.reused_tokens;
  answer.tokens = int64_t(out.ids.size());
  answer.first_token_seconds = out.first_token_seconds;
  answer.seconds = out.first_token_seconds + out.decode_seconds;
  return answer;
}

}  // namespace ocelli
