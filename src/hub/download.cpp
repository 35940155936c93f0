#include "hub/download.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/file.h"
#include "hub/content_hash.h"

namespace ocelli::hub {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

// The file that grows, and the hash of what is in it.
class Partial {
 public:
  static Result<Partial> open(const Directory& blobs, const std::string& name,
                              const RemoteFile& file) {
    OCELLI_ASSIGN(Fd fd, blobs.open_file(name, O_RDWR | O_CREAT | O_NOFOLLOW));
    Partial out(std::move(fd), blobs.path_of(name), file);
    return out;
  }

  int64_t have() const { return have_; }

  // Takes what an earlier run left, as far as it can be of this file.
  Status take_rest(const base::CancelToken* cancel) {
    const off_t size = lseek(fd_.get(), 0, SEEK_END);
    if (size < 0) return base::errno_error(errno, "read", path_);
    if (size > file_->size) return restart();
    std::vector<std::byte> buffer(kReadBytes);
    while (have_ < size) {
      if (cancel) OCELLI_TRY(cancel->check());
      const ssize_t got = pread(fd_.get(), buffer.data(),
                                size_t(std::min<int64_t>(size - have_, kReadBytes)), have_);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return base::errno_error(errno, "read", path_);
      if (got == 0) break;
      hash_.update({buffer.data(), size_t(got)});
      have_ += got;
    }
    return {};
  }

  Status restart() {
    if (ftruncate(fd_.get(), 0) != 0) return base::errno_error(errno, "write", path_);
    have_ = 0;
    hash_ = ContentHash(kind_of_name(file_->blob), file_->size);
    return {};
  }

  Status append(std::span<const std::byte> bytes) {
    if (int64_t(bytes.size()) > file_->size - have_) {
      return fail(Code::kNetwork, "the server sends more than it listed (limit " +
                                      std::to_string(file_->size) + " bytes); check HF_ENDPOINT");
    }
    hash_.update(bytes);
    while (!bytes.empty()) {
      const ssize_t put = pwrite(fd_.get(), bytes.data(), bytes.size(), have_);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) {
        base::Error error = base::errno_error(errno, "write", path_);
        error.what += "; the same command then continues";
        return error;
      }
      bytes = bytes.subspan(size_t(put));
      have_ += put;
    }
    return {};
  }

  bool hash_is_right() { return hash_.finish() == file_->blob; }

  Status sync() const {
    return fsync(fd_.get()) == 0 ? Status() : base::errno_error(errno, "write", path_);
  }

 private:
  Partial(Fd fd, std::string path, const RemoteFile& file)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        file_(&file),
        hash_(kind_of_name(file.blob), file.size) {}

  Fd fd_;
  std::string path_;
  const RemoteFile* file_;
  int64_t have_ = 0;
  ContentHash hash_;
};

// Fetches until the partial file has its full length.
class Fetch {
 public:
  Fetch(HttpClient& client, const RemoteFile& file, Partial& partial,
        const DownloadOptions& options)
      : client_(client), file_(file), partial_(partial), options_(options) {}

  Status run(const std::string& url) {
    most_ = partial_.have();
    return with_retries(
        client_, options_.retry, file_.path, [&] { return attempt(url); }, [&] { return most_; });
  }
  int64_t fetched() const { return fetched_; }
  // Answers that brought bytes.
  int parts() const { return parts_; }

 private:
  Answer attempt(const std::string& url) {
    Answer out;
    if (partial_.have() == file_.size) {  // nothing is missing: no need to ask
      out.head.status = 200;
      return out;
    }
    again_ = false;
    Request request{.url = url, .range = {}, .if_range = etag_, .on_head = {}, .on_body = {}};
    if (partial_.have() > 0 && ranges_) request.range = std::to_string(partial_.have()) + "-";
    asked_ = !request.range.empty();
    request.on_head = [this](const Head& head) { return check(head); };
    request.on_body = [this](std::span<const std::byte> bytes) -> Status {
      OCELLI_TRY(partial_.append(bytes));
      fetched_ += int64_t(bytes.size());
      most_ = std::max(most_, partial_.have());
      if (options_.on_progress) options_.on_progress(partial_.have());
      return {};
    };
    out = client_.get(request);
    if (out.error.ok() && out.head.status == 416 && asked_) {
      out.error = no_ranges("the server refuses to continue a file");
    } else if (out.error.ok() && out.head.status < 300 && partial_.have() < file_.size) {
      out.error =
          fail(Code::kNetwork, "the server ended the file early (" +
                                   std::to_string(partial_.have()) + " bytes of " +
                                   std::to_string(file_.size) + "); the same command continues");
      again_ = true;
    }
    out.transient = out.transient || again_;
    return out;
  }

  Status no_ranges(const char* what) {
    ranges_ = false;
    again_ = true;
    OCELLI_TRY(partial_.restart());
    return fail(Code::kNetwork, std::string(what) + "; it is asked for the whole");
  }

