#include "hub/curl.h"

#include "base/shared_library.h"

namespace ocelli::hub {
namespace {

using base::Result;

Result<Curl> load() {
  Curl c = {};
  base::SharedLibrary library(OCELLI_CURL_FILE);
  library.find("curl_easy_cleanup", c.curl_easy_cleanup);
  library.find("curl_easy_init", c.curl_easy_init);
  library.find("curl_easy_perform", c.curl_easy_perform);
  library.find("curl_easy_setopt", c.curl_easy_setopt);
  library.find("curl_easy_strerror", c.curl_easy_strerror);
  library.find("curl_free", c.curl_free);
  library.find("curl_global_init", c.curl_global_init);
  library.find("curl_slist_append", c.curl_slist_append);
  library.find("curl_slist_free_all", c.curl_slist_free_all);
  library.find("curl_url", c.curl_url);
  library.find("curl_url_cleanup", c.curl_url_cleanup);
  library.find("curl_url_get", c.curl_url_get);
  library.find("curl_url_set", c.curl_url_set);
  OCELLI_TRY(library.found("the network needs the library"));
  if (c.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return base::fail(base::Code::kInternal, "libcurl does not start; please report it");
  return c;
}

const Result<Curl>& loaded() {
  static const Result<Curl> curl = load();
  return curl;
}

}  // namespace

base::Status load_curl() {
  if (!loaded().ok()) return loaded().error();
  return {};
}

const Curl& curl() {
  OCELLI_CHECK(loaded().ok(), "libcurl is loaded");
  return loaded().value();
}

}  // namespace ocelli::hub
