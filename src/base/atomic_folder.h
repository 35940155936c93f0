// AtomicFolder: a folder that appears whole or not at all.
//
//   OCELLI_ASSIGN(AtomicFolder out, AtomicFolder::create("adapter"));
//   OCELLI_TRY(write_file_atomically(out.file("adapter_config.json"), text, 0644));
//   OCELLI_TRY(out.commit());     // without it nothing is left behind, an old folder stays
#pragma once

#include <string>

#include "base/result.h"

namespace ocelli::base {

// The names in a folder ("": the current one) to disk.
Status sync_folder(const std::string& path);
// A folder or file and all in it; nothing there is fine.
Status remove_folder(const std::string& path);

class AtomicFolder {
 public:
  // Files are written into a hidden folder beside `path`. What stands there already is replaced by
  // commit() where `replace` says so, and is an error otherwise, unless it is an empty folder.
  // Folders above it that are missing are made.
  static Result<AtomicFolder> create(const std::string& path, bool replace = false);

  AtomicFolder(AtomicFolder&& other) noexcept { *this = std::move(other); }
  AtomicFolder& operator=(AtomicFolder&& other) noexcept;
  ~AtomicFolder() { discard(); }

  // Where to write a file of this name until commit().
  std::string file(const std::string& name) const { return temporary_ + "/" + name; }

  // Everything to disk, the folder into place. On file systems that can exchange two folders at
  // once, a crash leaves the old one or the new one; on others it may leave the old one under the
  // hidden name. The files must have been committed themselves.
  Status commit();

 private:
  AtomicFolder() = default;
  void discard();

  std::string path_, temporary_;
  bool replace_ = false;
};

}  // namespace ocelli::base
