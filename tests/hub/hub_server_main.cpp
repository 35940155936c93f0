// ocelli_hub_server FOLDER [PORT]: serves FOLDER/OWNER/NAME/... as models at one commit each, for
// trying out other programs against the protocol. Prints its address; ends with its input.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "hub_server.h"

namespace fs = std::filesystem;

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [PORT]\n", argv[0]);
    return 2;
  }
  ocelli::test::HubServer server(argc > 2 ? std::atoi(argv[2]) : 0);
  for (const auto& owner : fs::directory_iterator(argv[1])) {
    if (!owner.is_directory()) continue;
    for (const auto& model : fs::directory_iterator(owner.path())) {
      ocelli::test::HubRepo repo;
      std::string all;
      for (const auto& file : fs::recursive_directory_iterator(model.path())) {
        if (!file.is_regular_file()) continue;
        std::ifstream in(file.path(), std::ios::binary);
        std::string& content = repo.files[fs::relative(file.path(), model.path()).generic_string()];
        content.assign(std::istreambuf_iterator<char>(in), {});
      }
      for (const auto& [path, content] : repo.files)
        all += path + ocelli::test::hub_sha256(content);
      repo.commit = ocelli::test::hub_git_sha1(all);
      server.set(fs::relative(model.path(), argv[1]).generic_string(), std::move(repo));
    }
  }
  std::printf("%s\n", server.url().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
