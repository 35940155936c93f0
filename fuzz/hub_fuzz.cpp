// What a server of the Hub may say, and what a person may type: every parser ends with a value that
// is safe to use in a path, a header or a URL, or with a sentence.
#include "hub/headers.h"
#include "hub/listing.h"
#include "hub/names.h"
#include "hub/selection.h"
#include "hub/url.h"

namespace hub = ocelli::hub;

namespace {

void check_listing(std::string_view text) {
  std::vector<hub::RemoteFile> files;
  const auto parsed = hub::parse_tree_page(text, files);
  OCELLI_CHECK(parsed.ok() || !parsed.error().what.empty(), "an error is a sentence");
  for (const hub::RemoteFile& f : files) {
    OCELLI_CHECK(!f.path.empty() && f.path.front() != '/', "a path below the snapshot");
    OCELLI_CHECK(("/" + f.path + "/").find("/../") == std::string::npos, "a path that goes down");
    OCELLI_CHECK(f.size >= 0 && f.size <= hub::kMaxFileBytes, "a size");
    OCELLI_CHECK(f.blob.find_first_not_of("0123456789abcdef") == std::string::npos, "a hash");
  }
  const auto chosen = hub::select_files(files, {"a/b", "", "", ""}, {}, {});
  OCELLI_CHECK(!chosen.ok() || chosen->size() <= files.size(), "a choice");
  if (const auto commit = hub::parse_commit(text); commit.ok())
    OCELLI_CHECK(hub::is_commit(*commit), "a commit");
}

void check_head(std::string_view text) {
  hub::Headers headers;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1);
    if (!headers.add(rest.substr(0, end + 1))) break;
    rest.remove_prefix(end + 1);
  }
  for (const char* name : {"content-range", "link", "etag", "retry-after", "location"}) {
    const std::string_view value = headers.find(name);
    if (const auto range = hub::parse_content_range(value)) {
      OCELLI_CHECK(range->first >= 0 && range->first <= range->last, "a range");
    }
    const std::string tag = hub::strong_etag(value);
    OCELLI_CHECK(tag.find_first_of("\r\n ") == std::string::npos, "a tag fits into a header");
    (void)hub::next_link(value);
    const auto count = hub::parse_retry_after(value);
    OCELLI_CHECK(!count || *count >= 0, "seconds");
    static const hub::Url base = *hub::parse_url("https://example.com/a/b");
    if (const auto url = hub::join_url(base, value); url.ok()) {
      OCELLI_CHECK(url->scheme == "https" || url->scheme == "http", "a scheme");
      OCELLI_CHECK(!url->host.empty() && !url->port.empty(), "an origin");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_listing(text);
  check_head(text);
  if (const auto reference = hub::parse_reference(text); reference.ok()) {
    OCELLI_CHECK(hub::repo_of_folder(hub::repo_folder(reference->repo)).has_value(), "a folder");
    OCELLI_CHECK(reference->file.empty() || hub::check_path(reference->file).ok(), "a file");
  }
  const size_t half = size / 2;
  (void)hub::glob_match(text.substr(0, std::min<size_t>(half, 200)), text.substr(half));
  return 0;
}
