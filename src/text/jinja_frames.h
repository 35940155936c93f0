// Decides, before rendering, where the value of each name lies.
//
// Jinja2 compiles a template to a function and settles scopes then: a name that is assigned
// anywhere in a scope belongs to that scope, and what it is before the assignment depends on what
// was seen first (a read: the caller's variable; an assignment: nothing at all). Loops, macros,
// `with`, `filter`, `call`, block `set` and `generation` open scopes; `if` does not.
#pragma once

#include <string>

#include "text/jinja_ast.h"

namespace ocelli::text::jinja {

struct Parsed;

// Fills the frames and slots. Refuses `break` outside a loop, an assignment to `loop` inside one,
// and filters and tests that do not exist, unless inside an `if`, where Jinja2 looks them up late.
Status resolve_names(Parsed& parsed, const std::string& source);

}  // namespace ocelli::text::jinja
