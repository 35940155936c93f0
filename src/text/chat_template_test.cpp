// Chat templates: our feature templates against transformers (tools/reference/make_templates.py),
// the interface, the choice of a template, and limits.
#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>

#include "base/file.h"

namespace ocelli::text {
namespace {

using base::Json;
using testing::ElementsAre;
using testing::HasSubstr;

std::string read_or_fail(const std::string& path) {
  auto content = base::read_file(path, size_t{64} << 20);
  EXPECT_TRUE(content.ok()) << content.error().message();
  return content.ok() ? *content : std::string();
}

Json json(std::string_view text) {
  auto parsed = Json::parse(text);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message();
  return parsed.ok() ? *parsed : Json();
}

base::Result<Rendered> render(std::string_view source, const Json& messages = Json::array(),
                              const RenderOptions& options = {}) {
  OCELLI_ASSIGN(const ChatTemplate chat, ChatTemplate::parse(source));
  return chat.render(messages, options);
}

// The text, or "error: " and the message.
std::string text_of(std::string_view source, const Json& messages = Json::array(),
                    const RenderOptions& options = {}) {
  const auto rendered = render(source, messages, options);
  return rendered.ok() ? rendered->text : "error: " + rendered.error().message();
}

RenderOptions options_of(const Json& context) {
  RenderOptions options;
  options.add_generation_prompt = context.get_bool("add_generation_prompt", false).value();
  if (const Json* tools = context.find("tools")) options.tools = *tools;
  if (const Json* variables = context.find("variables")) options.variables = *variables;
  return options;
}

TEST(ChatTemplate, RendersOurTemplatesAsTransformers) {
  const Json document = json(read_or_fail(std::string(OCELLI_FIXTURES) + "/jinja/cases.json"));
  ASSERT_TRUE(document.is_object());
  const Json& cases = *document.find("cases");
  EXPECT_GE(cases.size(), 700u);
  for (const Json& c : cases.items()) {
    const std::string& source = c.find("template")->as_string();
    const Json& context = *document.find("contexts")->find(c.find("context")->as_string());
    RenderOptions options = options_of(context);
    options.now = document.find("now")->as_int();
    const auto rendered = render(source, *context.find("messages"), options);
    if (c.find("error") != nullptr) {
      EXPECT_FALSE(rendered.ok()) << source << "\n gives " << rendered->text;
      if (rendered.ok()) continue;
      EXPECT_EQ(rendered.error().code, base::Code::kBadInput) << source;
      EXPECT_THAT(rendered.error().message(), testing::StartsWith("chat template: ")) << source;
      continue;
    }
    ASSERT_TRUE(rendered.ok()) << source << "\n" << rendered.error().message();
    EXPECT_EQ(rendered->text, c.find("text")->as_string()) << source;
    std::vector<TextSpan> spans;
    if (const Json* wanted = c.find("spans")) {
      for (const Json& span : wanted->items()) {
        spans.push_back({static_cast<size_t>(span.items()[0].as_int()),
                         static_cast<size_t>(span.items()[1].as_int())});
      }
    }
    EXPECT_EQ(rendered->generation, spans) << source;
  }
}

TEST(ChatTemplate, GivesSpecialTokensVariablesAndTheTime) {
  RenderOptions options;
  options.bos_token = "<s>";
  options.variables = json(R"({"answer": 42, "eos_token": "</s>"})");
  options.now = 1767355200;
  EXPECT_EQ(text_of("{{ bos_token }}{{ answer }}{{ eos_token }}{{ pad_token is defined }}",
                    Json::array(), options),
            "<s>42</s>False");
  EXPECT_EQ(text_of("{{ strftime_now('%d %B %Y') }}", Json::array(), options), "02 January 2026");
}

TEST(ChatTemplate, MarksWhatGenerationBlocksWrote) {
  const Json messages = json(R"([{"role":"user","content":"\u00e9"},{"role":"assistant","content":"ok"}])");
  const auto rendered = render(
      "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}!"
      "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}", messages);
  ASSERT_TRUE(rendered.ok());
  EXPECT_EQ(rendered->text, "\u00e9ok!");
  EXPECT_THAT(rendered->generation, ElementsAre(TextSpan{2, 5}));  // bytes
}

TEST(ChatTemplate, PassesReasoningUnderItsNewName) {
  EXPECT_EQ(text_of("{{ messages[0].reasoning_content }}{{ messages[0].thinking }}",
                    json(R"([{"role":"assistant","content":"a","reasoning":"r"}])")), "rr");
}

TEST(ChatTemplate, SaysWhereATemplateIsWrong) {
  EXPECT_EQ(text_of("a\n\u00e9{{ x y }}"),
            "error: chat template: 2:7: expected }}, found \"y\"; correct the template or "
            "download it again");
  EXPECT_THAT(text_of("{% if a %}"), HasSubstr("1:11: expected {% endif %}"));
  EXPECT_THAT(text_of("\n {{ nothing.x }}"), HasSubstr("chat template: 2:12: \"nothing\" is undefined"));
  EXPECT_THAT(text_of("{{ raise_exception('roles must alternate') }}"),
              HasSubstr("refuses this conversation: roles must alternate"));
}

TEST(ChatTemplate, RefusesWhatLeavesTheSandbox) {
  for (const char* source :
       {"{{ ''.__class__ }}", "{{ ''['__class__'] }}", "{{ [].__init__ }}", "{{ range.__globals__ }}",
        "{{ '{0.__class__}'.format('') }}", "{{ ''|attr('__class__') }}",
        "{{ messages|map(attribute='__class__')|list }}"}) {
    EXPECT_THAT(text_of(source, json(R"([{"role":"user"}])")), HasSubstr("not open to templates"))
        << source;
  }
  for (const char* source : {"{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}",
                             "{% from 'x' import y %}", "{% block x %}{% endblock %}"}) {
    EXPECT_THAT(text_of(source), HasSubstr("reads no other")) << source;
  }
  EXPECT_THAT(text_of("{{ messages.append(1) }}"), HasSubstr("templates cannot"));
}

TEST(ChatTemplate, RefusesBadMessagesAndSources) {
  EXPECT_THAT(text_of("", Json(1)), HasSubstr("the messages are no array"));
  EXPECT_THAT(text_of("", json("[1]")), HasSubstr("a message is no object"));
  EXPECT_THAT(text_of("a\xff"), HasSubstr("not UTF-8"));
  EXPECT_THAT(text_of(std::string((256 << 10) + 1, 'a')), HasSubstr("limit 262144"));
}

// --- limits: each is reached within a second, with a sentence that names it ---

std::string repeated(std::string_view part, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += part;
  return out;
}

struct Bomb {
  const char* name;
  std::string source;
  const char* says;
};

std::vector<Bomb> bombs() {
  const std::string doubling = "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(60) %}";
  return {
      {"long range", "{{ range(10**9) }}", "limit 100000"},
      {"loops", "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
                "x{% endfor %}{% endfor %}{% endfor %}", "limit 1000000"},
      {"silent loops", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
       "limit 1000000"},
      {"doubling", doubling + "{% set ns.s = ns.s + ns.s %}{% endfor %}", "limit 8388608"},
      {"replacing", doubling + "{% set ns.s = ns.s.replace('a', 'aa') %}{% endfor %}", "limit 8388608"},
      {"joining", doubling + "{% set ns.s = [ns.s, ns.s]|join %}{% endfor %}", "limit 8388608"},
      {"repeating", "{{ 'a' * 10**12 }}", "limit 8388608"},
      {"long list", "{{ [0] * 10**9 }}", "limit 100000"},
      {"padding", "{{ '%999999999d' % 1 }}", "limit 100000"},
      {"format width", "{{ '{:999999999}'.format(1) }}", "limit 100000"},
      {"centering", "{{ 'a'.center(10**15) }}", "limit 8388608"},
      {"indenting", "{{ 'a'|indent(10**15) }}", "limit 100000"},
      {"output", "{% for i in range(99999) %}" + std::string(1000, 'x') + "{% endfor %}", "limit 8388608"},
      {"parentheses", "{{ " + repeated("(", 60000), "limit 100"},
      {"brackets", "{{ " + repeated("[", 60000) + repeated("]", 60000) + " }}", "limit 100"},
      {"negations", "{{ " + repeated("not ", 60000) + "1 }}", "limit 100"},
      {"signs", "{{ " + repeated("-", 60000) + "1 }}", "limit 100"},
      {"ifs", repeated("{% if 1 %}", 20000), "limit 100"},
      {"filters", "{{ 1" + repeated("|abs", 60000) + " }}", "limit 200"},
      {"attributes", "{{ a" + repeated(".a", 60000) + " }}", "limit 200"},
      {"recursive macro", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "limit 100"},
      {"macros in turn", "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}"
                         "{{ a() }}", "limit 100"},
      {"recursive loop", "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "limit 100"},
      {"branching macro", "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}"
                          "{% endmacro %}{{ m(60) }}", "limit 1000000"},
      {"nested list", "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}"
                      "{% set ns.l = [ns.l] %}{% endfor %}", "limit 200"},
      {"nested generators", "{% set ns = namespace(l=[1]) %}{% for i in range(99999) %}"
                            "{% set ns.l = ns.l|map('string') %}{% endfor %}", "limit 200"},
      {"shared lists printed", "{% set ns = namespace(l=['x']) %}{% for i in range(100) %}"
                               "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}", "limit"},
      {"shared lists compared",
       "{% set ns = namespace(l=[], m=[]) %}{% for i in range(100) %}{% set ns.l = [ns.l, ns.l] %}"
       "{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}", "limit 1000000"},
      {"namespace in itself", "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}", "holds itself"},
      {"slow search", "{% set a = 'a' * 4000000 %}{% set b = 'a' * 2000000 + 'b' %}"
                      "{% for i in range(99999) %}{{ b in a }}{% endfor %}", "limit"},
      {"copies", "{% set a = 'a' * 8000000 %}{% for i in range(99999) %}{% set b = a.strip() %}"
                 "{{ a.startswith(a) }}{% endfor %}", "limit 1000000"},
      {"stripping", "{% set a = 'ab' * 4000000 %}{{ a.strip(a) ~ a.strip(a) ~ a.strip(a) }}", ""},
      {"large power", "{{ 10 ** 1000000000 }}", "limit 64 bits"},
      {"time", "{{ strftime_now('%Y' * 100000) }}", "limit 4096"},
      {"elifs", "{% if 0 %}" + repeated("{% elif 0 %}", 20000) + "{% endif %}", ""},
      {"sums", "{{ 1" + repeated("+1", 100000) + " }}", ""},
  };
}

double seconds_of(const std::string& source, std::string& text) {
  const std::clock_t start = std::clock();  // processor time: other programs do not count
  text = text_of(source);
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

TEST(ChatTemplateLimits, EveryBombIsRefusedInASecond) {
  // A second in an optimized build; a slower one (sanitizers) is known by its own plain loop, which
  // takes about 0.05.
  std::string text;
  const double loop = seconds_of("{% for a in range(99999) %}{% for b in [1, 2, 3] %}{% endfor %}"
                                 "{% endfor %}", text);
  const double limit = std::max(1.0, 20 * loop);
  for (const Bomb& bomb : bombs()) {
    const double spent = seconds_of(bomb.source, text);
    if (*bomb.says != '\0') {
      EXPECT_THAT(text.substr(0, 300), testing::AllOf(HasSubstr("error: chat template: "),
                                                      HasSubstr(bomb.says))) << bomb.name;
    } else {
      EXPECT_THAT(text.substr(0, 300), testing::Not(HasSubstr("error"))) << bomb.name;
    }
    EXPECT_LT(spent, limit) << bomb.name;
  }
}

// --- where the template comes from ---

TEST(ChooseTemplate, FollowsTheOrderOfTransformers) {
  TemplateFiles files;
  EXPECT_EQ(choose_template(files).value(), std::nullopt);
  files.tokenizer_config = R"({"chat_template": "from tokenizer"})";
  EXPECT_EQ(choose_template(files).value(), "from tokenizer");
  files.processor_config = R"({"chat_template": null})";
  EXPECT_EQ(choose_template(files).value(), "from tokenizer");
  files.processor_config = R"({"chat_template": "from processor"})";
  EXPECT_EQ(choose_template(files).value(), "from processor");
  files.json = R"({"chat_template": "from json"})";
  EXPECT_EQ(choose_template(files).value(), "from json");
  files.jinja = "from jinja";
  EXPECT_EQ(choose_template(files).value(), "from jinja");
}

TEST(ChooseTemplate, PicksAmongNamedTemplates) {
  TemplateFiles files;
  files.tokenizer_config = R"({"chat_template": [{"name": "default", "template": "D"},
                                                  {"name": "tool_use", "template": "T"}]})";
  EXPECT_EQ(choose_template(files).value(), "D");
  EXPECT_EQ(choose_template(files, true).value(), "T");
  EXPECT_EQ(choose_template(files, true, "default").value(), "D");
  EXPECT_THAT(choose_template(files, false, "rag").error().message(),
              HasSubstr("there is no template \"rag\" among (default, tool_use)"));
  files.tokenizer_config = R"({"chat_template": [{"name": "x", "template": "X"}]})";
  EXPECT_THAT(choose_template(files).error().message(), HasSubstr("no template \"default\""));
  files.tokenizer_config = R"({"chat_template": 5})";
  EXPECT_THAT(choose_template(files).error().message(), HasSubstr("tokenizer_config.json"));
  files.tokenizer_config = "{";
  EXPECT_FALSE(choose_template(files).ok());
}

// --- real templates, where the folder of models is present ---

constexpr int kRealChecks = 156;

std::string shared_models() {
  const char* set = std::getenv("OCELLI_SHARED");
  const std::string root = set != nullptr ? set : std::string(OCELLI_SOURCE_DIR) + "/../shared";
  return std::filesystem::is_directory(root + "/models") ? root + "/models" : std::string();
}

// The messages of a rendering as "number:text" of each span.
std::vector<std::string> said(std::string_view source, const Json& messages) {
  const auto rendered = render(source, messages);
  EXPECT_TRUE(rendered.ok()) << rendered.error().message();
  std::vector<std::string> out;
  for (const MessageSpan& span : rendered.ok() ? rendered->messages : std::vector<MessageSpan>())
    out.push_back(std::to_string(span.message) + ":" +
                  rendered->text.substr(span.begin, span.end - span.begin));
  return out;
}

TEST(ChatTemplateMessages, KnowsWhoseTheTextIs) {
  const Json chat = json(R"([{"role":"a","content":"x"},{"role":"b","content":"x"},
                             {"role":"a","content":["p","q"]}])");
  EXPECT_THAT(said("<{% for m in messages %}[{{ m.role }}{{ m.content }}]{% endfor %}>", chat),
              ElementsAre("0:[ax]", "1:[bx]", "2:[a['p', 'q']]"));
  // Through slices, filters, namespaces, conditions and a second walk.
  EXPECT_THAT(said("{% for m in messages[1:] %}{{ m.role }}{% endfor %}", chat),
              ElementsAre("1:b", "2:a"));
  EXPECT_THAT(said("{% for m in messages | selectattr('role', '==', 'a') | reverse %}"
                   "{{ loop.index }}{% endfor %}", chat),
              ElementsAre("2:1", "0:2"));
  EXPECT_THAT(said("{% set ns = namespace(all=messages) %}{% set rest = ns.all[::-1] %}"
                   "{% for m in rest if m.role == 'b' %}{{ m.content }}{% endfor %}", chat),
              ElementsAre("1:x"));
  // The parts of a message are its own; a loop over messages within one is of the inner ones.
  EXPECT_THAT(said("{% for m in messages[2:] %}({% for p in m.content %}{{ p }}{% endfor %}"
                   "{% for n in messages[:1] %}{{ n.role }}{% endfor %}){% endfor %}", chat),
              ElementsAre("2:(pq", "0:a", "2:)"));
}

