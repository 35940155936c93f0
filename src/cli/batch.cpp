#include "cli/batch.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/utf8.h"
#include "cli/inputs.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "engine/session.h"
#include "engine/tools.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

constexpr size_t kMaxAnswers = size_t{1} << 30;

// Where the lines go.
class Lines {
 public:
  static Result<Lines> open(const std::string& path) {
    Lines lines;
    if (path.empty()) return lines;
    OCELLI_TRY(lines.read_answered(path));
    lines.fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (lines.fd_ < 0) return base::errno_error(errno, "open", path);
    lines.path_ = path;
    return lines;
  }
  Lines(Lines&& o) noexcept
      : fd_(std::exchange(o.fd_, -1)),
        path_(std::move(o.path_)),
        answered_(std::move(o.answered_)) {}
  ~Lines() {
    if (fd_ >= 0) close(fd_);
  }

  bool answers(const std::string& model, const std::string& file, const std::string& question,
               const Json& settings) const {
    return answered_.count({base::replace_invalid_utf8(model), base::replace_invalid_utf8(file),
                            base::replace_invalid_utf8(question), settings.dump()}) > 0;
  }

  // One write for the whole line, so that a line is there or not.
  Status add(const std::string& line) {
    if (fd_ < 0) return print(line);
    std::string_view left = line;
    while (!left.empty()) {
      const ssize_t n = write(fd_, left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return base::errno_error(errno, "write", path_);
      left.remove_prefix(size_t(n));
    }
    return {};
  }

 private:
  Lines() = default;

  Status read_answered(const std::string& path) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) return {};  // new, or /dev/stdout
    OCELLI_ASSIGN(const std::string text, base::read_file(path, kMaxAnswers));
    const size_t whole = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
    if (whole < text.size() && truncate(path.c_str(), off_t(whole)) != 0)
      return base::errno_error(errno, "cut", path);
    int64_t number = 1;
    for (size_t at = 0; at < whole; ++number) {
      const size_t end = text.find('\n', at);
      const auto json = Json::parse(std::string_view(text).substr(at, end - at));
      if (!json.ok() || !json->is_object()) {
        return base::fail(Code::kBadInput,
                          "is not a file of answers (line " + std::to_string(number) +
                              " is not a JSON object); choose another one",
                          path);
      }
      const Json* files = json->find("files");
      const auto text_of = [&](const char* key) -> std::string {
        const Json* value = json->find(key);
        return value && value->is_string() ? value->as_string() : std::string();
      };
      if (json->find("answer") && files && files->is_array()) {
        const bool has = files->size() == 1 && files->items()[0].is_string();
        const Json* settings = json->find("settings");
        answered_.insert({text_of("model"), has ? files->items()[0].as_string() : "",
                          text_of("question"), settings ? settings->dump() : ""});
      }
      at = end + 1;
    }
    return {};
  }

  int fd_ = -1;
  std::string path_;
  std::set<std::array<std::string, 4>> answered_;  // model, file, question, settings
};

// What decides an answer besides model, file and question.
Json settings_of(const BatchOptions& options, const engine::Engine& engine) {
  Json json = options.generate.json();
  if (!engine.adapters().empty()) {
    Json list = Json::array();
    for (const engine::AdapterUse& use : engine.adapters())
      list.push_back(base::replace_invalid_utf8(use.folder) + "=" +
                     Json(double(use.weight)).dump());
    json.set("adapters", std::move(list));
  }
  if (!options.system.empty()) json.set("system", base::replace_invalid_utf8(options.system));
  if (!options.arguments.is_null()) json.set("template", options.arguments);
  return json;
}

// The line of an answer. `chat` holds what the file before began with: the same system prompt is
// not computed again.
Result<Json> answer(engine::Engine& engine, const BatchOptions& options, const std::string& file,
                    Draft& draft, engine::Session& chat, Session& session) {
  engine::ImageTimes times;
  const std::vector<std::string> files =
      file.empty() ? std::vector<std::string>() : std::vector<std::string>{file};
  const auto read = [&](engine::Engine& e) {
    return question_prompt(e, options.system, options.question, files,
                           &e == &engine ? &times : nullptr, options.arguments);
  };
  OCELLI_ASSIGN(const engine::Prompt prompt, read(engine));
  OCELLI_ASSIGN(engine::GenerateOptions g, options.generate.options());
  g.cancel = &session.cancel;
  g.trim_start = true;
  OCELLI_TRY(draft.begin(files, read, g));
  OCELLI_ASSIGN(engine::Generated out, chat.generate(prompt, g));
  out.images.decode += times.decode;
  out.images.resize += times.resize;
  return answer_json(engine, options.question, files, out,
                     engine::answer_format(engine, prompt, options.arguments));
}

}  // namespace

Result<int> run_batch(engine::Engine& engine, const BatchOptions& options, Draft& draft,
                      Session& session) {
  OCELLI_ASSIGN(Lines lines, Lines::open(options.output));
  const std::vector<std::string> files =
      options.files.empty() ? std::vector<std::string>{""} : options.files;
  const Json settings = settings_of(options, engine);
  OCELLI_ASSIGN(engine::Session chat, engine::Session::create(engine));
  ProgressBar bar(!options.quiet);
  int status = 0;
  int64_t skipped = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    if (lines.answers(engine.name(), input_name(files[i]), options.question, settings)) {
      ++skipped;
      continue;
    }
    bar.update(double(i) / double(files.size()), input_name(files[i]));
    auto out = answer(engine, options, files[i], draft, chat, session);
    const bool stopped = session.cancel.requested();
    if (stopped) {  // a half answer is no answer
      bar.clear();
      const char* next =
          options.output.empty() ? "stopped" : "stopped; the same command goes on from here";
      return base::fail(Code::kInterrupted, next, options.output);
    }
    const std::vector<std::string> named =
        files[i].empty() ? std::vector<std::string>() : std::vector<std::string>{files[i]};
    Json json;
    if (out.ok()) {
      json = std::move(*out);
    } else {
      if (status == 0) status = int(out.error().code);
      Json paths = Json::array();
      for (const auto& f : named) paths.push_back(base::replace_invalid_utf8(input_name(f)));
      json = Json::object({{"model", engine.name()},
                           {"files", std::move(paths)},
                           {"question", base::replace_invalid_utf8(options.question)},
                           {"error", error_json(out.error())}});
    }
    json.set("settings", settings);
    bar.clear();
    OCELLI_TRY(lines.add(json.dump() + "\n"));
  }
  if (skipped > 0 && !options.quiet)
    note("skipped " + std::to_string(skipped) + " that " + options.output + " already answers");
  return status;
}

}  // namespace ocelli::cli
