// The public interface (ocelli/ocelli.h) over the engine.
#include "engine/builtin.h"
#include "engine/messages.h"
#include "engine/session.h"
#include "engine/tools.h"
#include "ocelli/ocelli.h"

namespace ocelli {

using base::Json;
using engine::Engine;
using engine::Session;

using Images = std::vector<std::shared_ptr<const engine::PreparedImage>>;

struct Model::State {
  std::unique_ptr<Engine> engine;
};

struct Conversation::State {
  std::shared_ptr<Model::State> model;
  Session session;
  Json messages;
  Images images;

  Result<Answer> answer(Json new_messages, Images new_images, const AskOptions& options);
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
  o.packed = true;
  if (!options.weights.empty()) {
    o.weights = encoding::from_name(options.weights);
    if (!o.weights) {
      return base::fail(Code::kUsage,
                        "weights \"" + base::printable(options.weights, 40) +
                            "\" are not known; f32, bf16, f16, q8, q4, q8_0 and q4_0 are");
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

namespace {

// Variables for the chat template.
Result<Json> arguments_of(const Engine& engine, const AskOptions& options) {
  Json arguments = Json::object();
  if (!options.tools.empty()) {
    OCELLI_ASSIGN(arguments, engine::tool_arguments(options.tools).in("tools"));
    OCELLI_TRY(engine::check_tools(engine, arguments).in("tools"));
  }
  if (options.thinking != Thinking::kDefault)
    arguments.set("enable_thinking", options.thinking == Thinking::kOn);
  return arguments;
}

engine::GenerateOptions generate_options(const AskOptions& options) {
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
  g.cancel = options.cancel;
  return g;
}

// Hands pieces of an answer to whom they are for.
class Listener {
 public:
  Listener(const engine::AnswerFormat& format, const AskOptions& options)
      : parser_(format), options_(options) {}
  bool push(std::string_view text) { return tell(parser_.push(text)); }
  void finish() { tell(parser_.finish()); }

 private:
  bool tell(const std::vector<engine::AnswerPart>& parts) {
    for (const engine::AnswerPart& part : parts) {
      if (part.kind == engine::AnswerPart::Kind::kCall) continue;
      const bool text = part.kind == engine::AnswerPart::Kind::kText;
      const auto& told = text ? options_.on_text : options_.on_thinking;
      wanted_ = wanted_ && (!told || told(part.text));
    }
    return wanted_;
  }

  engine::AnswerParser parser_;
  const AskOptions& options_;
  bool wanted_ = true;
};

Answer make_answer(const engine::Generated& out, engine::ParsedAnswer parsed) {
  Answer answer;
  answer.finish_reason = engine::name(out.finish);
  if (!parsed.calls.empty() && out.finish == engine::FinishReason::kStop)
    answer.finish_reason = "tool_calls";
  for (engine::ToolCall& call : parsed.calls)
    answer.tool_calls.push_back({std::move(call.name), std::move(call.arguments)});
  answer.text = std::move(parsed.text);
  answer.thinking = std::move(parsed.thinking);
  answer.prompt_tokens = out.prompt_tokens;
  answer.reused_tokens = out.reused_tokens;
  answer.tokens = int64_t(out.ids.size());
  answer.first_token_seconds = out.first_token_seconds;
  answer.seconds = out.first_token_seconds + out.decode_seconds;
  return answer;
}

}  // namespace

// The next turn: what was said so far with what is new.
Result<Answer> Conversation::State::answer(Json new_messages, Images new_images,
                                           const AskOptions& options) {
  Engine& engine = *model->engine;
  OCELLI_ASSIGN(const Json arguments, arguments_of(engine, options));
  OCELLI_ASSIGN(const engine::Prompt prompt,
                engine.build_prompt(new_messages, new_images, arguments));
  const engine::AnswerFormat format = engine::answer_format(engine, prompt, arguments);
  engine::GenerateOptions g = generate_options(options);
  Listener listener(format, options);
  if (options.on_text || options.on_thinking)
    g.on_text = [&](std::string_view text) { return listener.push(text); };
  OCELLI_ASSIGN(const engine::Generated out, session.generate(prompt, g));
  listener.finish();
  if (out.finish != engine::FinishReason::kCancelled) {
    // As the model wrote it: templates know what to leave out of earlier turns, and what the cache
    // holds stays of use.
    new_messages.push_back(engine::text_message("assistant", out.text));
    messages = std::move(new_messages);
    images = std::move(new_images);
  }
  return make_answer(out, engine::parse_answer(format, out.text));
}

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
    OCELLI_ASSIGN(auto image, engine.prepare_file(bytes, picture.path()));
    images.push_back(std::move(image));
  }
  messages.push_back(engine::user_message(question, pictures.size()));
  return state_->answer(std::move(messages), std::move(images), options);
}

Result<Answer> Conversation::give(const std::vector<std::string>& results,
                                  const AskOptions& options) {
  if (results.empty()) return base::fail(Code::kUsage, "there is no result of a tool to give");
  Json messages = state_->messages;
  for (const std::string& result : results)
    messages.push_back(engine::text_message("tool", result));
  return state_->answer(std::move(messages), state_->images, options);
}

}  // namespace ocelli
