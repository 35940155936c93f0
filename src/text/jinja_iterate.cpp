#include "text/jinja_iterate.h"

#include "base/utf8.h"

namespace ocelli::text::jinja {
namespace {

Result<Value> view_item(const ViewBox& view, size_t at) {
  const DictBox::Entry& entry = view.dict.dict().entries[at];
  if (view.what == ViewBox::What::kKeys) return entry.key;
  if (view.what == ViewBox::What::kValues) return entry.value;
  return make_tuple({entry.key, entry.value});
}

}  // namespace

bool Iteration::possible(const Value& source) {
  switch (source.kind()) {
    case Kind::kUndefined:
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kView:
    case Kind::kRange:
    case Kind::kIterator: return true;
    default: return false;
  }
}

Result<Iteration> Iteration::over(const Value& source) {
  if (!possible(source)) {
    return fail(Code::kBadInput,
                "a value of type " + std::string(type_name(source)) + " is not iterable");
  }
  Iteration iteration;
  iteration.source_ = source;
  return iteration;
}

Result<Value> Iteration::next(Meter& meter) {
  if (!meter.spend(1)) return Meter::error();
  switch (source_.kind()) {
    case Kind::kString: {
      const std::string& text = source_.str();
      if (at_ >= text.size()) return Value();
      const size_t start = at_;
      at_ += base::next_utf8(text, at_).bytes;
      return Value::string(text.substr(start, at_ - start));
    }
    case Kind::kList:
    case Kind::kTuple:
      if (at_ >= source_.items().size()) return Value();
      return source_.items()[at_++];
    case Kind::kDict:
      if (at_ >= source_.dict().entries.size()) return Value();
      return source_.dict().entries[at_++].key;
    case Kind::kView: {
      const ViewBox& view = source_.as<ViewBox>();
      if (at_ >= view.dict.dict().entries.size()) return Value();
      return view_item(view, at_++);
    }
    case Kind::kRange: {
      const RangeBox& range = source_.as<RangeBox>();
      if (at_ >= static_cast<size_t>(range.size)) return Value();
      return range_item(range, static_cast<int64_t>(at_++));
    }
    case Kind::kIterator: return source_.as<IteratorBox>().next();
    default: return Value();
  }
}

int64_t length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString: return value.char_count();
    case Kind::kList:
    case Kind::kTuple: return static_cast<int64_t>(value.items().size());
    case Kind::kDict: return static_cast<int64_t>(value.dict().entries.size());
    case Kind::kView: return length_of(value.as<ViewBox>().dict);
    case Kind::kRange: return value.as<RangeBox>().size;
    default: return -1;
  }
}

Value range_item(const RangeBox& range, int64_t index) {
  return Value::integer(range.start + index * range.step);
}

}  // namespace ocelli::text::jinja
