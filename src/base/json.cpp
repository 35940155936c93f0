#include "base/json.h"

#include "base/json_index.h"

namespace ocelli::base {

// A null box is an empty array or object, so that "[[],[],[]" costs no allocation per element.
struct Json::ArrayBox {
  Array items;
};

struct Json::ObjectBox {
  std::vector<Member> members;
  JsonIndex index;
};

namespace {

// The box, made or copied so that nobody else sees the change that follows.
template <class Box>
Box& own(std::shared_ptr<Box>& box) {
  if (!box) {
    box = std::make_shared<Box>();
  } else if (box.use_count() > 1) {
    box = std::make_shared<Box>(*box);
  } else {
    // One more count taken and given back orders us after the last reader who let go.
    std::shared_ptr<Box>(box).reset();
  }
  return *box;
}

constexpr size_t kShownBytes = 60;  // of a wrong value in an error

Error wrong(std::string_view key, std::string_view expected, const Json& value) {
  return fail(Code::kBadInput, "\"" + printable(key) + "\" must be " + std::string(expected) +
                                   " (" + printable(value.dump(), kShownBytes) + ")");
}

Error missing(std::string_view key) {
  return fail(Code::kBadInput, "\"" + printable(key) + "\" is missing");
}

std::string describe(IntRange range) {
  const bool low = range.min != INT64_MIN, high = range.max != INT64_MAX;
  std::string text = "an integer";
  if (low && high) {
    text += " from " + std::to_string(range.min) + " to " + std::to_string(range.max);
  } else if (low) {
    text += " of at least " + std::to_string(range.min);
  } else if (high) {
    text += " of at most " + std::to_string(range.max);
  }
  return text;
}

// The member, or null where it is missing or null; refuses to look into what is no object.
Result<const Json*> lookup(const Json& in, std::string_view key) {
  if (!in.is_object() && !in.is_null()) {
    return fail(Code::kBadInput, "expected an object with \"" + printable(key) + "\" (" +
                                     printable(in.dump(), kShownBytes) + ")");
  }
  const Json* member = in.find(key);
  return member && member->is_null() ? nullptr : member;
}

}  // namespace

Json Json::array(Array items) {
  Json json;
  std::shared_ptr<ArrayBox> box;
  if (!items.empty()) box = std::make_shared<ArrayBox>(ArrayBox{std::move(items)});
  json.v_ = std::move(box);
  return json;
}

Json Json::object(std::vector<Member> members) {
  Json json;
  json.v_ = std::shared_ptr<ObjectBox>();
  for (Member& member : members) json.set(std::move(member.first), std::move(member.second));
  return json;
}

Json Json::object(std::vector<Member> members, JsonIndex index) {
  Json json;
  std::shared_ptr<ObjectBox> box;
  if (!members.empty())
    box = std::make_shared<ObjectBox>(ObjectBox{std::move(members), std::move(index)});
  json.v_ = std::move(box);
  return json;
}

bool Json::as_bool() const {
  OCELLI_CHECK(is_bool(), "as_bool() of a JSON boolean");
  return std::get<bool>(v_);
}

int64_t Json::as_int() const {
  OCELLI_CHECK(is_int(), "as_int() of a JSON integer");
  return std::get<int64_t>(v_);
}

double Json::as_double() const {
  OCELLI_CHECK(is_number(), "as_double() of a JSON number");
  return is_int() ? double(std::get<int64_t>(v_)) : std::get<double>(v_);
}

const std::string& Json::as_string() const {
  OCELLI_CHECK(is_string(), "as_string() of a JSON string");
  return std::get<std::string>(v_);
}

const Json::Array& Json::items() const {
  OCELLI_CHECK(is_array(), "items() of a JSON array");
  static const Array kEmpty;
  const auto& box = std::get<std::shared_ptr<ArrayBox>>(v_);
  return box ? box->items : kEmpty;
}

const std::vector<Json::Member>& Json::members() const {
  OCELLI_CHECK(is_object(), "members() of a JSON object");
  static const std::vector<Member> kEmpty;
  const auto& box = std::get<std::shared_ptr<ObjectBox>>(v_);
  return box ? box->members : kEmpty;
}

size_t Json::size() const {
  if (is_array()) return items().size();
  return is_object() ? members().size() : 0;
}

const Json* Json::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  const auto& box = std::get<std::shared_ptr<ObjectBox>>(v_);
  if (!box) return nullptr;
  const size_t at = box->index.find(box->members, key);
  return at == JsonIndex::kNone ? nullptr : &box->members[at].second;
}

Result<int64_t> Json::get_int(std::string_view key, IntRange range) const {
  OCELLI_ASSIGN(const Json* member, lookup(*this, key));
  if (!member) return missing(key);
  if (!member->is_int() || member->as_int() < range.min || member->as_int() > range.max) {
    return wrong(key, describe(range), *member);
  }
  return member->as_int();
}

Result<int64_t> Json::get_int(std::string_view key, IntRange range, int64_t fallback) const {
  OCELLI_ASSIGN(const Json* member, lookup(*this, key));
  return member ? get_int(key, range) : fallback;
}

Result<double> Json::get_double(std::string_view key) const {
  OCELLI_ASSIGN(const Json* member, lookup(*this, key));
  if (!member) return missing(key);
  if (!member->is_number()) return wrong(key, "a number", *member);
  return member->as_double();
}

Result<double> Json::get_double(std::string_view key, double fallback) const {
  OCELLI_ASSIGN(const Json* member, lookup(*this, key));
  return member ? get_double(key) : fallback;
}

Result<bool> Json::get_bool(std::string_view key, bool fallback) const {
  OCELLI_ASSIGN(const Json* member, lookup(*this, key));
  if (!member) return fallback;
  if (!member->is_bool()) return wrong(key, "true or false", *member);
  return member->as_bool();
}

Result<std::string> Json::get_string(std::string_view key) const {
  OCELLI_ASSIGN(const Json* member, lookup(*this, key));
  if (!member) return missing(key);
  if (!member->is_string()) return wrong(key, "a string", *member);
  return member->as_string();
}

Result<std::string> Json::get_string(std::string_view key, std::string fallback) const {
  OCELLI_ASSIGN(const Json* member, lookup(*this, key));
  return member ? get_string(key) : fallback;
}

Json& Json::push_back(Json value) {
  OCELLI_CHECK(is_array(), "push_back() onto a JSON array");
  own(std::get<std::shared_ptr<ArrayBox>>(v_)).items.push_back(std::move(value));
  return *this;
}

Json& Json::set(std::string key, Json value) {
  OCELLI_CHECK(is_object(), "set() of a JSON object");
  ObjectBox& box = own(std::get<std::shared_ptr<ObjectBox>>(v_));
  const size_t at = box.index.find_or_add(box.members, key);
  if (at != JsonIndex::kNone) {
    box.members[at].second = std::move(value);
  } else {
    box.members.emplace_back(std::move(key), std::move(value));
  }
  return *this;
}

bool Json::operator==(const Json& other) const {
  if (kind() != other.kind()) return false;
  if (is_array()) return items() == other.items();
  if (!is_object()) return v_ == other.v_;
  if (size() != other.size()) return false;
  for (const Member& member : members()) {
    const Json* theirs = other.find(member.first);
    if (!theirs || !(member.second == *theirs)) return false;
  }
  return true;
}

}  // namespace ocelli::base