TEST(ChatTemplateMessages, WhatIsCapturedCountsWhereItIsPrinted) {
  const Json chat = json(R"([{"role":"a","content":"x"},{"role":"b","content":"y"}])");
  EXPECT_THAT(said("{% macro w(m) %}<{{ m.content }}>{% endmacro %}"
                   "{% for m in messages %}{{ w(m) }}{% endfor %}", chat),
              ElementsAre("0:<x>", "1:<y>"));
  EXPECT_THAT(said("{% for m in messages %}{% set t %}{{ m.content }}!{% endset %}{{ t }}"
                   "{% generation %}g{% endgeneration %}{% endfor %}", chat),
              ElementsAre("0:x!g", "1:y!g"));
  // Gathered and printed behind the loop: nobody's.
  EXPECT_THAT(said("{% set ns = namespace(t='') %}{% for m in messages %}"
                   "{% set ns.t = ns.t + m.content %}{% endfor %}{{ ns.t }}", chat),
              ElementsAre());
}

// Renders known for one template; returns how many were checked.
int check_real(const std::string& models, const std::string& name, const Json& cases) {
  std::string source = read_or_fail(models + "/" + name);
  if (name.ends_with(".json")) {
    source = choose_template({.json = source}).value().value_or("");
  }
  const auto chat = ChatTemplate::parse(source);
  EXPECT_TRUE(chat.ok()) << name << chat.error().message();
  if (!chat.ok()) return 0;
  for (const auto& [title, c] : cases.members()) {
    RenderOptions options = options_of(c);
    options.variables = *c.find("kwargs");
    options.bos_token = "<bos>";
    options.now = 1767355200;
    if (const Json* tools = options.variables.find("tools")) options.tools = *tools;
    const auto rendered = chat->render(*c.find("messages"), options);
    const Json* wanted = c.find("text");
    if (wanted == nullptr) {
      EXPECT_FALSE(rendered.ok()) << name << " " << title;
    } else if (rendered.ok()) {
      EXPECT_EQ(rendered->text, wanted->as_string()) << name << " " << title;
    } else {
      ADD_FAILURE() << name << " " << title << ": " << rendered.error().message();
    }
  }
  return static_cast<int>(cases.size());
}

TEST(ChatTemplateShared, RendersRealTemplatesAsTransformers) {
  const std::string models = shared_models();
  const std::string goldens = models + "/_goldens/chat_renders.derived.json";
  if (models.empty() || !std::filesystem::exists(goldens)) {
    GTEST_SKIP() << "no folder of models: " << kRealChecks << " template checks skipped";
  }
  int done = 0;
  const Json known = json(read_or_fail(goldens));
  for (const auto& [name, cases] : known.find("templates")->members()) {
    done += check_real(models, name, cases);
  }
  EXPECT_GE(done, kRealChecks);
}

}  // namespace
}  // namespace ocelli::text
