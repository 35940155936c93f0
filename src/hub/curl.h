// libcurl, loaded with the first address or request. Internal to this room.
//
// Linking it would cost every start of the program 3.4 ms for the thirty libraries that it brings
// along, with no network in sight.
#pragma once

#include <curl/curl.h>

#include "base/result.h"

namespace ocelli::hub {

// The functions that are used, by their own names.
struct Curl {
  decltype(&::curl_easy_cleanup) curl_easy_cleanup;
  decltype(&::curl_easy_init) curl_easy_init;
  decltype(&::curl_easy_perform) curl_easy_perform;
  decltype(&::curl_easy_setopt) curl_easy_setopt;
  decltype(&::curl_easy_strerror) curl_easy_strerror;
  decltype(&::curl_free) curl_free;
  decltype(&::curl_global_init) curl_global_init;
  decltype(&::curl_slist_append) curl_slist_append;
  decltype(&::curl_slist_free_all) curl_slist_free_all;
  decltype(&::curl_url) curl_url;
  decltype(&::curl_url_cleanup) curl_url_cleanup;
  decltype(&::curl_url_get) curl_url_get;
  decltype(&::curl_url_set) curl_url_set;
};

// Loads and starts it at the first call and tells the same at every later one.
// Errors: kUsage where it is missing, kInternal where it does not start.
base::Status load_curl();

// Requires (CHECK) that it is loaded.
const Curl& curl();

}  // namespace ocelli::hub
