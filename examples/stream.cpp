// A conversation about a picture: answers appear word by word and are cut off after some seconds.
//
//   stream photo.jpg SECONDS "What is in the picture?" "Which colour is it?"
#include <ocelli/ocelli.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace {

// Requests a cancellation from a thread of its own unless it goes away before.
class Timer {
 public:
  Timer(const ocelli::CancelToken& cancel, double seconds)
      : thread_([this, cancel, seconds] {
          std::unique_lock lock(mutex_);
          const auto over = [this] { return over_; };
          if (!wake_.wait_for(lock, std::chrono::duration<double>(seconds), over)) cancel.request();
        }) {}
  ~Timer() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fputs("usage: stream PICTURE SECONDS QUESTION...\n", stderr), 2;

  const auto model = ocelli::Model::load("");
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.error().message().c_str()), 1;
  auto conversation = model->chat();
  if (!conversation.ok())
    return std::fprintf(stderr, "%s\n", conversation.error().message().c_str()), 1;

  std::vector<ocelli::Picture> pictures{
      argv[1]};  // shown with the first question, remembered after it
  for (int i = 3; i < argc; ++i) {
    const ocelli::CancelToken cancel;
    const Timer timer(cancel, std::atof(argv[2]));
    ocelli::AskOptions options;
    options.cancel = &cancel;
    options.on_text = [](std::string_view text) {
      std::printf("%.*s", int(text.size()), text.data());
      return std::fflush(stdout) == 0;  // stop when nobody reads any more
    };
    const auto answer = conversation->ask(argv[i], pictures, options);
    if (answer.ok()) {
      std::printf("\n[%s: %lld tokens, %lld of %lld prompt tokens reused]\n",
                  answer->finish_reason.c_str(), (long long)answer->tokens,
                  (long long)answer->reused_tokens, (long long)answer->prompt_tokens);
      pictures.clear();
    } else if (answer.error().code == ocelli::Code::kInterrupted) {
      std::puts("[cancelled before the first word]");
    } else {
      return std::fprintf(stderr, "%s\n", answer.error().message().c_str()), 1;
    }
  }
}
