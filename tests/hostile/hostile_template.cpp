// Rows C01 to C04: chat templates. Row C05, text that looks like control tokens, is tested in
// src/engine/text_guards_test.cpp.
#include "harness.h"

namespace ocelli::hostile {
namespace {

const std::string kHere = "^error: .*chat template: .*";

class Templates : public Table {
 public:
  // The template is refused when the model is loaded.
  Case& parsed(std::string what, std::string source, const std::string& says) {
    return add(
        std::move(what),
        [source = std::move(source)](const Folder& f) { f.write("chat_template.jinja", source); },
        kHere + says);
  }
  // When a question is asked.
  Case& rendered(std::string what, std::string source, const std::string& says) {
    Case& c = parsed(std::move(what), std::move(source), says);
    c.words = {"run", "-q", "-m", ".", "-p", "hi", "--show-prompt"};
    return c;
  }
};

std::string times(const std::string& unit, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += unit;
  return out;
}

void costs(Templates& t) {
  t.row("C01");
  const size_t first = t.cases.size();
  t.rendered("a long range", "{% for i in range(10**9) %}{{ i }}{% endfor %}", "(range|steps)");
  t.rendered("a range of 2 to the 62", "{{ range(4611686018427387904) | list | length }}", "range");
  t.rendered("loops in loops",
             "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
             "steps");
  t.rendered("empty loops in loops",
             times("{% for i in range(99999) %}", 8) + times("{% endfor %}", 8), "steps");
  t.rendered(
      "a text doubled 64 times",
      "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}"
      "{% endfor %}{{ ns.s | length }}",
      "(steps|large|long|bytes)");
  t.rendered("a text times a billion", "{{ 'a' * 1000000000 }}", "(steps|large|long|bytes)");
  t.rendered("a list times a billion", "{{ ([1] * 1000000000) | length }}",
             "(steps|large|long|items)");
  t.rendered("a list doubled 64 times",
             "{% set ns = namespace(l=[1]) %}{% for i in range(64) %}{% set ns.l = ns.l + ns.l "
             "%}{% endfor %}"
             "{{ ns.l | length }}",
             "(steps|large|long|items)");
  t.rendered("a wide format", "{{ '%2000000000d' % 5 }}", "asks for too much");
  t.rendered("a precise format", "{{ '%.2000000000f' % 5.0 }}", "asks for too much");
  t.rendered("a centred text", "{{ 'a' | center(2000000000) }}",
             "(wide|width|large|steps|long|bytes)");
  t.rendered("an indented text", "{{ ('a\n' * 1000) | indent(1000000) }}",
             "(wide|width|large|steps|long|bytes)");
  t.rendered("a power", "{{ 10 ** 1000000000 }}", "(64 bits|large|overflow|range|integer)");
  t.rendered("a tower of powers", "{{ 9 ** 9 ** 9 ** 9 }}",
             "(64 bits|large|overflow|range|integer)");
  t.rendered("replaced by more", "{% set s = 'a' * 100000 %}{{ s.replace('a', s) | length }}",
             "(steps|large|long|bytes)");
  t.rendered("joined by much", "{{ range(100000) | join('x' * 100000) | length }}",
             "(steps|large|long|bytes)");
  t.rendered("a long output", "{% for i in range(99999) %}" + times("x", 1000) + "{% endfor %}",
             "(output|large|long|steps|bytes)");
  t.rendered("a list that holds itself", "{% set l = [] %}{{ l.append(l) }}{{ l }}", "");
  t.cases.back().says = kHere;
  t.rendered("lists in lists without end",
             "{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% "
             "endfor %}{{ ns.l }}",
             "(deep|steps|nest)");
  t.rendered("batches",
             "{{ range(100000) | batch(1) | list | batch(1) | list | length }}" +
                 times("{{ range(100000) | batch(1) | list | length }}", 40),
             "steps");
  t.rendered("sorted again and again",
             "{% for i in range(1000) %}{{ range(1000) | sort | length }}{% endfor %}", "steps");
  t.rendered("a slice of slices", "{{ 'a'[::0] }}", "");
  t.cases.back().says = kHere;
  for (size_t i = first; i < t.cases.size(); ++i) t.cases[i].megabytes = 64, t.cases[i].seconds = 1;

  t.row("C02");
  t.parsed("60000 parentheses", "{{ " + times("(", 60'000) + "1" + times(")", 60'000) + " }}",
           "nest");
  t.parsed("60000 lists", "{{ " + times("[", 60'000), "nest");
  t.parsed("60000 objects", "{{ " + times("{1:", 60'000), "nest");
  t.parsed("20000 conditions", times("{% if a %}", 20'000), "nest");
  t.parsed("12000 loops", times("{% for a in b %}", 12'000), "nest");
  t.parsed("60000 nots", "{{ " + times("not ", 60'000) + "a }}", "nest");
  t.parsed("60000 minus signs", "{{ " + times("-", 60'000) + "1 }}", "nest");
  t.parsed("60000 attributes", "{{ a" + times(".a", 60'000) + " }}", "nest");
  t.parsed("50000 subscripts", "{{ a" + times("[0]", 50'000) + " }}", "nest");
  t.parsed("50000 filters", "{{ a" + times("|abs", 50'000) + " }}", "nest");
  t.parsed("30000 conditions in one", "{{ " + times("a if b else ", 20'000) + "c }}", "nest");
  t.parsed("15000 macros", times("{% macro a() %}", 15'000), "nest");
  t.rendered("a macro that calls itself", "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
             "(nest|deep)");
  t.rendered(
      "two macros that call each other",
      "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
      "(nest|deep|undefined)");
  t.rendered("a loop that calls itself",
             "{% for m in [[1]] recursive %}{{ loop([m]) }}{% endfor %}", "(nest|deep|recursive)");
}

void escapes(Templates& t) {
  t.row("C03");
  for (const char* source : {"{{ ''.__class__.__mro__ }}",
                             "{{ ().__class__.__bases__[0].__subclasses__() }}",
                             "{{ messages.__class__ }}",
                             "{{ messages.__init__.__globals__ }}",
                             "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
                             "{{ joiner.__init__.__globals__ }}",
                             "{{ namespace.__init__.__globals__ }}",
                             "{{ lipsum.__globals__['os'].popen('id').read() }}",
                             "{{ self.__init__.__globals__ }}",
                             "{{ config.items() }}",
                             "{{ request.application.__globals__ }}",
                             "{{ get_flashed_messages.__globals__ }}",
                             "{{ ''['__class__']['__mro__'] }}",
                             "{{ '' | attr('__class__') | attr('__mro__') }}",
                             "{{ '{0.__class__}'.format('') }}",
                             "{{ '%s' | format(''.__class__) }}",
                             "{{ __import__('os').system('id') }}",
                             "{{ eval('1') }}",
                             "{{ exec('1') }}",
                             "{{ open('/etc/passwd').read() }}",
                             "{{ range.__self__ }}",
                             "{{ raise_exception.__globals__ }}",
                             "{{ strftime_now.__globals__ }}",
                             "{{ url_for.__globals__ }}",
                             "{{ os.environ }}"}) {
    t.rendered(source, source, "(undefined|attribute|unknown|not|refus|no )");
  }
  for (const char* source :
       {"{% include '/etc/passwd' %}", "{% import '/etc/passwd' as x %}",
        "{% from 'os' import popen %}", "{% extends '/etc/passwd' %}",
        "{% block x %}{% endblock %}", "{% autoescape true %}{% endautoescape %}", "{% debug %}",
        "{% call nothing() %}", "{% trans %}x{% endtrans %}", "{% do messages.clear() %}"})
    t.parsed(
        source, source,
        "(include|import|from|extends|block|autoescape|debug|call|trans|do|endcall|unknown|not)");
}

void wrong(Templates& t) {
  t.row("C04");
  for (const char* source : {"{{",
                             "{%",
                             "{{ }",
                             "{{ a b }}",
                             "{{ a + }}",
                             "{% if %}",
                             "{% if a %}",
                             "{% endif %}",
                             "{% for %}",
                             "{% for a %}",
                             "{% for a in %}",
                             "{% for a in b %}",
                             "{% else %}",
                             "{% set %}",
                             "{% set a %}",
                             "{% set 1 = 2 %}",
                             "{% unknown %}",
                             "{{ 'a }}",
                             "{{ a | }}",
                             "{{ a | nothing }}",
                             "{{ a is nothing }}",
                             "{{ (a }}",
                             "{{ [a }}",
                             "{{ {a }}",
                             "{{ {'a': } }}",
                             "{{ a. }}",
                             "{{ a[ }}",
                             "{{ 1..2 }}",
                             "{{ 99999999999999999999999 }}",
                             "{{ \\x }}",
                             "{{ a ? b : c }}",
                             "{% macro %}",
                             "{% macro m( %}",
                             "{% raw %}x",
                             "{% if a %}{% endfor %}",
                             "{% for a in b %}{% endif %}",
                             "{# never ends",
                             "{{ 'a' 'b' c }}",
                             "{{ $ }}",
                             "{{ `a` }}",
                             "{% break %}",
                             "{% continue %}",
                             "{{ 1e999 }}x{{",
                             "{{ a if }}",
                             "{{ not }}",
                             "{% generation %}"})
    t.parsed(source, source, "[0-9]+:[0-9]+: ");
  for (const char* source : {"{{ messages[99].content }}",
                             "{{ nothing.x }}",
                             "{{ messages.x.y }}",
                             "{{ raise_exception('roles must alternate') }}",
                             "{{ raise_exception() }}",
                             "{{ raise_exception(messages) }}",
                             "{{ 1 / 0 }}",
                             "{{ 1 % 0 }}",
                             "{{ 1 // 0 }}",
                             "{{ 'a' + 1 }}",
                             "{{ messages() }}",
                             "{{ messages | join(1, 2, 3, 4) }}",
                             "{{ range() }}",
                             "{{ range('a') }}",
                             "{{ 'x'.nothing() }}",
                             "{{ 9223372036854775807 + 1 }}",
                             "{{ {}.x.y }}",
                             "{{ 'a' < 1 }}",
                             "{{ [] | first | upper | nothing(1) }}x",
                             "{% for a in 5 %}{% endfor %}",
                             "{% set a, b = [1] %}",
                             "{{ messages | tojson(indent=messages) }}",
                             "{{ strftime_now(5) }}",
                             "{{ 'a' * 'b' }}",
                             "{{ -'a' }}",
                             "{{ [1,2] | sum('a') }}",
                             "{{ namespace(1) }}"})
    t.rendered(source, source, "[0-9]+:[0-9]+: ");
  t.parsed("not UTF-8", "{{ a }}\xff\xfe", "UTF-8");
  t.parsed("300 KB", std::string(300'000, 'x'), "too large \\(300000 bytes, limit 262144\\)");
  t.add(
      "a GiB", [](const Folder& f) { f.write_hole("chat_template.jinja", "x", uint64_t{1} << 30); },
      "^error: .*chat_template\\.jinja: too large");
  t.add(
      "a folder", [](const Folder& f) { fs::create_directory(f.path() / "chat_template.jinja"); },
      "^error: .*chat_template\\.jinja.*folder");
  const auto config = [&](std::string what, const std::string& name, std::string text,
                          const std::string& says) {
    t.add(
        std::move(what), [=, text = std::move(text)](const Folder& f) { f.write(name, text); },
        "^error: .*" + says);
  };
  config("a template file that is cut", "chat_template.json", "{\"chat_template\": \"{{",
         "chat_template\\.json");
  config("a template that is a number", "chat_template.json", "{\"chat_template\": 5}",
         "chat_template\\.json.*chat_template");
  config("a list without names", "chat_template.json",
         "{\"chat_template\": [{\"template\": \"x\"}]}", "chat_template\\.json.*name");
  config("a list without templates", "chat_template.json",
         "{\"chat_template\": [{\"name\": \"x\"}]}", "chat_template\\.json.*template");
  config("a list without a default", "chat_template.json",
         "{\"chat_template\": [{\"name\": \"x\", \"template\": \"x\"}]}",
         "chat_template\\.json.*default");
  config("half a surrogate", "chat_template.json", "{\"chat_template\": \"\\ud800\"}",
         "chat_template\\.json");
}

}  // namespace

std::vector<Case> template_cases() {
  Templates t;
  costs(t);
  escapes(t);
  wrong(t);
  return t.cases;
}

}  // namespace ocelli::hostile
