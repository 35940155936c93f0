// Turns a template's tokens into statements. Grammar and precedence are those of Jinja2 with the
// loop control extension and transformers' {% generation %} blocks. Inheritance, includes and
// imports are refused: a chat template is one file and reads no other.
#pragma once

#include <algorithm>
#include <string>

#include "text/jinja_ast.h"
#include "text/jinja_lexer.h"

namespace ocelli::text::jinja {

struct Parsed {
  Block body;
  Frame frame;  // of the template's own scope
};

// `source` is normalized. Errors say LINE:COLUMN in `where`.
Result<Parsed> parse(const std::string& source);

// The cursor over the tokens, shared by the two halves of the parser.
class TokenStream {
 public:
  TokenStream(const std::string& source, std::vector<Token> tokens)
      : source_(source), tokens_(std::move(tokens)) {}
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool is(Tok type) const { return current().type == type; }
  bool is_name(std::string_view name) const { return is(Tok::kName) && current().text == name; }
  const Token& next() {
    const Token& token = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool skip(Tok type) { return is(type) && (next(), true); }
  bool skip_name(std::string_view name) { return is_name(name) && (next(), true); }
  Status expect(Tok type, std::string_view what);
  Status expect_name(std::string_view name);
  Result<std::string> identifier(std::string_view what);
  Error error(std::string what, size_t at) const {
    return fail(Code::kBadInput, std::move(what), place_of(source_, at));
  }
  Error unexpected(std::string_view wanted) const;

  // Nesting of expressions and blocks together, limited by kMaxNesting.
  class Nest {
   public:
    explicit Nest(TokenStream& stream) : stream_(stream) { ++stream_.nesting_; }
    ~Nest() { --stream_.nesting_; }
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;
    Status check() const;

   private:
    TokenStream& stream_;
  };

 private:
  const std::string& source_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
};

class ExprParser {
 public:
  explicit ExprParser(TokenStream& stream) : s_(stream) {}

  Result<ExprPtr> expression(bool with_cond = true);
  // One expression, or several with commas between them as a tuple.
  Result<ExprPtr> tuple(bool with_cond = true, std::string_view end_name = {},
                        bool parentheses = false);
  // What can stand left of "=" or after "for". `names_only` refuses namespace attributes.
  Result<ExprPtr> target(bool with_namespace, std::string_view end_name = {});
  Result<ExprPtr> name_target();
  Result<ExprPtr> filter(ExprPtr node, bool start_inline);

 private:
  Result<ExprPtr> logic(Expr::Type type, std::string_view word);
  Result<ExprPtr> negation();
  Result<ExprPtr> comparison();
  Result<ExprPtr> sum();
  Result<ExprPtr> concat();
  Result<ExprPtr> product();
  Result<ExprPtr> power();
  Result<ExprPtr> unary(bool with_filter = true);
  Result<ExprPtr> primary();
  Result<ExprPtr> name_or_constant();
  Result<ExprPtr> list();
  Result<ExprPtr> dict();
  Result<ExprPtr> postfix(ExprPtr node);
  Result<ExprPtr> filters_and_tests(ExprPtr node);
  Result<ExprPtr> attribute(ExprPtr node);
  Result<ExprPtr> subscript(ExprPtr node);
  Result<ExprPtr> subscript_part(std::vector<ExprPtr>& slice);
  Result<ExprPtr> call(ExprPtr node);
  Result<ExprPtr> test(ExprPtr node);
  Result<std::unique_ptr<CallArgs>> call_args();
  Status call_arg(CallArgs& args);
  Result<std::string> dotted_name();
  Result<ExprPtr> finish(ExprPtr node) const;  // sets the height and refuses a tree that is too high
  Result<ExprPtr> binary_chain(Expr::Type type, Result<ExprPtr> (ExprParser::*operand)(),
                               bool (*is_operator)(Tok, Op&));
  bool tuple_ends(std::string_view end_name) const;

  TokenStream& s_;
};

}  // namespace ocelli::text::jinja
