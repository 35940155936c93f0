#include "text/jinja_parser.h"

#include <initializer_list>

#include "text/jinja_frames.h"

namespace ocelli::text::jinja {

Status TokenStream::Nest::check() const {
  if (stream_.nesting_ <= kMaxNesting) return {};
  return stream_.error("the template is nested too deeply (" + std::to_string(stream_.nesting_) +
                           ", limit " + std::to_string(kMaxNesting) + ")", stream_.current().at);
}

Error TokenStream::unexpected(std::string_view wanted) const {
  return error("expected " + std::string(wanted) + ", found " + describe(current()), current().at);
}

Status TokenStream::expect(Tok type, std::string_view what) {
  if (!is(type)) return unexpected(what);
  next();
  return {};
}

Status TokenStream::expect_name(std::string_view name) {
  if (!is_name(name)) return unexpected("\"" + std::string(name) + "\"");
  next();
  return {};
}

Result<std::string> TokenStream::identifier(std::string_view what) {
  if (!is(Tok::kName)) return unexpected(what);
  return next().text;
}

namespace {

using Names = std::initializer_list<std::string_view>;

class StatementParser {
 public:
  explicit StatementParser(TokenStream& stream) : s_(stream), e_(stream) {}

  // Statements up to a tag named in `ends` (left as the current token), or the template's end.
  Result<Block> block(Names ends) {
    TokenStream::Nest nest(s_);
    OCELLI_TRY(nest.check());
    Block body;
    while (!s_.is(Tok::kEof)) {
      const Token& token = s_.next();
      if (token.type == Tok::kData) {
        StatementPtr data = make(Statement::Type::kData, token.at);
        data->text = token.text;
        body.push_back(std::move(data));
      } else if (token.type == Tok::kVariableBegin) {
        StatementPtr print = make(Statement::Type::kPrint, s_.current().at);
        OCELLI_ASSIGN(print->expr, e_.tuple());
        OCELLI_TRY(s_.expect(Tok::kVariableEnd, "}}"));
        body.push_back(std::move(print));
      } else {
        if (at_end(ends)) return body;
        OCELLI_TRY(statement(body));
        OCELLI_TRY(s_.expect(Tok::kBlockEnd, "%}"));
      }
    }
    if (ends.size() != 0) return s_.unexpected("{% " + std::string(*(ends.end() - 1)) + " %}");
    return body;
  }

 private:
  static StatementPtr make(Statement::Type type, size_t at) {
    auto node = std::make_unique<Statement>();
    node->type = type;
    node->at = static_cast<uint32_t>(at);
    return node;
  }

  bool at_end(Names ends) const {
    for (std::string_view name : ends) {
      if (s_.is_name(name)) return true;
    }
    return false;
  }

  // The rest of the opening tag, the body, and (unless it is left for the caller) the closing name.
  Status body(Block& out, Names ends, bool drop = true) {
    s_.skip(Tok::kColon);
    OCELLI_TRY(s_.expect(Tok::kBlockEnd, "%}"));
    OCELLI_ASSIGN(out, block(ends));
    if (drop) s_.next();
    return {};
  }

  Status statement(Block& out) {
    if (!s_.is(Tok::kName)) return s_.unexpected("a tag's name");
    const Token& tag = s_.current();
    const std::string_view name = tag.text;
    if (name == "print") return print(out);
    Result<StatementPtr> node = one_statement(name);
    if (!node.ok()) return std::move(node).error();
    out.push_back(std::move(node).value());
    return {};
  }

  Result<StatementPtr> one_statement(std::string_view name) {
    if (name == "set") return set();
    if (name == "if") return if_();
    if (name == "for") return for_();
    if (name == "macro") return macro();
    if (name == "call") return call();
    if (name == "filter") return filter();
    if (name == "with") return with();
    const size_t at = s_.current().at;
    if (name == "generation") {
      StatementPtr node = make(Statement::Type::kGeneration, s_.next().at);
      OCELLI_TRY(body(node->body, {"endgeneration"}));
      return node;
    }
    if (name == "break" || name == "continue") {
      s_.next();
      return make(name == "break" ? Statement::Type::kBreak : Statement::Type::kContinue, at);
    }
    for (std::string_view other : {"include", "import", "from", "extends", "block", "autoescape"}) {
      if (name != other) continue;
      return s_.error("{% " + std::string(other) + " %} is not supported: a chat template is one "
                      "file and reads no other", at);
    }
    return s_.error("unknown tag " + describe(s_.current()), at);
  }

  Status print(Block& out) {
    s_.next();
    for (bool first = true; !s_.is(Tok::kBlockEnd); first = false) {
      if (!first) OCELLI_TRY(s_.expect(Tok::kComma, "\",\""));
      StatementPtr node = make(Statement::Type::kPrint, s_.current().at);
      OCELLI_ASSIGN(node->expr, e_.expression());
      out.push_back(std::move(node));
    }
    return {};
  }

