// The wire format of protocol buffers, as far as sentencepiece_model.proto needs it: a message is a
// list of fields, each a varint (number << 3 | wire type) and a value. Wire types: 0 varint,
// 1 eight bytes, 2 length and bytes, 5 four bytes. A field that comes again replaces the former
// one; unknown fields are skipped.
#include "base/bounded_reader.h"
#include "base/utf8.h"
#include "formats/pieces.h"

namespace ocelli::formats {
namespace {

using base::BoundedReader;
using base::Code;
using base::fail;
using base::Result;
using base::Status;

struct Field {
  uint32_t number = 0;
  uint32_t wire = 0;
  uint64_t value = 0;                // of wire types 0, 1 and 5
  std::span<const std::byte> bytes;  // of wire type 2
  uint64_t offset = 0;

  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

Result<uint64_t> read_varint(BoundedReader& in) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    OCELLI_ASSIGN(const auto byte, in.read<uint8_t>("a number"));
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return fail(Code::kBadInput, "a number is longer than ten bytes at byte " +
                                   std::to_string(in.offset()) + "; not a SentencePiece model");
}

Result<Field> read_field(BoundedReader& in) {
  Field field;
  field.offset = in.offset();
  OCELLI_ASSIGN(const uint64_t tag, read_varint(in));
  field.number = static_cast<uint32_t>(std::min<uint64_t>(tag >> 3, UINT32_MAX));
  field.wire = static_cast<uint32_t>(tag & 7);
  if (field.wire == 0) {
    OCELLI_ASSIGN(field.value, read_varint(in));
  } else if (field.wire == 1) {
    OCELLI_ASSIGN(field.value, in.read<uint64_t>("a field"));
  } else if (field.wire == 2) {
    OCELLI_ASSIGN(const uint64_t length, read_varint(in));
    OCELLI_ASSIGN(field.bytes, in.read_bytes("a field", length));
  } else if (field.wire == 5) {
    OCELLI_ASSIGN(field.value, in.read<uint32_t>("a field"));
  } else {
    return fail(Code::kBadInput, "a field has an unknown wire type (" + std::to_string(field.wire) +
                                     ") at byte " + std::to_string(field.offset) +
                                     "; not a SentencePiece model");
  }
  return field;
}

Status expect_wire(const Field& field, uint32_t wire) {
  if (field.wire == wire) return {};
  return fail(Code::kBadInput, "field " + std::to_string(field.number) + " has wire type " +
                                   std::to_string(field.wire) + " instead of " +
                                   std::to_string(wire) + " at byte " +
                                   std::to_string(field.offset) + "; not a SentencePiece model");
}

// int32 fields are sign-extended to 64 bits on the wire.
Result<int32_t> int_of(const Field& field) {
  OCELLI_TRY(expect_wire(field, 0));
  return static_cast<int32_t>(static_cast<uint32_t>(field.value));
}

Result<bool> bool_of(const Field& field) {
  OCELLI_TRY(expect_wire(field, 0));
  return field.value != 0;
}

// message SentencePiece { string piece = 1; float score = 2; Type type = 3 [default = NORMAL]; }
Result<Piece> parse_piece(const Field& whole) {
  Piece piece;
  BoundedReader in(whole.bytes, whole.offset);
  while (in.remaining() > 0) {
    OCELLI_ASSIGN(const Field field, read_field(in));
    if (field.number == 1) {
      OCELLI_TRY(expect_wire(field, 2));
      if (field.bytes.size() > kMaxPieceBytes) {
        return fail(Code::kBadInput, "a piece is too long (" + std::to_string(field.bytes.size()) +
                                         " bytes, limit " + std::to_string(kMaxPieceBytes) + ")");
      }
      piece.text = field.text();
    } else if (field.number == 2) {
      OCELLI_TRY(expect_wire(field, 5));
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    } else if (field.number == 3) {
      OCELLI_TRY(expect_wire(field, 0));
      if (field.value < 1 || field.value > 6) {
        return fail(Code::kBadInput,
                    "a piece has an unknown type (" + std::to_string(field.value) + ")");
      }
      piece.type = static_cast<PieceType>(field.value);
    }
  }
  return piece;
}

// message TrainerSpec
Status parse_trainer(const Field& whole, PieceModel& model) {
  BoundedReader in(whole.bytes, whole.offset);
  while (in.remaining() > 0) {
    OCELLI_ASSIGN(const Field field, read_field(in));
    if (field.number == 3) {
      OCELLI_TRY(expect_wire(field, 0));
      if (field.value < 1 || field.value > 4) {
        return fail(Code::kBadInput,
                    "an unknown kind of model (" + std::to_string(field.value) + ")");
      }
      model.kind = static_cast<PieceKind>(field.value);
    } else if (field.number == 24) {
      OCELLI_ASSIGN(model.treat_whitespace_as_suffix, bool_of(field));
    } else if (field.number == 35) {
      OCELLI_ASSIGN(model.byte_fallback, bool_of(field));
    } else if (field.number >= 40 && field.number <= 43) {
      int32_t* const ids[] = {&model.unk_id, &model.bos_id, &model.eos_id, &model.pad_id};
      OCELLI_ASSIGN(*ids[field.number - 40], int_of(field));
    }
  }
  return {};
}

// message NormalizerSpec
Status parse_normalizer(const Field& whole, PieceModel& model) {
  BoundedReader in(whole.bytes, whole.offset);
  while (in.remaining() > 0) {
    OCELLI_ASSIGN(const Field field, read_field(in));
    if (field.number == 2) {
      OCELLI_TRY(expect_wire(field, 2));
      if (field.bytes.size() > kMaxCharsmapBytes) {
        return fail(Code::kBadInput, "the charsmap is too large (" +
                                         std::to_string(field.bytes.size()) + " bytes, limit " +
                                         std::to_string(kMaxCharsmapBytes) + ")");
      }
      model.precompiled_charsmap = field.text();
    } else if (field.number == 3) {
      OCELLI_ASSIGN(model.add_dummy_prefix, bool_of(field));
    } else if (field.number == 4) {
      OCELLI_ASSIGN(model.remove_extra_whitespaces, bool_of(field));
    } else if (field.number == 5) {
      OCELLI_ASSIGN(model.escape_whitespaces, bool_of(field));
    }
  }
  return {};
}

Status parse_model(std::span<const std::byte> bytes, PieceModel& model) {
  BoundedReader in(bytes);
  while (in.remaining() > 0) {
    OCELLI_ASSIGN(const Field field, read_field(in));
    if (field.number < 1 || field.number > 3) continue;
    OCELLI_TRY(expect_wire(field, 2));
    if (field.number == 1) {
      if (model.pieces.size() == kMaxPieces) {
        return fail(Code::kBadInput, "too many pieces (limit " + std::to_string(kMaxPieces) + ")");
      }
      OCELLI_ASSIGN(Piece piece,
                    parse_piece(field).in("piece " + std::to_string(model.pieces.size())));
      model.pieces.push_back(std::move(piece));
    } else if (field.number == 2) {
      OCELLI_TRY(parse_trainer(field, model).in("trainer_spec"));
    } else {
      OCELLI_TRY(parse_normalizer(field, model).in("normalizer_spec"));
    }
  }
  return {};
}

}  // namespace

Result<PieceModel> parse_sentencepiece(std::span<const std::byte> bytes) {
  PieceModel model;
  model.kind = PieceKind::kUnigram;  // what a file means that does not say
  if (bytes.size() > kMaxSentencePieceBytes) {
    return fail(Code::kBadInput, "the SentencePiece model is too large (" +
                                     std::to_string(bytes.size()) + " bytes, limit " +
                                     std::to_string(kMaxSentencePieceBytes) + ")");
  }
  OCELLI_TRY(parse_model(bytes, model));
  if (model.pieces.empty())
    return fail(Code::kBadInput, "no pieces; the file is empty or not a SentencePiece model");
  return model;
}

}  // namespace ocelli::formats
