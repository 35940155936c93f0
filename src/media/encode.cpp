#include "media/encode.h"

#include <png.h>

#include <csetjmp>

#include "base/check.h"

namespace ocelli::media {
namespace {

// libpng reports errors by a jump; append() therefore lets no exception through libpng's frames,
// and write_rows holds no object with a destructor.
struct Session {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<std::byte>* out;

  explicit Session(std::vector<std::byte>& bytes) : out(&bytes) {}
  Session(const Session&) = delete;
  ~Session() { png_destroy_write_struct(&png, &info); }
};

[[noreturn]] void stop_with_error(png_structp png, png_const_charp) {
  png_longjmp(png, 1);
}
void ignore_warning(png_structp, png_const_charp) {}
void no_flush(png_structp) {}

bool appended(std::vector<std::byte>& out, const png_byte* data, size_t count) {
  try {
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    out.insert(out.end(), bytes, bytes + count);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void append(png_structp png, png_bytep data, size_t count) {
  if (!appended(*static_cast<Session*>(png_get_io_ptr(png))->out, data, count))
    png_error(png, "no memory");
}

bool write_rows(Session& s, const Image& image) {
  s.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &s, stop_with_error, ignore_warning);
  if (s.png == nullptr) return false;
  if (setjmp(png_jmpbuf(s.png)) != 0) return false;
  s.info = png_create_info_struct(s.png);
  if (s.info == nullptr) return false;
  png_set_write_fn(s.png, &s, append, no_flush);
  png_set_IHDR(s.png, s.info, png_uint_32(image.width), png_uint_32(image.height), 8,
               PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(s.png, s.info);
  for (int y = 0; y < image.height; ++y) png_write_row(s.png, image.row(y));
  png_write_end(s.png, nullptr);
  return true;
}

}  // namespace

base::Result<std::vector<std::byte>> encode_png(const Image& image) {
  OCELLI_CHECK(image.width > 0 && image.height > 0, "a picture to encode has pixels");
  OCELLI_CHECK(image.rgb.size() == image.row_bytes() * size_t(image.height), "rgb is w * h * 3");
  std::vector<std::byte> bytes;
  Session session(bytes);
  if (!write_rows(session, image)) {
    return base::fail(base::Code::kDoesNotFit, "no memory to write the picture; make it smaller");
  }
  return bytes;
}

}  // namespace ocelli::media
