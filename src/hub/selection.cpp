#include "hub/selection.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace ocelli::hub {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

using Files = std::vector<RemoteFile>;

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

bool is_gguf(std::string_view path) {
  return lower(path).ends_with(".gguf");
}

bool any_match(const std::vector<std::string>& patterns, std::string_view path) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& p) { return glob_match(p, path); });
}

bool has(const Files& files, std::string_view path) {
  return std::any_of(files.begin(), files.end(), [&](const auto& f) { return f.path == path; });
}

// Beside the weights; of the top folder only.
bool is_companion(std::string_view path) {
  static constexpr std::string_view kNames[] = {"*.json",    "*.jinja",  "*.txt",   "*.model",
                                                "README.md", "LICENSE*", "NOTICE*", "USE_POLICY*"};
  return path.find('/') == path.npos &&
         std::any_of(std::begin(kNames), std::end(kNames),
                     [&](std::string_view p) { return glob_match(p, path); });
}

// "N-of-M" as in model-00001-of-00002.
bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Files pick_safetensors(const Files& files) {
  const bool single = has(files, "model.safetensors");
  const bool sharded = has(files, "model.safetensors.index.json");
  Files out;
  for (const RemoteFile& f : files) {
    const bool weights = f.path.find('/') == f.path.npos && f.path.ends_with(".safetensors");
    if (weights ? (single    ? f.path == "model.safetensors"
                   : sharded ? glob_match("model-*-of-*.safetensors", f.path)
                             : true)
                : is_companion(f.path))
      out.push_back(f);
  }
  return out;
}

std::string list_tags(const Files& files) {
  std::set<std::string> tags;
  for (const RemoteFile& f : files) {
    if (is_gguf(f.path) && !is_mmproj(f.path)) tags.insert(gguf_tag(f.path));
  }
  std::string out;
  for (const std::string& tag : tags) {
    if (!tag.empty() && out.size() < 300) out += (out.empty() ? "" : ", ") + tag;
  }
  return out.empty() ? "none" : out;
}

// The picture part that goes with `tag`: of the same kind, else the most precise common one.
const RemoteFile* pick_mmproj(const Files& files, const std::string& tag) {
  for (const std::string& wanted :
       {tag, std::string("F16"), std::string("BF16"), std::string("Q8_0"), std::string("F32")}) {
    for (const RemoteFile& f : files) {
      if (is_gguf(f.path) && is_mmproj(f.path) && gguf_tag(f.path) == wanted) return &f;
    }
  }
  for (const RemoteFile& f : files) {
    if (is_gguf(f.path) && is_mmproj(f.path)) return &f;
  }
  return nullptr;
}

Result<const RemoteFile*> pick_gguf(const Files& files, const Reference& reference) {
  std::set<std::string> sets;
  const RemoteFile* first = nullptr;
  std::vector<std::string> wishes{upper(reference.tag)};
  if (reference.tag.empty()) wishes = {"Q4_K_M", "Q8_0"};
  for (const RemoteFile& f : files) {
    if (!reference.file.empty()) {
      if (f.path == reference.file) return &f;
      continue;
    }
    if (!is_gguf(f.path) || is_mmproj(f.path)) continue;
    sets.insert(split_stem(f.path));
    if (!first) first = &f;
  }
  for (const std::string& wish : reference.file.empty() ? wishes : std::vector<std::string>()) {
    for (const RemoteFile& f : files) {
      if (is_gguf(f.path) && !is_mmproj(f.path) && gguf_tag(f.path) == wish) return &f;
    }
  }
  if (reference.file.empty() && reference.tag.empty() && sets.size() == 1) return first;
  const std::string what = !reference.file.empty() ? "has no file of this name"
                           : reference.tag.empty() ? "has several GGUF files"
                                                   : "has no GGUF file " + reference.tag;
  return fail(
      Code::kUsage,
      what + "; choose one of " + list_tags(files) + ": ocelli pull " + reference.repo + ":TAG",
      reference.text());
}

