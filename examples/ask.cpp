// Asks a picture a question: load, ask, print.
//
//   ask photo.jpg "What is in the picture?" [MODEL]
#include <ocelli/ocelli.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 3) return std::fputs("usage: ask PICTURE QUESTION [MODEL]\n", stderr), 2;

  const auto model =
      ocelli::Model::load(argc > 3 ? argv[3] : "");  // "": the model that ships inside
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.error().message().c_str()), 1;
  const auto answer = model->ask(argv[2], {argv[1]});
  if (!answer.ok()) return std::fprintf(stderr, "%s\n", answer.error().message().c_str()), 1;
  std::puts(answer->text.c_str());
}