  Result<StatementPtr> set() {
    StatementPtr node = make(Statement::Type::kSet, s_.next().at);
    OCELLI_ASSIGN(node->target, e_.target(true));
    if (s_.skip(Tok::kAssign)) {
      OCELLI_ASSIGN(node->expr, e_.tuple());
      return node;
    }
    node->type = Statement::Type::kSetBlock;
    OCELLI_ASSIGN(node->expr, e_.filter(nullptr, false));
    OCELLI_TRY(body(node->body, {"endset"}));
    return node;
  }

  Result<StatementPtr> if_() {
    StatementPtr node = make(Statement::Type::kIf, s_.current().at);
    while (true) {
      s_.next();  // if, elif
      Statement::Branch& branch = node->branches.emplace_back();
      OCELLI_ASSIGN(branch.test, e_.tuple(false));
      OCELLI_TRY(body(branch.body, {"elif", "else", "endif"}, false));
      if (s_.is_name("elif")) continue;
      if (s_.next().text == "else") OCELLI_TRY(body(node->otherwise, {"endif"}));
      return node;
    }
  }

  Result<StatementPtr> for_() {
    StatementPtr node = make(Statement::Type::kFor, s_.next().at);
    OCELLI_ASSIGN(node->target, e_.target(false, "in"));
    OCELLI_TRY(s_.expect_name("in"));
    OCELLI_ASSIGN(node->expr, e_.tuple(false, "recursive"));
    if (s_.skip_name("if")) {
      OCELLI_ASSIGN(node->test, e_.expression());
    }
    node->recursive = s_.skip_name("recursive");
    OCELLI_TRY(body(node->body, {"else", "endfor"}, false));
    if (s_.next().text == "else") OCELLI_TRY(body(node->otherwise, {"endfor"}));
    return node;
  }

  Status signature(Statement& node) {
    OCELLI_TRY(s_.expect(Tok::kLParen, "\"(\""));
    while (!s_.is(Tok::kRParen)) {
      if (!node.params.empty()) OCELLI_TRY(s_.expect(Tok::kComma, "\",\""));
      OCELLI_ASSIGN(ExprPtr name, e_.name_target());
      for (const ExprPtr& other : node.params) {
        if (other->name == name->name) return s_.error("an argument is named twice", name->at);
      }
      if (s_.skip(Tok::kAssign)) {
        OCELLI_ASSIGN(ExprPtr value, e_.expression());
        node.defaults.push_back(std::move(value));
      } else if (!node.defaults.empty()) {
        return s_.error("an argument without a default follows one with a default", name->at);
      }
      node.params.push_back(std::move(name));
    }
    return s_.expect(Tok::kRParen, "\")\"");
  }

  Result<StatementPtr> macro() {
    StatementPtr node = make(Statement::Type::kMacro, s_.next().at);
    OCELLI_ASSIGN(const ExprPtr name, e_.name_target());
    node->text = name->name;
    OCELLI_TRY(signature(*node));
    OCELLI_TRY(body(node->body, {"endmacro"}));
    return node;
  }

  Result<StatementPtr> call() {
    StatementPtr node = make(Statement::Type::kCallBlock, s_.next().at);
    if (s_.is(Tok::kLParen)) OCELLI_TRY(signature(*node));
    OCELLI_ASSIGN(node->expr, e_.expression());
    if (node->expr->type != Expr::Type::kCall) return s_.error("expected a call", node->at);
    OCELLI_TRY(body(node->body, {"endcall"}));
    return node;
  }

  Result<StatementPtr> filter() {
    StatementPtr node = make(Statement::Type::kFilterBlock, s_.next().at);
    OCELLI_ASSIGN(node->expr, e_.filter(nullptr, true));
    OCELLI_TRY(body(node->body, {"endfilter"}));
    return node;
  }

  Result<StatementPtr> with() {
    StatementPtr node = make(Statement::Type::kWith, s_.next().at);
    while (!s_.is(Tok::kBlockEnd)) {
      if (!node->params.empty()) OCELLI_TRY(s_.expect(Tok::kComma, "\",\""));
      OCELLI_ASSIGN(ExprPtr name, e_.target(false));
      OCELLI_TRY(s_.expect(Tok::kAssign, "\"=\""));
      OCELLI_ASSIGN(ExprPtr value, e_.expression());
      node->params.push_back(std::move(name));
      node->defaults.push_back(std::move(value));
    }
    OCELLI_TRY(body(node->body, {"endwith"}));
    return node;
  }

  TokenStream& s_;
  ExprParser e_;
};

}  // namespace

Result<Parsed> parse(const std::string& source) {
  OCELLI_ASSIGN(std::vector<Token> tokens, tokenize(source));
  TokenStream stream(source, std::move(tokens));
  Parsed parsed;
  OCELLI_ASSIGN(parsed.body, StatementParser(stream).block({}));
  OCELLI_TRY(resolve_names(parsed, source));
  return parsed;
}

}  // namespace ocelli::text::jinja