Result<Files> pick_gguf_set(const Files& files, const Reference& reference) {
  OCELLI_ASSIGN(const RemoteFile* const chosen, pick_gguf(files, reference));
  const std::string stem = split_stem(chosen->path);
  const RemoteFile* const mmproj =
      is_mmproj(chosen->path) ? nullptr : pick_mmproj(files, gguf_tag(chosen->path));
  Files out;
  for (const RemoteFile& f : files) {
    const bool part = is_gguf(f.path) && split_stem(f.path) == stem;
    if (part || &f == mmproj || f.path == "README.md" || glob_match("LICENSE*", f.path))
      out.push_back(f);
  }
  return out;
}

Result<Files> pick(const Files& files, const Reference& reference,
                   const std::vector<std::string>& include) {
  if (!include.empty()) {
    Files out;
    std::copy_if(files.begin(), files.end(), std::back_inserter(out),
                 [&](const RemoteFile& f) { return any_match(include, f.path); });
    return out;
  }
  const auto any = [&](auto test) {
    return std::any_of(files.begin(), files.end(), [&](const auto& f) { return test(f.path); });
  };
  if (!reference.tag.empty() || !reference.file.empty()) return pick_gguf_set(files, reference);
  if (any([](const std::string& p) {
        return p.find('/') == p.npos && p.ends_with(".safetensors");
      }))
    return pick_safetensors(files);
  if (any([](const std::string& p) { return is_gguf(p); })) return pick_gguf_set(files, reference);
  const bool pickled = any([](const std::string& p) {
    return p.ends_with(".bin") || p.ends_with(".pt") || p.ends_with(".pth") || p.ends_with(".ckpt");
  });
  return fail(Code::kBadInput,
              pickled ? "has pickled weights only, and reading those can run code; look for a copy "
                        "with safetensors or GGUF files"
                      : "has no model weights (.safetensors or .gguf); choose files with --include",
              reference.text());
}

Status check_names(const Files& files) {
  std::set<std::string> seen;
  for (const RemoteFile& f : files) {
    OCELLI_TRY(check_portable(f.path));
    if (!seen.insert(lower(f.path)).second) {
      return fail(Code::kBadInput, "two files differ only in the case of letters (\"" +
                                       base::printable(f.path, 100) +
                                       "\"); leave one out with --exclude");
    }
  }
  return {};
}

}  // namespace

bool is_mmproj(std::string_view path) {
  return lower(base_name(path)).find("mmproj") != std::string::npos;
}

std::string split_stem(std::string_view path) {
  // NAME-00001-of-00002.gguf
  constexpr size_t kTail = 20;
  if (path.size() <= kTail) return std::string(path);
  const std::string_view tail = path.substr(path.size() - kTail);
  const bool split = tail[0] == '-' && is_digits(tail.substr(1, 5)) &&
                     tail.substr(6, 4) == "-of-" && is_digits(tail.substr(10, 5)) &&
                     lower(tail.substr(15)) == ".gguf";
  return std::string(split ? path.substr(0, path.size() - kTail) : path);
}

std::string gguf_tag(std::string_view path) {
  std::string stem = split_stem(path);
  if (is_gguf(stem)) stem.resize(stem.size() - 5);
  stem = upper(base_name(stem));
  // The last part after "-" or "." that looks like one: Q4_K_M, IQ4_NL, F16, BF16, TQ1_0, MXFP4.
  const size_t at = stem.find_last_of("-.");
  const std::string last = at == stem.npos ? stem : stem.substr(at + 1);
  static constexpr std::string_view kForms[] = {"Q?_*", "IQ?_*", "TQ?_*", "F16",
                                                "F32",  "BF16",  "MXFP4*"};
  const bool known = std::any_of(std::begin(kForms), std::end(kForms),
                                 [&](std::string_view f) { return glob_match(f, last); });
  return known ? last : "";
}

Result<std::vector<RemoteFile>> select_files(const std::vector<RemoteFile>& files,
                                             const Reference& reference,
                                             const std::vector<std::string>& include,
                                             const std::vector<std::string>& exclude) {
  OCELLI_ASSIGN(Files out, pick(files, reference, include));
  out.erase(std::remove_if(out.begin(), out.end(),
                           [&](const RemoteFile& f) { return any_match(exclude, f.path); }),
            out.end());
  if (out.empty()) {
    return fail(Code::kUsage, "no file of it is chosen; see --include and --exclude",
                reference.text());
  }
  OCELLI_TRY(check_names(out));
  return out;
}

}  // namespace ocelli::hub
