// What the environment says about the Hub, in the variables that its own library reads.
//
//   HF_ENDPOINT                      the Hub, a mirror or a local server (https://huggingface.co)
//   HF_HUB_CACHE, HF_HOME/hub,
//   XDG_CACHE_HOME/huggingface/hub   the folder of downloads (~/.cache/huggingface/hub)
//   HF_TOKEN, or the file HF_TOKEN_PATH or HF_HOME/token
//   HF_HUB_OFFLINE                   1: never open a connection
#pragma once

#include <string>

#include "base/result.h"

namespace ocelli::hub {

struct Settings {
  std::string endpoint;  // without a slash at the end
  std::string cache;     // holds models--owner--name
  std::string token;     // "" without one
  bool offline = false;
};

// The folder alone; it need not exist.
base::Result<std::string> cache_folder();
// A token with a space, a line end or anything else that cannot stand in a header is an error that
// does not repeat it.
base::Result<Settings> settings_from_environment();

}  // namespace ocelli::hub