  Status check(const Head& head) {
    const std::string_view coding = head.headers.find("content-encoding");
    if (!coding.empty() && coding != "identity") {
      return fail(Code::kNetwork,
                  "the server compresses what was asked for as it is; check HF_ENDPOINT");
    }
    if (head.status == 206) {
      const auto range = parse_content_range(head.headers.find("content-range"));
      const bool right = asked_ && range && range->first == partial_.have() &&
                         (range->total < 0 || range->total == file_.size);
      if (!right) return no_ranges("the server sends another part than was asked for");
    } else if (partial_.have() > 0) {
      OCELLI_TRY(partial_.restart());  // the whole file is coming
    }
    const auto length = parse_count(head.headers.find("content-length"));
    if (length && *length != file_.size - partial_.have()) {
      return fail(Code::kNetwork, "the server has another size than it listed (" +
                                      std::to_string(*length) + " bytes, listed " +
                                      std::to_string(file_.size - partial_.have()) +
                                      "); try again later");
    }
    ++parts_;
    etag_ = strong_etag(head.headers.find("etag"));
    return {};
  }

  HttpClient& client_;
  const RemoteFile& file_;
  Partial& partial_;
  const DownloadOptions& options_;
  std::string etag_;
  int64_t fetched_ = 0, most_ = 0;
  int parts_ = 0;
  bool ranges_ = true, asked_ = false, again_ = false;
};

Result<bool> is_whole(const Directory& blobs, const RemoteFile& file,
                      const DownloadOptions& options) {
  if (blobs.file_size(file.blob) != file.size) return false;
  if (!options.check_present) return true;
  Result<std::string> hash = hash_file(blobs, file.blob, options.retry.cancel);
  if (!hash.ok()) return std::move(hash).error();
  return *hash == file.blob;
}

// Brings `partial` to its full length with the right hash.
Status complete(HttpClient& client, const RemoteFile& file, const std::string& url,
                const DownloadOptions& options, Partial& partial, int64_t& fetched) {
  const bool resumed = partial.have() > 0;
  Fetch fetch(client, file, partial, options);
  const Status done = fetch.run(url);
  fetched += fetch.fetched();
  OCELLI_TRY(done);
  const bool pieces = resumed || fetch.parts() > 1;
  if (partial.hash_is_right()) return {};
  OCELLI_TRY(partial.restart());
  if (pieces) {
    // The file changed between two parts, or what an earlier run left is damaged.
    Fetch again(client, file, partial, options);
    const Status whole = again.run(url);
    fetched += again.fetched();
    OCELLI_TRY(whole);
    if (partial.hash_is_right()) return {};
  }
  return fail(Code::kNetwork,
              "what came has another " + std::string(file.blob.size() == 64 ? "SHA-256" : "SHA-1") +
                  " than the Hub lists (" + file.blob.substr(0, 12) +
                  "...), and was removed; try again, or check HF_ENDPOINT",
              file.path);
}

}  // namespace

Result<std::string> hash_file(const Directory& folder, const std::string& blob,
                              const base::CancelToken* cancel,
                              const std::function<void(int64_t)>& on_progress) {
  OCELLI_ASSIGN(const Fd fd, folder.open_file(blob, O_RDONLY));
  const int64_t size = folder.file_size(blob).value_or(0);
  ContentHash hash(kind_of_name(blob), size);
  std::vector<std::byte> buffer(kReadBytes);
  for (int64_t at = 0;;) {
    if (cancel) OCELLI_TRY(cancel->check());
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::errno_error(errno, "read", folder.path_of(blob));
    if (got == 0) return hash.finish();
    hash.update({buffer.data(), size_t(got)});
    at += got;
    if (on_progress) on_progress(at);
  }
}

Result<Downloaded> download_blob(HttpClient& client, const RepoStore& store, const RemoteFile& file,
                                 const std::string& url, const DownloadOptions& options) {
  const Directory& blobs = store.blobs();
  Downloaded out;
  OCELLI_ASSIGN(const FileLock lock, store.lock(file.blob, options.retry.cancel));
  OCELLI_ASSIGN(out.was_present, is_whole(blobs, file, options));
  if (out.was_present) return out;
  // Without locks somebody else may be writing a file of this name.
  const std::string name =
      file.blob + (lock.exclusive() ? "" : "." + std::to_string(getpid())) + ".incomplete";
  {
    OCELLI_ASSIGN(Partial partial, Partial::open(blobs, name, file));
    OCELLI_TRY(partial.take_rest(options.retry.cancel));
    if (options.on_progress) options.on_progress(partial.have());
    const Status done = complete(client, file, url, options, partial, out.fetched);
    if (!done.ok()) {
      // Nothing is worth keeping of an empty file or one that only this process knows.
      if (partial.have() == 0 || !lock.exclusive()) OCELLI_TRY(blobs.remove(name));
      return done.error();
    }
    OCELLI_TRY(partial.sync());
  }
  OCELLI_TRY(blobs.rename(name, file.blob));
  OCELLI_TRY(blobs.sync());
  return out;
}

}  // namespace ocelli::hub
