#include "hub/names.h"

#include <algorithm>
#include <iterator>

#include "base/utf8.h"

namespace ocelli::hub {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool all_words(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_word);
}

// Calls `each` for every part between slashes, until one returns false.
template <class F>
bool each_part(std::string_view path, F each) {
  for (;;) {
    const size_t end = path.find('/');
    if (!each(path.substr(0, end))) return false;
    if (end == path.npos) return true;
    path.remove_prefix(end + 1);
  }
}

bool good_repo_part(std::string_view part) {
  return !part.empty() && all_words(part) && part.front() != '-' && part.front() != '.' &&
         part.back() != '-' && part.back() != '.' && part.find("--") == part.npos &&
         part.find("..") == part.npos && !part.ends_with(".git");
}

bool is_device_name(std::string_view part) {
  const std::string stem = lower(part.substr(0, part.find('.')));
  static constexpr std::string_view kDevices[] = {"con", "prn", "aux", "nul"};
  if (std::find(std::begin(kDevices), std::end(kDevices), stem) != std::end(kDevices)) return true;
  return stem.size() == 4 && (stem.starts_with("com") || stem.starts_with("lpt")) &&
         stem[3] >= '0' && stem[3] <= '9';
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7f;
  });
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  }
  return out;
}

Status check_repo(std::string_view repo) {
  const bool good = repo.size() <= kMaxRepoBytes &&
                    std::count(repo.begin(), repo.end(), '/') <= 1 &&
                    each_part(repo, good_repo_part);
  if (good) return {};
  return fail(Code::kUsage,
              "is not the name of a model on the Hub; it looks like HuggingFaceTB/SmolVLM2-256M",
              base::printable(repo, 100));
}

Status check_revision(std::string_view revision) {
  const bool good =
      revision.size() <= kMaxRevisionBytes && each_part(revision, [](std::string_view part) {
        return !part.empty() && all_words(part) && part.front() != '-' && part.front() != '.' &&
               part.find("..") == part.npos && !part.ends_with(".lock");
      });
  if (good) return {};
  return fail(Code::kUsage, "is not a branch, tag or commit; \"main\" is the usual one",
              base::printable(revision, 100));
}

bool is_commit(std::string_view revision) {
  return revision.size() == 40 && std::all_of(revision.begin(), revision.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Status check_path(std::string_view path) {
  const char* wrong = nullptr;
  if (path.size() > kMaxPathBytes) wrong = "is too long";
  if (!base::is_valid_utf8(path)) wrong = "is not UTF-8";
  if (has_control(path)) wrong = "holds a control character";
  if (path.find('\\') != path.npos) wrong = "holds a backslash";
  const bool parts = each_part(path, [](std::string_view part) {
    return !part.empty() && part != "." && part != ".." && part.size() <= kMaxNameBytes;
  });
  if (!parts) wrong = "has a part that is empty, \".\", \"..\" or longer than 255 bytes";
  if (!wrong) return {};
  return fail(Code::kBadInput, "the name of a file of this repository " + std::string(wrong) +
                                   " (\"" + base::printable(path, 100) +
                                   "\"); nothing of it is taken");
}

Status check_portable(std::string_view path) {
  const bool good =
      path.find_first_of(":*?\"<>|") == path.npos && each_part(path, [](std::string_view part) {
        return !is_device_name(part) && !part.ends_with('.') && !part.ends_with(' ') &&
               !part.starts_with(' ') && !lower(part).ends_with(".lock");
      });
  if (good) return {};
  return fail(Code::kBadInput, "the name of a file cannot be kept on every file system (\"" +
                                   base::printable(path, 100) + "\"); leave it out with --exclude");
}

std::string repo_folder(std::string_view repo) {
  std::string out = "models--" + std::string(repo);
  if (const size_t slash = out.find('/'); slash != out.npos) out.replace(slash, 1, "--");
  return out;
}

std::optional<std::string> repo_of_folder(std::string_view folder) {
  if (!folder.starts_with("models--")) return std::nullopt;
  std::string repo(folder.substr(8));
  if (const size_t at = repo.find("--"); at != repo.npos) repo.replace(at, 2, "/");
  if (!check_repo(repo).ok()) return std::nullopt;
  return repo;
}

std::string Reference::text() const {
  return repo + (file.empty() ? "" : "/" + file) + (revision.empty() ? "" : "@" + revision) +
         (tag.empty() ? "" : ":" + tag);
}

namespace {

// The address bar of a browser: owner/name/tree/REVISION, owner/name/blob/REVISION/FILE.
void take_web_path(Reference& out) {
  for (const char* word : {"blob/", "resolve/", "tree/"}) {
    if (!out.file.starts_with(word)) continue;
    std::string rest = out.file.substr(std::string_view(word).size());
    const size_t slash = rest.find('/');
    out.revision = rest.substr(0, slash);
    out.file = slash == rest.npos ? "" : rest.substr(slash + 1);
    return;
  }
}

std::string_view without_site(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://", "hf://"}) {
    if (!text.starts_with(scheme)) continue;
    text.remove_prefix(scheme.size());
    break;
  }
  for (const std::string_view site : {"huggingface.co/", "www.huggingface.co/", "hf.co/"}) {
    if (text.starts_with(site)) return text.substr(site.size());
  }
  return text;
}

}  // namespace

Result<Reference> parse_reference(std::string_view text) {
  Reference out;
  std::string_view rest = without_site(text);
  if (const size_t query = rest.find_first_of("?#"); query != rest.npos)
    rest = rest.substr(0, query);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const auto take_after = [&](char mark) {
    const size_t at = rest.rfind(mark);
    if (at == rest.npos) return std::string();
    std::string after(rest.substr(at + 1));
    rest = rest.substr(0, at);
    return after;
  };
  out.tag = take_after(':');
  out.revision = take_after('@');
  const size_t owner = rest.find('/');
  const size_t name = owner == rest.npos ? rest.npos : rest.find('/', owner + 1);
  out.repo = rest.substr(0, name);
  if (name != rest.npos) {
    out.file = rest.substr(name + 1);
    take_web_path(out);
  }
  OCELLI_TRY(check_repo(out.repo));
  if (!out.revision.empty()) OCELLI_TRY(check_revision(out.revision));
  if (!out.tag.empty() && (out.tag.size() > 64 || !all_words(out.tag))) {
    return fail(Code::kUsage, "is not a quantization; after : stands one like Q4_K_M",
                base::printable(out.tag, 80));
  }
  if (out.file.empty()) return out;
  OCELLI_TRY(check_path(out.file));
  if (!lower(out.file).ends_with(".gguf") || !out.tag.empty()) {
    return fail(Code::kUsage,
                "a file can be named only if it is a .gguf file (\"" +
                    base::printable(out.file, 80) + "\"); choose others with --include",
                base::printable(text, 200));
  }
  return out;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = pattern.npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace ocelli::hub
