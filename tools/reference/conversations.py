"""Conversations with tools and thinking, for templates of SmolLM3's kind: what goes into apply_chat_template."""


def function(name, description, properties, required=()):
    return {"type": "function", "function": {
        "name": name, "description": description,
        "parameters": {"type": "object", "properties": properties, "required": list(required)},
    }}  # fmt: skip


WEATHER = function("get_weather", "The weather in a city.", {
    "city": {"type": "string", "description": "its name, such as \"São Paulo\""},
    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": None},
}, ["city"])  # fmt: skip
ODD = function("odd", "It's \"odd\":\n\ttabs, back\\slashes, {braces}, <tags> & 'quotes'", {
    "x": {"type": ["number", "null"], "minimum": -1.5, "maximum": 1e20, "exclusiveMinimum": False, "default": 0.1},
    "größe": {"type": "integer", "const": 123456789012, "description": "图片 \u00a0\u200b\U0001f600 \x7f"},
    "empty": {}, "list": {"type": "array", "items": [], "default": [1, 2.0, True, None, "a'b", 'a"b', "a'\"b"]},
})  # fmt: skip
NOTHING = {"type": "function", "function": {"name": "now", "parameters": {}}}
SEARCH = function("search", "Finds pages.", {"query": {"type": "string"}, "top": {"type": "integer"}}, ["query"])
SIGNATURES = ["def read(path: str) -> str:\n    \"\"\"Reads a file.\"\"\"", "def add(a: int, b: int) -> int"]


def user(text):
    return {"role": "user", "content": text}


def system(text):
    return {"role": "system", "content": text}


def says(text, **more):
    return {"role": "assistant", "content": text, **more}


def calls(name, arguments, text=None):
    return says(text, tool_calls=[{"id": "call_1", "type": "function",
                                   "function": {"name": name, "arguments": arguments}}])  # fmt: skip


def result(text, **more):
    return {"role": "tool", "content": text, **more}


CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
THOUGHT = "<think>\nThey ask about Oslo.\nI should look it up.\n</think>\n"

HISTORIES = {
    "one": [user("What is the weather in Oslo?")],
    "odd_text": [user("  <think>12 + 34 = ?</think>\n\n{{ messages }} {% raw %} é图😀 '\"\\ \t")],
    "empty": [user("")],
    "parts": [user([{"type": "text", "text": "a list of parts"}]), says([{"type": "text", "text": "lost"}]), user("?")],
    "turns": [user("Hello"), says("\n\nHi! What can I do?"), user("Who are you?"), says("A model.\n"), user("Thanks")],
    "thought": [user("Oslo?"), says(THOUGHT + "It rains."), user("And tomorrow?")],
    "called": [user("Oslo?"), says(CALL), result('{"temperature": 3.5, "rain": true}'), says("It rains."), user("Bergen?")],
    "called_field": [user("Oslo?"), calls("get_weather", {"city": "Oslo"}), result("3 degrees", name="get_weather",
                     tool_call_id="call_1"), user("So?")],
    "called_thought": [user("Oslo?"), says(THOUGHT + CALL), result("[1, 2]"), result("<tool_response>x</tool_response>")],
    "reasoning": [user("2 + 2?"), says("4", reasoning_content="two and two"), user("Sure?")],
    "code": [user("Read a.txt"), says("<code>\nprint(read('a.txt'))\n</code>"), result("hello\n"), says("It says hello."),
             user("Add 1 and 2")],
    "ends_with_answer": [user("Hello"), says("Hi")],
}  # fmt: skip

SYSTEMS = {
    "": None, "plain": "You are a weather service.", "think": "Be brief. /think", "no_think": "/no_think",
    "no_think_more": "Be brief. /no_think\n", "both": "/think Answer in rhyme. /no_think  ", "override": "/system_override Only this.",
    "override_no_think": "Say little.\n/no_think /system_override \n", "empty": "", "spaces": "  two lines \n here  \n\n",
}  # fmt: skip

TOOLS = {
    "": {},
    "tools": {"tools": [WEATHER, SEARCH]},
    "odd": {"tools": [ODD]},
    "nothing": {"tools": [NOTHING]},
    "none": {"tools": []},
    "xml": {"xml_tools": [WEATHER, ODD]},
    "xml_text": {"xml_tools": ['{"name": "f"}', "é"]},
    "python": {"python_tools": SIGNATURES},
    "python_objects": {"python_tools": [SEARCH, ODD]},
    "xml_python": {"xml_tools": [SEARCH], "python_tools": SIGNATURES},
    "all": {"tools": [NOTHING, WEATHER], "xml_tools": [SEARCH], "python_tools": SIGNATURES},
}

# history, system, tools, enable_thinking (None: not given), add_generation_prompt
CASES = [
    ("one", "", "", None, True), ("one", "", "", False, True), ("one", "", "", True, True),
    ("one", "", "", None, False), ("one", "plain", "", None, True), ("one", "think", "", False, True),
    ("one", "no_think", "", None, True), ("one", "no_think", "", True, True), ("one", "no_think_more", "tools", None, True),
    ("one", "both", "", None, True), ("one", "override", "", None, True), ("one", "override", "tools", False, True),
    ("one", "override_no_think", "", None, True), ("one", "empty", "", None, True), ("one", "spaces", "tools", False, True),
    ("one", "", "tools", None, True), ("one", "", "tools", False, True), ("one", "plain", "tools", None, True),
    ("one", "", "odd", None, True), ("one", "", "odd", False, False), ("one", "plain", "nothing", None, True),
    ("one", "", "none", None, True), ("one", "", "xml", None, True), ("one", "plain", "xml", False, True),
    ("one", "", "xml_text", None, True), ("one", "", "python", None, True), ("one", "no_think", "python", None, True),
    ("one", "", "python_objects", None, True), ("one", "plain", "xml_python", None, True),
    ("one", "", "all", None, True), ("one", "think", "all", False, False),
    ("odd_text", "", "", None, True), ("odd_text", "plain", "odd", False, True), ("empty", "", "", None, True),
    ("parts", "", "", None, True), ("parts", "plain", "tools", False, True),
    ("turns", "", "", None, True), ("turns", "", "", False, True), ("turns", "both", "tools", None, False),
    ("turns", "override_no_think", "", None, True), ("thought", "", "", None, True), ("thought", "", "", False, True),
    ("thought", "think", "tools", None, True), ("called", "", "tools", None, True), ("called", "plain", "tools", False, True),
    ("called", "override", "xml", None, True), ("called_field", "", "tools", None, True),
    ("called_field", "no_think", "all", None, True), ("called_thought", "", "xml_python", None, True),
    ("called_thought", "spaces", "tools", False, False), ("reasoning", "", "", None, True),
    ("reasoning", "no_think", "tools", None, True), ("code", "", "python", None, True),
    ("code", "plain", "python_objects", False, True), ("ends_with_answer", "", "", None, False),
    ("ends_with_answer", "no_think", "tools", None, True),
]  # fmt: skip


def all_conversations():
    """name, messages, tools or None, further arguments, add_generation_prompt"""
    for history, opening, kind, thinking, prompt in CASES:
        given = SYSTEMS[opening]
        messages = ([] if given is None else [system(given)]) + HISTORIES[history]
        arguments = dict(TOOLS[kind])
        tools = arguments.pop("tools", None)
        if thinking is not None:
            arguments["enable_thinking"] = thinking
        name = " ".join(filter(None, [history, opening, kind, {None: "", True: "on", False: "off"}[thinking]]))
        yield name + ("" if prompt else " bare"), messages, tools, arguments, prompt
