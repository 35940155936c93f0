"""The feature templates of tests/fixtures/jinja/cases.json, written for this project.

CASES is a list of (group, context, template). The contexts are in CONTEXTS.
"""

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Says it's \"sunny\" or not\n(für heute)",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": None}},
                "required": ["city"],
                "strict": True,
                "limit": 1.5,
            },
        },
    },
    {"name": "noop", "parameters": {}},
]

CONTEXTS = {
    "empty": {"messages": []},
    "chat": {
        "messages": [
            {"role": "system", "content": "  Be brief.  "},
            {"role": "user", "content": "Hello <b>you</b> & \"me\""},
            {"role": "assistant", "content": "Hi!\nHow are you?"},
            {"role": "user", "content": "Fine – naïve café ß 你好 👋🏽"},
        ],
        "add_generation_prompt": True,
        "tools": TOOLS,
        "variables": {"bos_token": "<s>", "eos_token": "</s>", "enable_thinking": False, "x": 5},
    },
    "parts": {
        "messages": [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
            {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "image"}, {"type": "video"}]},
        ],
        "variables": {"bos_token": "<s>"},
    },
    "data": {
        "messages": [{"role": "user", "content": "q"}],
        "variables": {
            "n": 7, "neg": -3, "f": 2.5, "big": 1e20, "tiny": 1e-7, "t": True, "z": False, "nil": None,
            "s": "Hello, World", "e": "", "u": "ÀÉß ŉ ǆ İI ΣΑΣ", "q": "it's \"q\" \\ \t\n\x01\x7f\u00a0\u200b",
            "l": [3, 1, 2], "ll": [[1, 2], [3], []], "words": ["b", "A", "c", "B", "a"], "el": [],
            "d": {"b": 1, "a": 2, "C": 3}, "ed": {}, "nested": {"a": {"b": {"c": [10, 20, {"k": "v"}]}}},
            "users": [
                {"name": "Zoe", "age": 30, "city": "Rome", "tags": ["x", "y"], "on": True},
                {"name": "adam", "age": 25, "city": "Oslo", "tags": [], "on": False},
                {"name": "Bob", "age": 30, "city": "rome", "tags": ["z"], "on": True},
                {"name": "eve", "age": 5, "city": "Oslo", "tags": ["x"]},
            ],
            "lines": "one\ntwo\r\n\n  three\n", "items": {"keys": "k", "items": 1, "get": "g"},
            "mixed": [1, "1", 1.0, True, None, [1], {"a": 1}, 0.1, -0.0],
        },
    },
}

OUTPUT = """
plain text|{{ 1 }}|{{ "a" }}|{{ n }} {{ f }} {{ t }} {{ z }} {{ nil }}|{{ big }} {{ tiny }}|{{ 1e16 }} {{ 123456789012345680.0 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ -0.0 }}
{{ s }}|{{ l }}|{{ d }}|{{ nested }}|{{ mixed }}|{{ [s, q, u] }}|{{ (1,) }} {{ () }} {{ (1, 2) }} {{ 1, 2 }}|{{ ["'"] }} {{ ['"'] }} {{ ['\\'"'] }}
{{ ['\\n\\t\\r\\x00\\x1f\\x7f\\xa0\\u200b\\ud7ff\\ue000\\U0001F600é'] }}|{{ {1: 2, 'a': none, true: 1.5, (1, 2): []} }}|{{ {} }} {{ [] }} {{ [[]] }}|{{ missing }}|{{ [missing] }}
{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }} {{ 1_0.5 }} {{ 1e3 }} {{ 1E-3 }} {{ 00 }}|{{ 'a' 'b' "c" }}|{{ "\\x41\\u00e9\\101\\a\\b\\q" }}|{{ 'multi
line' }}|{{ 1.0 }} {{ 100.0 }} {{ 1.1 }} {{ 3.14159265358979 }} {{ 1/3 }}|{{ True }} {{ true }} {{ None }} {{ none }}|{{ range(5) }} {{ range(1, 5, 2) }}
{% print 1, "a", n %}|{{ d.keys() }} {{ d.values() }} {{ d.items() }}|{{ namespace(a=1, b='x') }}|{{ "{{ no }}" }} {{ '%}' }}|{{ "a" ~ 1 ~ 1.5 ~ none ~ missing ~ [1] }}|{{ {'a': [1, {'b': (1, 2)}]} }}
{{ 9223372036854775807 }} {{ -9223372036854775807 }}|{{ 1.7976931348623157e308 }} {{ 5e-324 }} {{ 1e308 * 10 }} {{ -1e308 * 10 }}|{{ 2.0 ** 0.5 }} {{ 1e23 }} {{ 9007199254740993.0 }}
"""

OPERATORS = """
{{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ 7 / 2 }} {{ 8 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }}|{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2.0 ** 3 }} {{ 10 ** 18 }}
{{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ 7.5 % 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ -0.0 // 1 }} {{ 1e300 // 7 }} {{ 5.0 % 5 }} {{ -5.0 % 5 }}|{{ t + t }} {{ t * 3 }} {{ -t }} {{ +z }} {{ 1 + 1.5 }}
{{ "a" + "b" }} {{ "ab" * 3 }} {{ 2 * "xy" }} {{ "a" * -1 }}|{{ [1] + [2] }} {{ [0] * 3 }} {{ (1,) + (2,) }} {{ (1, 2) * 2 }}|{{ 1 == 1.0 }} {{ 1 == true }} {{ "1" == 1 }} {{ none == none }} {{ [1, 2] == [1, 2.0] }} {{ (1,) == [1] }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 3 > 2 >= 2 != 1 }} {{ "a" < "b" }} {{ "Z" < "a" }} {{ "é" > "z" }} {{ [1, 2] < [1, 3] }} {{ [1] < [1, 0] }} {{ (1, "a") < (1, "b") }}|{{ 1 <= 1.0 }} {{ 1.5 >= 2 }} {{ 9007199254740993 == 9007199254740992.0 }} {{ 9007199254740993 > 9007199254740992.0 }}
{{ 1 in [1, 2] }} {{ "1" in [1] }} {{ 3 not in l }} {{ "ell" in s }} {{ "" in s }} {{ "b" in d }} {{ 1 in d }} {{ "x" in missing }} {{ 1 not in missing }} {{ 2 in (1, 2) }} {{ 3 in range(5) }} {{ [1] in [[1]] }} {{ 1 in d.values() }} {{ ("b", 1) in d.items() }}
{{ not true }} {{ not not n }} {{ not n == 7 }} {{ 1 and 2 }} {{ 0 and 2 }} {{ 0 or "x" }} {{ "" or none }} {{ 1 or boom.x }} {{ 0 and boom.x }} {{ n and s or l }} {{ not e and not el }}|{{ 1 and 2 and 0 and 3 }} {{ none or 0 or "last" }}
{{ "yes" if n > 5 else "no" }} {{ "yes" if n < 5 }} {{ 1 if z else 2 if z else 3 }} {{ (1 if t else 2) + 1 }}|{{ "a" ~ "b" + "c" }} {{ 1 ~ 2 }} {{ 1 + 2 ~ 3 * 4 }} {{ "x" ~ 2 ** 3 }}|{{ -n }} {{ +n }} {{ - 5 }} {{ --5 }} {{ -n|abs }} {{ (-n)|abs }} {{ -f }}
{{ n is defined and n > 3 }} {{ not n is none }} {{ n is not none }} {{ n == 7 is true }} {{ 5 is divisibleby 5 }} {{ 5 is divisibleby(2) }} {{ n is odd and n is number }}|{{ 1 if 1 is odd else 2 }} {{ n is eq 7 or boom.x }}
{{ nil == z }} {{ z == 0 }} {{ e == nil }} {{ missing == missing2 }} {{ missing == none }} {{ missing != 1 }} {{ missing is undefined }} {{ d == {"a": 2, "C": 3, "b": 1} }} {{ d != ed }}
{{ "%s and %s" % ("a", 1) }} {{ "%d%%" % 5 }} {{ "%05.2f|%-5s|%5s|%+d|%x|%X|%o|%e|%g|%r|%c" % (3.14159, "ab", "cd", 5, 255, 255, 8, 12345.678, 0.0001, "q", "z") }} {{ "%(a)s-%(b)03d" % {"a": 1, "b": 2} }} {{ "%s" % none }} {{ "%s" % [1, 2] }} {{ "%.3s|%*d" % ("abcdef", 5, 42) }} {{ "%i" % 3.9 }} {{ "%.3d" % 7 }} {{ "%#x" % 255 }} {{ "% d" % 4 }} {{ "%5.1f%%" % 99.55 }}
"""

ACCESS = """
{{ d.a }} {{ d['a'] }} {{ d["a"] }} {{ d.missing }} {{ d['missing'] }} {{ nested.a.b.c[2].k }} {{ nested['a']['b']['c'][0] }} {{ l[0] }} {{ l[-1] }} {{ l.0 }} {{ l[5] }} {{ l[-9] }} {{ s[0] }} {{ s[-1] }} {{ s[99] }} {{ u[1] }}
{{ l[1:] }} {{ l[:1] }} {{ l[:] }} {{ l[::-1] }} {{ l[::2] }} {{ l[-2:] }} {{ l[:-1] }} {{ l[5:] }} {{ l[-9:9] }} {{ l[2:0:-1] }} {{ l[true:] }} {{ l[none:2] }} {{ (1, 2, 3)[1:] }} {{ range(10)[2:8:3] }} {{ range(10)[::-1] }} {{ range(5)[-1] }}
{{ s[1:4] }} {{ s[:-3] }} {{ s[::-1] }} {{ s[::2] }} {{ u[::-1] }} {{ u[2:5] }} {{ u[-3:] }} {{ u[1::2] }} {{ u[5:1:-2] }} {{ e[1:] }} {{ s[100:] }} {{ s[3:1] }} {{ u[:-20:-1] }}
{{ items['keys'] }} {{ items["get"] }} {{ items.keys()|list }} {{ items.get("get") }} {{ items.items is callable }}
{{ d.get('a') }} {{ d.get('zz') }} {{ d.get('zz', 9) }} {{ d.get('zz', default) }} {{ ed.get(1) }} {{ {1: 'x'}[1] }} {{ {1: 'x'}[1.0] }} {{ {1: 'x'}[true] }} {{ {'1': 'x'}[1] }} {{ {(1, 2): 'p'}[(1, 2)] }} {{ {none: 'n'}[none] }}
{{ d[[1]] }} {{ l['0'] }} {{ l[1.0] }} {{ l[none] }} {{ d[missing] }} {{ n.foo }} {{ nil.foo }} {{ s.foo }} {{ l.foo }}|{{ messages[0].role }} {{ messages[0]['content'] }} {{ messages[-1].content }}
{{ d.a.b }} {{ d.a is defined }} {{ d.zz is defined }} {{ d.zz is undefined }} {{ missing is defined }} {{ (d.zz).a is defined if false else 'ok' }}
{{ nested.a['b'].c.2['k'] }} {{ users[0].tags.1 }} {{ users[1:][0].name }} {{ (users|first).name }} {{ users[-1]['name'][0] }}
"""

UNDEFINED_ERRORS = """
{{ missing.x }}|{{ missing['x'] }}|{{ missing() }}|{{ missing + 1 }}|{{ 1 - missing }}|{{ missing * 2 }}|{{ missing < 1 }}|{{ -missing }}|{{ d.zz.a }}|{{ d['zz']['a'] }}|{{ missing[0:1] }}|{{ l[missing:] }}|{{ s + missing }}|{{ missing % 2 }}|{{ "%d" % missing }}|{{ missing|int }}|{{ missing|float }}|{{ [].append(1) }}|{{ d.update({}) }}|{{ d.pop('a') }}|{{ l.sort() }}|{{ missing ** 2 }}|{{ d.zz() }}|{{ s.nope() }}|{{ [missing]|sum }}|{{ missing|abs }}|{{ missing // 2 }}|{{ nil.x.y }}|{{ messages[9].role }}
"""

UNDEFINED_FINE = """
[{{ missing }}]|[{{ missing|default('d') }}]|[{{ missing|d(1) }}]|[{{ missing|length }}]|[{{ missing|list }}]|[{{ missing|join(',') }}]|[{{ missing|upper }}]|[{{ missing|string }}]|[{{ missing|trim }}]|[{{ missing|first }}]|[{{ missing|last }}]|[{% for a in missing %}x{% else %}none{% endfor %}]|[{{ missing or 1 }}]|[{{ missing and 1 }}]|[{{ not missing }}]|[{{ missing ~ 'a' }}]|[{{ missing|replace('a','b') }}]|[{{ missing|items|list }}]|[{{ missing|map('upper')|list }}]|[{{ missing|select|list }}]|[{{ missing|sort }}]|[{{ missing|reverse|list }}]|[{{ missing|unique|list }}]|[{{ missing|sum }}]|[{{ missing|min }}]|[{{ missing|max }}]|[{{ missing|batch(2)|list }}]|[{{ missing is none }} {{ missing is string }} {{ missing is mapping }} {{ missing is iterable }} {{ missing is sequence }} {{ missing is callable }} {{ missing is number }} {{ missing is boolean }}]|[{{ missing|capitalize }}{{ missing|title }}{{ missing|lower }}]|[{{ missing in [missing] }}]|[{{ (missing, 1) }}]|[{{ "%s" % missing2|default('x') }}]|[{{ [].append }}]|[{{ {missing: 1} }}]|[{{ missing|wordcount }}]|[{{ missing == d.zz }}]|[{{ 'a' in missing }}]
"""

STATEMENTS = """
{% if n == 7 %}a{% elif n == 8 %}b{% else %}c{% endif %}|{% if z %}a{% elif t %}b{% else %}c{% endif %}|{% if z %}a{% elif z %}b{% else %}c{% endif %}|{% if missing %}a{% endif %}|{% if l and d and s %}a{% endif %}|{% if n: %}colon{% endif %}|{% if 1, 2 %}tuple{% endif %}
{% set a = 1 %}{{ a }}|{% set a = 1, 2 %}{{ a }}|{% set a, b = 1, 2 %}{{ b }}{{ a }}|{% set (a, b) = [3, 4] %}{{ a }}{{ b }}|{% set a %}x{{ n }}y{% endset %}[{{ a }}]|{% set a | upper %}abc{% endset %}{{ a }}|{% set a | replace('b', 'q') | upper %}abc{% endset %}{{ a }}|{% set a = b = 1 %}|{% set a, (b, c) = 1, (2, 3) %}{{ c }}|{% set a = [1, 2][0] if t else none %}{{ a }}
{% set ns = namespace(x=1) %}{% set ns.x = ns.x + 1 %}{% set ns.y = 'n' %}{{ ns.x }}{{ ns.y }}{{ ns.z }}{{ ns }}|{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a + ns.b }}|{% set ns = namespace() %}{% for i in range(3) %}{% set ns.last = i %}{% endfor %}{{ ns.last }}|{% set ns = namespace(a=0, b=0) %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}|{% set ns = namespace() %}{% set ns.x %}block{% endset %}{{ ns.x }}
{% for i in l %}{{ i }},{% endfor %}|{% for i in [] %}x{% else %}empty{% endfor %}|{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}|{% for c in s %}{{ c }}-{% endfor %}|{% for k in d %}{{ k }}{% endfor %}|{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}|{% for a, b in [(1, 2), [3, 4], "xy"] %}{{ a }}{{ b }} {% endfor %}
{% for i in l if i > 1 %}{{ i }}:{{ loop.index }}/{{ loop.length }}{{ loop.last }} {% else %}none{% endfor %}|{% for i in l if i > 9 %}{{ i }}{% else %}none{% endfor %}|{% for u in users if u.on is defined and u.on %}{{ u.name }}{% if not loop.last %}, {% endif %}{% endfor %}|{% for i in range(6) if i % 2 %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}|{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}|{% for i in range(3) %}{% break %}{% else %}never{% endfor %}|{% for i in range(2) %}{% continue %}{% else %}never{% endfor %}|{% for i in [1] %}{% for j in [] %}{% else %}{% break %}{% endfor %}no{% endfor %}yes
{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}|{% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }} {% endfor %}|{% for i in l %}{{ loop.previtem|default('-') }}{{ i }}{{ loop.nextitem|default('-') }} {% endfor %}|{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}|{% for i in l %}{% set outer = loop %}{% for j in l %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}|{% for i in l %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}|{% for i in l %}{{ y }}{% set y = i %}{{ y }} {% endfor %}{{ y }}|{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}|{% if z %}{% set n = 2 %}{% endif %}{{ n }}|{% for i in [1] %}{% if z %}{% set n = 2 %}{% endif %}{{ n }}{% endfor %}|{% for i in [1] %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}|{% set n = n + 1 %}{{ n }}
{% macro m(a, b=2, c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c=5) }}{{ m() }}{{ m(b=1, a=0) }}|{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}|{% macro m(a) %}{{ a }}{{ varargs|join(',') }}{% endmacro %}{{ m(1, 2, 3) }}|{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(1) }}|{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(4) }}|{% macro m() %}{{ late }}{% endmacro %}{% set late = 5 %}{{ m() }}|{{ m }}{% macro m() %}x{% endmacro %}{{ m.name }}{{ m }}
{% macro box(title) %}<{{ title }}:{{ caller() }}>{% endmacro %}{% call box('t') %}body {{ n }}{% endcall %}|{% macro each(xs) %}{% for x in xs %}{{ caller(x) }};{% endfor %}{% endmacro %}{% call(i) each(l) %}<{{ i }}>{% endcall %}|{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}|{% macro m() %}{{ caller() if caller }}{% endmacro %}{{ m() }}|{% macro a() %}{% call b() %}{{ caller() }}{% endcall %}{% endmacro %}{% macro b() %}({{ caller() }}){% endmacro %}{% call a() %}deep{% endcall %}|{% macro m(caller=none) %}{{ caller is none }}{% endmacro %}{{ m() }}
{% filter upper %}abc {{ s }}{% endfilter %}|{% filter replace('a', 'b')|upper %}banana{% endfilter %}|{% filter trim %}  x  {% endfilter %}|{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}|{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}|{% with n = n + 1 %}{{ n }}{% endwith %}{{ n }}|{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}
{% raw %}{{ not }} {% if %} {# c #}{% endraw %}|{% raw -%}  x  {%- endraw %}|a{# comment #}b|a {#- c -#} b|{# multi
line #}x|{##}|{#-#}x|{% raw %}{% endraw %}x|{%- raw %} y {% endraw -%}  z|{#+ c +#}
{% for a in [1, 2] recursive %}{{ a }}{% endfor %}|{% for t in [{'v': 1, 'c': [{'v': 2}, {'v': 3, 'c': [{'v': 4}]}]}] recursive %}{{ loop.depth }}:{{ t.v }}{% if t.c %}[{{ loop(t.c) }}]{% endif %}{% endfor %}|{% for i in range(3) recursive %}{{ loop.index }}{% else %}x{% endfor %}
{% set f = namespace %}{% set o = f(a=1) %}{{ o.a }}|{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.next() }}|{% set j = joiner('; ') %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}|{% set j = joiner() %}{{ j() }}a{{ j() }}b|{{ dict(a=1, b=2) }} {{ dict([('x', 1)], y=2) }} {{ dict({'p': 1}) }}|{{ range(3)|list }} {{ range(5, 0, -2)|list }} {{ range(0)|list }} {{ range(3)|length }} {{ range(3) == range(0, 3) }}
{% set seen = namespace(l=[]) %}{% for x in [1, 2, 1, 3, 2] if x not in seen.l %}{% set seen.l = seen.l + [x] %}{{ x }}{% endfor %}|{% for i in range(3) %}{{ loop.last }}{% if loop.last %}!{% endif %}{% endfor %}|{% for x in users|map(attribute='name') %}{{ loop.index }}/{{ loop.length }}{{ x }} {% endfor %}|{% for x in 'ab'|list + ['c'] %}{{ x }}{{ loop.revindex }}{% endfor %}|{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}|{% for x in d.values() %}{{ x }}{{ loop.last }}{% endfor %}
{% set text %}{% for i in l %}{{ i }}{% endfor %}{% endset %}{{ text|length }}|{% for i in l %}{% set b %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endset %}[{{ b }}]{% endfor %}|{% for i in [1, 2] %}{% filter upper %}a{{ i }}{% if i == 1 %}{% break %}{% endif %}{% endfilter %}{% endfor %}|{% if t %}{% if z %}{% else %}in{% endif %}{% endif %}
"""

GENERATION = """
{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<e>{% endgeneration %}{% else %}[{{ m.content }}]{% endif %}{% endfor %}|{% generation %}{% endgeneration %}|a{% generation %}b{% endgeneration %}c{% generation %}d{{ x }}{% endgeneration %}|{%- generation -%} x {%- endgeneration -%} y|{% set q = 1 %}{% generation %}{% set q = 2 %}{{ q }}{% endgeneration %}{{ q }}|{% macro m() %}{% generation %}in{% endgeneration %}{% endmacro %}ab{{ m() }}cd|{% set c %}zz{% generation %}in{% endgeneration %}{% endset %}ab{{ c }}|é你{% generation %}👋ß{% endgeneration %}é|{% generation %}a{% generation %}b{% endgeneration %}c{% endgeneration %}|{% for m in messages %}{% generation %}{{ loop.index }}{% endgeneration %}{% endfor %}|{% generation %}{{ strftime_now('%Y') }}{% endgeneration %}
"""

CHAT = """
{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
{{ bos_token }}{% for m in messages %}{{ m.role|capitalize }}: {{ m.content|trim }}{{ eos_token }}{% endfor %}|{% if tools %}{{ tools|tojson }}{% endif %}|{% for t in tools %}{{ t | string }}
{% endfor %}|{% for t in tools %}{{ t|tojson(indent=2) }}{% endfor %}|{% if tools is defined and tools is not none %}{{ tools|length }}{% endif %}|{{ documents is defined }} {{ documents is none }} {{ documents }}
{{ strftime_now('%d %B %Y') }}|{{ strftime_now("%Y-%m-%d %a %b %j %%") }}|{{ strftime_now('') }}|{{ strftime_now('é%y') }}|{{ messages|length }}{{ messages[0].role == 'system' }}|{% set loop_messages = messages[1:] %}{% for m in loop_messages %}{{ loop.index0 % 2 == 0 }}{{ (m.role == 'user') != (loop.index0 % 2 == 0) }}{% endfor %}|{{ messages|map(attribute='role')|join(',') }}|{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list|length }}|{{ messages|rejectattr('role', 'eq', 'system')|map(attribute='role')|list }}
{{ messages[1].content|tojson }}|{{ messages[3].content|tojson(ensure_ascii=true) }}|{{ messages[1].content|e }}|{{ messages[1].content|escape|upper }}|{{ (messages[1].content|safe) + '<i>' }}|{{ '<i>' + (messages[1].content|safe) }}|{{ [messages[1].content|e] }}|{{ messages[3].content|length }} {{ messages[3].content|upper }} {{ messages[3].content[-3:] }} {{ messages[3].content|reverse }}|{{ messages[2].content.split('\\n') }}|{{ messages[0].content.strip() + '!' }}|{{ raise_exception('stop ' ~ messages|length) }}|{% if messages|length > 99 %}{{ raise_exception('no') }}{% endif %}fine|{{ messages[-1]['content'].lstrip('F') }}|{{ enable_thinking }}{{ x }}|{% if enable_thinking is not defined %}u{% else %}d{% endif %}|{{ messages[0] }}|{{ messages[1] | tojson }}
"""

PARTS = """
{% for m in messages %}{{ m['role'] | capitalize }}{% if m['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}{% elif c['type'] == 'image' %}{{ '<image>' }}{% elif c.type == 'video' %}<video>{% endif %}{% endfor %}<end>
{% endfor %}|{% for m in messages %}{{ m.content is string }}{{ m.content is iterable }}{{ m.content is sequence }}{{ m.content is mapping }}{% endfor %}|{% for m in messages %}{% if 'text' in m.content[0] %}t{% else %}n{% endif %}{% endfor %}|{{ messages|map(attribute='content')|map('length')|list }}|{{ messages[0].content|selectattr('type', 'equalto', 'image')|list|length }}|{{ messages|tojson }}|{{ messages }}|{{ messages|map(attribute='content.0.type')|join(' ') }}|{{ messages[0].content[1].text.replace('What', 'Who') }}|{% for m in messages %}{{ m.content|map(attribute='text')|select('defined')|join('+') }};{% endfor %}|{{ messages|sum(attribute='content', start=[])|length }}
"""

STR_METHODS = """
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ "hELLO wORLD".capitalize() }} {{ s.swapcase() }} {{ u.upper() }} {{ u.lower() }} {{ u.title() }} {{ u.capitalize() }} {{ u.casefold() }} {{ "they're bill's".title() }} {{ "ﬁx ǆ".title() }} {{ "ΑΣ ΑΣΑ Σ".lower() }}
{{ "  a b  ".strip() }}| {{ "  a ".lstrip() }}|{{ " a  ".rstrip() }}|{{ "xxaxx".strip("x") }} {{ "abcba".strip("ab") }} {{ "aé你é".rstrip("é你") }} {{ "\\u00a0a\\u3000".strip() }} {{ "ab".strip("") }} {{ " a ".strip(none) }}
{{ "a,b,c".split(",") }} {{ "a b  c ".split() }} {{ "a,b,c".split(",", 1) }} {{ "a b c".split(none, 1) }} {{ "a b c d".split(maxsplit=2) }} {{ "".split() }} {{ "".split(",") }} {{ "abc".split("abc") }} {{ "a  b".split(" ") }} {{ "a,b,c".rsplit(",", 1) }} {{ " a b c ".rsplit(none, 1) }} {{ "a\\u2003b".split() }} {{ "aXXbXX".split("XX") }} {{ "a b c".split(sep=" ", maxsplit=1) }} {{ "a,b".rsplit(",") }} {{ "a b c".split(" ", 0) }}
{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ "a\\x0bb\\x1cc\\x85d\\u2028e".splitlines() }} {{ "".splitlines() }} {{ "\\n".splitlines() }} {{ "a\\n\\nb".splitlines(keepends=true) }}
{{ "banana".replace("a", "o") }} {{ "banana".replace("a", "o", 2) }} {{ "banana".replace("", "-") }} {{ "abc".replace("", "-", 2) }} {{ "".replace("", "x") }} {{ "aaa".replace("aa", "b") }} {{ "é你".replace("", ".") }} {{ "abc".replace("b", "") }} {{ "abc".replace("zz", "q") }} {{ "aaaa".replace("a", "b", 0) }}
{{ "-".join(["a", "b"]) }} {{ "".join("abc") }} {{ ", ".join(d) }} {{ "x".join([]) }} {{ ",".join(("a",)) }}|{{ "abc".startswith("a") }} {{ "abc".startswith(("x", "ab")) }} {{ "abc".endswith("bc") }} {{ "abc".endswith(("x",)) }} {{ "abc".startswith("b", 1) }} {{ "abc".endswith("b", 0, 2) }} {{ "abc".startswith("") }} {{ "abc".startswith("", 5) }} {{ "é你x".startswith("你", 1) }}
{{ "hello".find("l") }} {{ "hello".find("z") }} {{ "hello".rfind("l") }} {{ "hello".index("e") }} {{ "hello".rindex("l") }} {{ "hello".count("l") }} {{ "hello".count("") }} {{ "é你é".find("é", 1) }} {{ "é你é".rfind("é") }} {{ "hello".find("l", 3) }} {{ "hello".find("l", 0, 2) }} {{ "hello".find("l", -2) }} {{ "hello".find("", 9) }} {{ "hello".find("", 5) }} {{ "aaaa".count("aa") }} {{ "hello".count("l", 3) }}
{{ "a-b-c".partition("-") }} {{ "a-b-c".rpartition("-") }} {{ "abc".partition("-") }} {{ "abc".rpartition("-") }} {{ "prefix_x".removeprefix("prefix_") }} {{ "x.txt".removesuffix(".txt") }} {{ "abc".removeprefix("z") }}
{{ "42".zfill(5) }} {{ "-42".zfill(5) }} {{ "+1".zfill(4) }} {{ "abc".zfill(2) }} {{ "a".center(4) }}|{{ "ab".center(5) }}|{{ "a".center(5, "*") }} {{ "a".ljust(3) }}|{{ "a".rjust(3, ".") }}|{{ "é".center(6, "你") }} {{ "a\\tb".expandtabs() }} {{ "a\\tbc\\td".expandtabs(4) }} {{ "\\t".expandtabs(0) }}|
{{ "abc".isalpha() }} {{ "ab1".isalnum() }} {{ "123".isdigit() }} {{ "12a".isdigit() }} {{ "".isalpha() }} {{ " \\t".isspace() }} {{ "ABC".isupper() }} {{ "AbC".isupper() }} {{ "abc1".islower() }} {{ "123".islower() }} {{ "Abc Def".istitle() }} {{ "abc".isascii() }} {{ "é".isascii() }} {{ "½".isnumeric() }} {{ "٣".isdecimal() }} {{ "a_1".isidentifier() }} {{ "1a".isidentifier() }} {{ "你好".isalpha() }}
{{ "{} {}".format(1, "a") }} {{ "{1} {0}".format("a", "b") }} {{ "{x} {y.a} {z[0]} {w[k]}".format(x=1, y={"a": 2}, z=[3], w={"k": 4}) }} {{ "{{}} {}".format(1) }} {{ "{!r} {!s}".format("a", "b") }} {{ "{:>5}|{:<5}|{:^5}|{:*^7}".format("a", "b", "c", "d") }} {{ "{:05d} {:+d} {:x} {:#x} {:,} {:_} {:b} {:o}".format(42, 5, 255, 255, 1234567, 1234567, 5, 8) }}
{{ "{:.2f} {:10.3f} {:e} {:g} {:.0f} {:%} {:.1%} {:,.2f}".format(3.14159, 2.5, 12345.678, 0.00001, 2.5, 0.25, 0.123, 1234567.891) }} {{ "{:>{w}}".format("a", w=5) }} {{ "{:d}".format(true) }} {{ "{}".format(true) }} {{ "{} {}".format(none, [1, "a"]) }} {{ "{:5}|{:5}".format(1, "a") }} {{ "{:.3}".format("abcdef") }} {{ "{:.3}".format(3.14159) }} {{ "{:c}".format(65) }} {{ "{0:{1}}".format(7, "04d") }} {{ "{:f}".format(3) }} {{ "{:<08.2f}|{:=+8d}".format(1.5, 42) }}
{{ d.items()|list }} {{ d.keys()|list }} {{ d.values()|list }} {{ d.copy() }} {{ l.index(2) }} {{ l.count(1) }} {{ (1, 2, 1).count(1) }} {{ (1, 2).index(2) }} {{ l.copy() }} {{ d.keys()|length }} {{ f.is_integer() }} {{ 2.0.is_integer() }}
"""

TEXT_FILTERS = """
{{ s|upper }} {{ s|lower }} {{ "hELLO wORLD"|capitalize }} {{ "hello wORLD foo-bar (baz) it's"|title }} {{ u|upper }} {{ u|lower }} {{ u|title }} {{ n|upper }} {{ nil|lower }} {{ l|upper }} {{ "ß"|capitalize }} {{ "ǆ"|title }}
{{ "  a "|trim }}|{{ "xxaxx"|trim("x") }} {{ 5|trim }} {{ "\\n a\\t"|trim }}|{{ "abc"|replace("b", "x") }} {{ "aaa"|replace("a", "b", 2) }} {{ 121|replace(1, 3) }} {{ "abc"|replace("", "-") }} {{ none|replace("None", "x") }} {{ "aa"|replace("a", "b", count=1) }}
{{ n|string }} {{ l|string }} {{ d|string }} {{ nil|string }} {{ t|string }} {{ f|string ~ "x" }} {{ nested|string|length }}|{{ "<a href='x'>&</a>"|e }} {{ "<"|escape }} {{ "<"|safe }} {{ "<"|e|e }} {{ "<"|forceescape }} {{ "<"|e|forceescape }} {{ 5|e }} {{ l|e }}
{{ ("<"|e) ~ "<" }} {{ ("<"|e) + "<" }} {{ "<" + ("<"|e) }} {{ ("<"|e) * 2 }} {{ ("<b>"|safe).upper() }} {{ ("<b>"|safe)|replace("b", "<") }} {{ ("<"|safe).replace("<", ">") }} {{ ("a"|safe).join(["<", "<"|safe]) }} {{ "%s"|safe % "<" }} {{ ("{}"|safe).format("<") }} {{ ["<"|safe] }} {{ ("<x>"|safe)[1:] + "<" }} {{ ("a<b"|safe).split("<") }} {{ ["<"|safe, "<"]|join(",") }}
{{ lines|indent }}|{{ lines|indent(2) }}|{{ lines|indent(2, true) }}|{{ lines|indent(2, blank=true) }}|{{ lines|indent("> ", first=true) }}|{{ ""|indent }}|{{ "a"|indent(first=true) }}|{{ "a\\nb"|indent(width=1) }}|{{ "a\\n"|indent(0) }}|
{{ "foo bar baz qux"|truncate(9) }} {{ "foo bar baz qux"|truncate(9, true) }} {{ "foo bar baz qux"|truncate(11) }} {{ "foo bar baz qux"|truncate(11, false, "...", 0) }} {{ "foobarbazqux"|truncate(6, leeway=0) }} {{ "a b c d e f"|truncate(5, end="~", leeway=0) }}|{{ "a b  c-d e_f it's"|wordcount }} {{ ""|wordcount }} {{ "你好 世界"|wordcount }} {{ 12|wordcount }}
{{ "%s %d"|format("a", 5) }} {{ "%(x)s"|format(x=1) }} {{ "a"|format }} {{ "%.2f"|format(1.005) }}|{{ "a b/c?é&="|urlencode }} {{ {"a b": 1, "c": "é&"}|urlencode }} {{ [("x", 1)]|urlencode }} {{ 5|urlencode }}|{{ "ab"|center(6) }}| {{ "a"|center }}|
{{ d|tojson }} {{ q|tojson }} {{ u|tojson }} {{ mixed|tojson }} {{ "</script>"|tojson }} {{ none|tojson }} {{ (1, 2)|tojson }} {{ [1.0, 1e20, 1e-7, true]|tojson }} {{ ed|tojson }}{{ el|tojson }} {{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }} {{ ("<"|safe)|tojson }}
{{ nested|tojson(indent=2) }}|{{ nested|tojson(indent=4) }}|{{ l|tojson(indent=0) }}|{{ d|tojson(sort_keys=true) }}|{{ d|tojson(separators=(",", ":")) }}|{{ d|tojson(indent=1, separators=(" ,", " : ")) }}|{{ [[], {}, [1]]|tojson(indent=2) }}|{{ u|tojson(ensure_ascii=true) }}|{{ "👋\\x7f"|tojson(ensure_ascii=true) }}|{{ d|tojson(true) }}|{{ l|tojson(indent="--") }}|{{ users|tojson(indent=2, sort_keys=true) }}|{{ l|tojson(indent=none) }}
"""

SEQUENCE_FILTERS = """
{{ l|length }} {{ s|length }} {{ u|length }} {{ d|length }} {{ d|count }} {{ ""|length }} {{ (1, 2)|length }} {{ range(7)|length }} {{ d.items()|length }}|{{ l|first }} {{ l|last }} {{ s|first }} {{ s|last }} {{ el|first }} {{ d|first }} {{ d|last }} {{ el|last is defined }} {{ range(3)|last }}
{{ l|join }} {{ l|join(", ") }} {{ words|join("-") }} {{ users|join(",", attribute="name") }} {{ "abc"|join("/") }} {{ d|join }} {{ [1, none, missing, 2.5]|join("|") }} {{ l|join(0) }} {{ []|join(",") }} {{ users|map(attribute="age")|join(d="+") }}
{{ l|list }} {{ s|list }} {{ d|list }} {{ d.items()|list }} {{ range(3)|list }} {{ (1, 2)|list }} {{ ""|list }}|{{ d|items|list }} {{ ed|items|list }} {% for k, v in d|items %}{{ k }}{{ v }}{% endfor %}|{{ d|dictsort }} {{ d|dictsort(true) }} {{ d|dictsort(false, "value") }} {{ d|dictsort(reverse=true) }} {{ d|dictsort(by="value", reverse=true) }}
{{ l|sort }} {{ l|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ words|sort(true) }} {{ users|sort(attribute="age")|map(attribute="name")|list }} {{ users|sort(attribute="age,name")|map(attribute="name")|list }} {{ users|sort(attribute="name", reverse=true)|map(attribute="name")|list }} {{ "hello"|sort }} {{ d|sort }} {{ [[2, 1], [1, 5], [1, 2]]|sort }} {{ [true, 0, 2.5]|sort }}
{{ [1, 2, 1, 3]|unique|list }} {{ words|unique|list }} {{ words|unique(case_sensitive=true)|list }} {{ users|unique(attribute="city")|map(attribute="name")|list }} {{ [1, 1.0, true, "1"]|unique|list }} {{ ["a", "A"]|unique|join }}
{{ l|reverse|list }} {{ s|reverse }} {{ d|reverse|list }} {{ range(3)|reverse|list }} {{ u|reverse }} {% for x in l|reverse %}{{ x }}{{ loop.index }}{% endfor %}|{{ l|min }} {{ l|max }} {{ words|min }} {{ words|max }} {{ users|min(attribute="age") }} {{ (users|max(attribute="age")).name }} {{ []|min is defined }} {{ ["b", "A"]|min(case_sensitive=true) }} {{ ["b", "A"]|min }}
{{ l|sum }} {{ [1.5, 2]|sum }} {{ []|sum }} {{ users|sum(attribute="age") }} {{ l|sum(start=10) }} {{ ll|sum(start=[]) }} {{ l|sum(none, 5) }}|{{ [0.1, 0.2, 0.3]|sum }}
{{ users|map(attribute="name")|list }} {{ users|map(attribute="zip", default="?")|list }} {{ users|map(attribute="tags.0")|list }} {{ words|map("upper")|list }} {{ words|map("replace", "a", "z")|list }} {{ l|map("string")|join }} {{ ll|map("length")|list }} {{ ll|map("first")|list }} {{ [" a", "b "]|map("trim")|list }} {{ users|map(attribute="tags")|map("join", "&")|list }} {{ ["1", "x"]|map("int", default=-1)|list }} {{ ll|map(attribute=0)|list }} {{ []|map("nofilter")|list }} {{ d|map("upper")|list }}
{{ l|select("odd")|list }} {{ l|select("gt", 1)|list }} {{ l|select|list }} {{ [0, 1, "", "a", none]|select|list }} {{ l|reject("even")|list }} {{ [0, 1]|reject|list }} {{ words|select("in", ["a", "b"])|list }} {{ mixed|select("string")|list }} {{ mixed|select("number")|list }} {{ mixed|reject("none")|list|length }} {{ l|select("divisibleby", 3)|list }} {{ l|select("==", 2)|list }} {{ [missing, 1]|select("defined")|list }}
{{ users|selectattr("on")|map(attribute="name")|list }} {{ users|selectattr("age", "gt", 20)|map(attribute="name")|list }} {{ users|rejectattr("on")|map(attribute="name")|list }} {{ users|rejectattr("age", "equalto", 30)|map(attribute="name")|list }} {{ users|selectattr("on", "defined")|list|length }} {{ users|selectattr("city", "eq", "Oslo")|map(attribute="age")|sum }} {{ users|selectattr("tags.0", "defined")|map(attribute="name")|list }} {{ users|rejectattr("on", "undefined")|list|length }} {{ ll|selectattr(0)|list }} {{ users|selectattr("name", "in", "Bob")|list|length }}
{{ range(7)|batch(3)|list }} {{ range(7)|batch(3, 0)|list }} {{ range(7)|slice(3)|list }} {{ range(7)|slice(3, 0)|list }} {{ []|batch(2)|list }} {{ []|slice(2)|list }} {{ "abcd"|batch(2)|map("join")|list }} {{ range(2)|slice(4)|list }}
{{ users|groupby("city")|list|length }} {% for city, group in users|groupby("city") %}{{ city }}:{{ group|map(attribute="name")|join("+") }};{% endfor %} {% for g in users|groupby("age") %}{{ g.grouper }}={{ g.list|length }} {% endfor %}{{ users|groupby("city", case_sensitive=true)|map("first")|list }} {{ users|groupby("on", default="?")|length if z else "" }} {{ [(1, 2), (1, 3)]|groupby(0) }}
{{ n|default(1) }} {{ missing|default }} {{ missing|default(n) }} {{ e|default("x") }} {{ e|default("x", true) }} {{ nil|default("x") }} {{ nil|default("x", boolean=true) }} {{ 0|d(5, true) }} {{ d.zz|default("zz") }} {{ missing|default(none) }} {{ z|default(default_value=1) }}|{{ users|map(attribute="name")|map("lower")|sort|join(" ") }}|{{ s|attr("upper") is callable }} {{ d|attr("a") is defined }} {{ namespace(a=4)|attr("a") }}
{{ l|map("string")|first }} {{ users|map(attribute="name")|select("ne", "Bob")|first }} {% set g = l|map("string") %}{{ g|list }}{{ g|list }} {% set g = words|select("lower") %}{{ "a" in g }}{{ g|list }} {{ (l|map("string")) is iterable }} {{ (l|map("string")) is sequence }} {{ (l|map("string"))[0] is defined }} {{ l|map("abs") and true }}
"""

NUMBER_FILTERS = """
{{ "42"|int }} {{ "x"|int }} {{ "x"|int(7) }} {{ "3.9"|int }} {{ 3.9|int }} {{ -3.9|int }} {{ (-3.9)|int }} {{ "0x1f"|int(base=16) }} {{ "ff"|int(0, 16) }} {{ "0b11"|int(base=2) }} {{ "11"|int(base=2) }} {{ none|int }} {{ true|int }} {{ " 5 "|int }} {{ "1_000"|int }} {{ "1__0"|int }} {{ "1e3"|int }} {{ ""|int }} {{ "-7"|int }} {{ [1]|int }} {{ "nan"|int }} {{ "0o17"|int(base=0) }} {{ "+3"|int }} {{ "inf"|int }}
{{ "1.5"|float }} {{ "x"|float }} {{ "x"|float(2.5) }} {{ 3|float }} {{ true|float }} {{ "inf"|float }} {{ "-inf"|float }} {{ "nan"|float }} {{ "1e3"|float }} {{ " 2 "|float }} {{ "1_0.5"|float }} {{ ".5"|float }} {{ "5."|float }} {{ "."|float }} {{ "1e"|float }} {{ none|float }} {{ "1e+5"|float }} {{ "Infinity"|float }}
{{ 5|abs }} {{ (-5)|abs }} {{ (-2.5)|abs }} {{ true|abs }}|{{ 42.55|round }} {{ 42.55|round(1) }} {{ 42.55|round(1, "floor") }} {{ 42.51|round(1, "ceil") }} {{ 2.5|round }} {{ 3.5|round }} {{ -2.5|round }} {{ 5|round }} {{ 5|round(1, "floor") }} {{ 2.675|round(2) }} {{ 1234.5|round(-2) }} {{ 1250|round(-2) }} {{ 1350|round(-2) }} {{ 0.5|round }} {{ 42.55|round|int }} {{ 1e300|round(2) }} {{ 1.005|round(2) }} {{ true|round }} {{ 15|round(-1) }} {{ 25|round(-1) }} {{ 7.1|round(method="ceil") }}
"""

TESTS = """
{% for v in [0, 1, 1.5, "a", "", none, true, false, [], [1], {}, {"a": 1}, (1,), range(2), missing] %}{{ v is defined }}{{ v is undefined }}{{ v is none }}{{ v is boolean }}{{ v is true }}{{ v is false }}{{ v is integer }}{{ v is float }}{{ v is number }}{{ v is string }}{{ v is mapping }}{{ v is sequence }}{{ v is iterable }}{{ v is callable }}{{ v is escaped }} {% endfor %}
{{ 3 is odd }} {{ 4 is odd }} {{ 4 is even }} {{ -3 is odd }} {{ 3.0 is odd }} {{ 10 is divisibleby 5 }} {{ 10 is divisibleby(3) }} {{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 1 is lessthan 2 }} {{ 1 is le 1 }} {{ 2 is gt 1 }} {{ 2 is greaterthan 3 }} {{ 2 is ge 2 }} {{ "a" is in "abc" }} {{ 1 is in [1] }} {{ 1 is not in [2] }} {{ none is sameas none }} {{ 1 is sameas true }} {{ true is sameas true }}
{{ "abc" is lower }} {{ "Abc" is lower }} {{ "ABC" is upper }} {{ "1" is upper }} {{ 5 is lower }} {{ "upper" is filter }} {{ "nope" is filter }} {{ "odd" is test }} {{ "nope" is test }} {{ range is callable }} {{ s.upper is callable }} {{ namespace is callable }} {{ ("<"|e) is escaped }} {{ ("<"|e) is string }} {{ namespace() is mapping }} {{ d.items() is iterable }} {{ d.items() is sequence }} {{ d.keys() is sequence }}
{{ n is not defined }} {{ n is defined and not missing is defined }} {{ n is number and n is integer }} {{ (n is odd) == true }} {{ [1, 2] is eq [1, 2] }} {{ d.a is eq(2) }} {{ l is sequence and l is not string and l is not mapping }} {{ missing is not none }} {{ 5 is gt 3 and 5 is lt 9 }} {{ n is none or n is odd }} {{ true is boolean and 1 is not boolean }}
{% macro m() %}{% endmacro %}{{ m is callable }}{{ m is defined }} {% if x is defined and x %}y{% else %}n{% endif %} {{ 'a' is string == true }} {{ l is eq l }} {{ 1.0 is integer }} {{ 1 is float }} {{ true is integer }} {{ true is number }}
"""

ERRORS = """
{{|{%|{{ 1|{% if %}x{% endif %}|{% if 1 %}|{% endif %}|{% for %}{% endfor %}|{% for a b %}{% endfor %}|{% for a in %}{% endfor %}|{{ }}|{{ a b }}|{{ 1 + }}|{{ (1 }}|{{ [1 }}|{{ {1 }}|{{ 1) }}|{{ "a }}|{% foo %}|{% else %}|{{ a..b }}|{{ a[ }}|{{ a[] }}|{{ a|nofilter }}|{{ a is notest }}|{% if z %}{{ a|nofilter }}{% endif %}ok|{% if t %}{{ a|nofilter }}{% endif %}|{% for i in [] %}{{ 1|nofilter }}{% endfor %}|{{ 1|nofilter if z else 2 }}|{% break %}|{% continue %}|{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}|{% for loop in l %}{% endfor %}|{% for i in l %}{% set loop = 1 %}{% endfor %}|{% set loop = 1 %}{{ loop }}
{{ 1 / 0 }}|{{ 1 // 0 }}|{{ 1 % 0 }}|{{ 1.0 / 0 }}|{{ 0 ** -1 }}|{{ "a" + 1 }}|{{ 1 + "a" }}|{{ [1] + (2,) }}|{{ none + 1 }}|{{ "a" - "b" }}|{{ "a" < 1 }}|{{ none < 1 }}|{{ [1] < ["a"] }}|{{ 1 in 5 }}|{{ 1 in "abc" }}|{{ none in "abc" }}|{{ {[1]: 2} }}|{{ 5() }}|{{ "a"() }}|{% for i in 5 %}{% endfor %}|{% for i in none %}{% endfor %}|{% for a, b in [1] %}{% endfor %}|{% for a, b in [[1]] %}{% endfor %}|{% for a, b in [[1, 2, 3]] %}{% endfor %}|{% set a, b = 1 %}|{{ l|first(1) }}|{{ 5|length }}|{{ none|length }}|{{ 5|list }}|{{ 5|join }}|{{ 5|first }}|{{ 5|sort }}|{{ ["a", 1]|sort }}|{{ ["a"]|sum }}|{{ d|map("nofilter")|list }}|{{ l|select("notest")|list }}|{{ 5|items|list }}|{{ 5|dictsort }}|{{ range("a") }}|{{ range(1, 2, 0) }}|{{ range(100001) }}|{{ "a"|abs }}|{{ "a"|round }}|{{ 1.5|round(1, "up") }}|{{ d|dictsort(by="x") }}|{{ l[::0] }}|{{ l["a":] }}|{{ n[1:] }}
{{ "abc".index("z") }}|{{ l.index(9) }}|{{ "abc".split("") }}|{{ "a".join([1]) }}|{{ "a".upper(1) }}|{{ "a".replace("a") }}|{{ "a".nope() }}|{{ "a".startswith(1) }}|{{ d.get() }}|{{ "{}".format() }}|{{ "{x}".format(1) }}|{{ "{".format(1) }}|{{ "}".format(1) }}|{{ "{:q}".format(1) }}|{{ "{:d}".format("a") }}|{{ "{:d}".format(1.5) }}|{{ "%d" % "a" }}|{{ "%s %s" % 1 }}|{{ "%s" % (1, 2) }}|{{ "%q" % 1 }}|{{ "%(a)s" % {} }}|{{ "%" % 1 }}|{{ "a" % 1 }}|{% set ns.x = 1 %}|{% set d.x = 1 %}|{% set ns = namespace(_x=1) %}|{% set ns = namespace() %}{% set ns._x = 1 %}|{% set true = 1 %}|{% set 1 = 2 %}|{% set "a" = 1 %}|{% macro m(a, b=1, c) %}{% endmacro %}|{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}|{% macro m(a) %}{% endmacro %}{{ m(b=1) }}|{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}|{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}|{% macro m() %}x{% endmacro %}{% call m() %}{% endcall %}|{% call 5 %}{% endcall %}|{{ raise_exception("boom") }}|{{ raise_exception() }}|{{ namespace(1) }}|{{ cycler() }}|{{ dict(1) }}|{{ missing|tojson }}|{{ range|tojson }}|{{ {(1, 2): 1}|tojson }}|{{ [missing]|tojson }}|{{ l|batch }}|{{ l|map|list }}|{{ l|map(foo=1)|list }}|{{ users|selectattr|list }}|{% for x in l %}{{ loop(x) }}{% endfor %}|{{ loop.index }}|{{ "a" is divisibleby 2 }}|{{ none is odd }}|{{ [1]|int("x").y }}|{{ 1 is foo.bar }}|{{ 1 if }}|{{ not }}|{{ * }}|{{ a.1b }}|{{ a=1 }}|{{ f(a=1, 2) }}|{{ f(**d, *l) }}|{{ f(*l, *l) }}|{{ s.format_map }}{{ !}}|{{ a ? b }}|{{ a && b }}|{% include "x" %}|{% import "x" as y %}|{% from "x" import y %}|{% extends "x" %}
{{ s[1 }}|{{ (1, 2 }}|{% set x %}|{% set x = %}|{% set = 1 %}|{% filter %}{% endfilter %}|{% filter nofilter %}{% endfilter %}|{% with a %}{% endwith %}|{% raw %}|{# |{% if 1 %}{% else %}{% elif 2 %}{% endif %}|{% for i in l %}{% endif %}|{% generation %}|{% endgeneration %}|{{ 'a' is is b }}|{{ 1 is odd is even }}|{% do x %}|{{ {'a' 1} }}|{{ {'a': } }}|{{ [1,,2] }}|{{ (,) }}|{{ f(,) }}|{% macro 5() %}{% endmacro %}|{% macro m %}{% endmacro %}|{% call %}{% endcall %}|{% if a = 1 %}{% endif %}|{% print %}|{{ 'abc'|truncate(1) }}|{{ s | }}|{{ | upper }}|{{ '\\x4' }}|{{ "a" 5 }}|{% set a.b.c = 1 %}|{% for a.b in l %}{% endfor %}|{{ 5.upper() }}|{{ 5 .upper }}|{{ f(x for x in l) }}|{{ lambda: 1 }}|{{ a if b else }}|{{ 1 not 2 }}|{{ l not in }}|{% set x = 1 %}{{ x.y.z }}
"""

CALLS = """
{{ "{} {}".format(*[1, 2]) }} {{ "{a}".format(**{"a": 1}) }} {{ dict(**d) }} {% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{"a": 3, "b": 4}) }}{{ m(1, *[2]) }}{{ m(1, b=9,) }}|{{ d.get("a",) }}|{{ s.upper().lower().title() }}|{{ [s.upper(), s.lower()][1] }}|{{ (s ~ "!").upper() }}|{{ "a,b".split(",")[1].upper() }}|{{ {"f": s}.f.upper() }}|{{ s["upper"]() }}|{{ d["items"]()|list }}|{% set up = s.upper %}{{ up() }}|{{ (l|join(",")).split(",")|map("int")|sum }}|{{ [1, 2, 3][1:]|first }}|{{ "x"|upper.lower() if z else "q" }}
"""

SCOPES = """
{% set x = 'o' %}{% macro m() %}{{ x }}{% set x = 'i' %}{{ x }}{% endmacro %}{{ m() }}{{ x }}|{% set x = 1 %}{% macro m(x) %}{{ x }}{% endmacro %}{{ m(2) }}{{ x }}|{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}|{% set ns = namespace() %}{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{% set ns.f = m %}{{ ns.f() }}{% endfor %}|{% macro outer() %}{% macro inner() %}{{ n }}{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}|{% if t %}{% macro m() %}c{% endmacro %}{% endif %}{{ m() }}
{% set a = 1 %}{% filter upper %}{% set a = 2 %}{{ a }}x{% endfilter %}{{ a }}|{% set a = 1 %}{% set b %}{% set a = 2 %}{{ a }}{% endset %}{{ a }}{{ b }}|{% call(q) (namespace(f=1)).f() %}{% endcall %}|{% set q = 0 %}{% for q in l %}{{ q }}{% endfor %}{{ q }}|{% for q in l %}{% endfor %}{{ q }}|{% for i in l %}{% if loop.first %}{% set k = 'f' %}{% else %}{% set k = 'r' %}{% endif %}{{ k }}{% endfor %}|{% if n %}{% set w = 1 %}{% else %}{% set w = 2 %}{% endif %}{{ w }}|{% for i in [1, 2] %}{{ w2 is defined }}{% set w2 = 1 %}{% endfor %}|{% set s %}{{ s }}{% endset %}[{{ s }}]|{{ range }}|{% set range = 5 %}{{ range }}|{% for i in range(2) %}{{ i }}{% endfor %}{% set range2 = 1 %}
{% set x = 1 %}{% for i in [1, 2] %}{% for j in [1, 2] %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }};{% endfor %}|{% macro m() %}{% for i in [1, 2] %}{{ i }}{{ loop.last }}{% endfor %}{% endmacro %}{{ m() }}{{ m()|length }}|{% macro fact(k) %}{{ 1 if k < 2 else k * (fact(k - 1)|int) }}{% endmacro %}{{ fact(10) }}|{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}|{% set f = s.split %}{{ f(',') }}|{% for i in [1] %}{% set d = {} %}{{ d }}{% endfor %}{{ d }}|{% for k in [1] %}{{ loop.index }}{% for k in [2] %}{{ k }}{% endfor %}{{ k }}{% endfor %}|{% set loop2 = 1 %}{{ loop2 }}|{{ self is defined if z else '' }}|{% for x in [1, 2, 3] if x is odd %}{% for y in [x, x + 1] if y > x %}{{ x }}{{ y }} {% endfor %}{% endfor %}
"""

DOCUMENTS = r"""
{# A template in the style of tool-calling models. #}
{%- set ns = namespace(count=0, text='') -%}
{%- for tool in tools or [] -%}
  {%- set fn = tool.function if tool.function is defined else tool -%}
  {%- set ns.count = ns.count + 1 -%}
  {%- set ns.text = ns.text ~ loop.index ~ '. ' ~ fn.name ~ ': ' ~ (fn.description | default('(none)') | replace('\n', ' ')) ~ '\n' -%}
  {%- for key, value in (fn.parameters.properties | default({})) | dictsort %}
    - {{ key }} ({{ value.type }}){{ ' required' if key in fn.parameters.required }}
  {%- endfor %}
{%- endfor %}
{{ ns.text }}{{ ns.count }} tools
%%
{% for message in messages %}
    {% if message.role == 'user' %}
        <user>{{ message.content }}</user>
    {% elif message.role == 'assistant' %}
        {% generation %}
        <bot>{{ message.content }}</bot>
        {% endgeneration %}
    {% else %}
        <{{ message.role }}>{{ message.content | trim }}</{{ message.role }}>
    {% endif %}
{% endfor %}
end
%%
{%- macro render(m, first=false) -%}
  {{- '<|' ~ m.role ~ '|>' -}}
  {%- if m.content is string -%}
    {{- m.content -}}
  {%- else -%}
    {%- for part in m.content -%}
      {%- if part.type == 'text' -%}{{- part.text -}}{%- else -%}[{{- part.type -}}]{%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {{- '<|end|>' if not first else '<|END|>' }}
{% endmacro -%}
{% for m in messages %}
{{ render(m, loop.first) }}
{%- endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}
"""


def split(block):
    """The templates of a block: lines are joined, "|" outside of tags separates templates."""
    out, depth, quote, current = [], 0, None, ""
    text = block.strip("\n")
    i = 0
    while i < len(text):
        c = text[i]
        pair = text[i : i + 2]
        if depth == 0 and (c == "|" or c == "\n"):
            out.append(current)
            current = ""
        else:
            if quote:
                if c == "\\":
                    current += c
                    i += 1
                    c = text[i]
                elif c == quote:
                    quote = None
            elif depth and c in "'\"" and text[tag] != "#":
                quote = c
            elif pair in ("{{", "{%", "{#") and depth == 0:
                depth, tag = 1, i + 1
            elif depth and not quote and pair in ("}}", "%}", "#}") and closes(text, tag, pair, current):
                depth = 0
                current += c
                i += 1
                c = text[i]
            current += c
        i += 1
    out.append(current)
    return [template for template in out if template]


def split_errors(block):
    """The same for templates that are broken: "|" before "{" and line ends separate them."""
    return [t for line in block.strip("\n").split("\n") for t in line.replace("|{", "\n{").split("\n")]


def closes(text, tag, pair, current):
    wanted = {"{": "}}", "%": "%}", "#": "#}"}[text[tag]]
    if pair != wanted:
        return False
    if wanted != "}}":
        return True
    inside = current[current.rfind("{{") + 2 :] if "{{" in current else ""
    return inside.count("{") <= inside.count("}")


def whitespace_matrix():
    tags = {
        "if": ("{%O if 1 C%}", "{%O endif C%}"),
        "set": ("{%O set a = 1 C%}", ""),
        "print": ("{{O 'v' C}}", ""),
        "comment": ("{#O c C#}", ""),
        "raw": ("{%O raw C%}", "{%O endraw C%}"),
        "for": ("{%O for i in [1, 2] C%}", "{%O endfor C%}"),
    }
    spaces = ["", " ", "\n", "\n  ", " \n", "\t\n\n "]
    for name, (start, end) in tags.items():
        for left in ("", "-", "+"):
            for right in ("", "-", "+"):
                parts = []
                for before in spaces:
                    for after in spaces:
                        tag = [t.replace("O", left).replace("C", right) for t in (start, end)]
                        inner = f"{before}x{after}" if end else ""
                        parts.append(f"a{before}{tag[0]}{inner}{tag[1]}{after}b")
                yield f"space-{name}", "empty", "|".join(parts)
                yield f"space-{name}", "empty", f"  {start.replace('O', left).replace('C', right)}\n{end}"
    for template in ["a\n", "a\n\n", "a\r\nb\rc\n", "\n\n", "", "{{ 1 }}\n", "{% if 1 %}\n{% endif %}\n", "  {% if 1 %}x{% endif %}\n  y",
                     "x  {% set a = 1 %}\n y", "{% if 1 %}\r\nx\r\n{% endif %}", "{{ 'a\r\nb' }}", "\u00a0{%- if 1 -%}\u3000x{% endif %}",
                     "\u00a0{% if 1 %}x{% endif %}", "a {#- -#} b", "{#\n#}\nx", "{# c #}  \n x", "  {# c #}\nx", "  {{ 1 }}\nx",
                     "{%-if 1-%}x{%-endif-%}", "{{-1-}}", "{{- 1 -}}", "{{+1}}", "{{ 1 +}}", "a{{ {'a': {'b': 1}} }}b", "{{ '}}' }}", "{%set a='%}'%}{{a}}",
                     "{{'{{'}}", "{ { 1 } }", "{", "{%", "{#", "abc{#", "}}", "%}", "#}", "a}b{c", "{{{ 1 }}}", "{{ {} }}", "{%+ if 1 +%}\n x{%+ endif +%}\n y"]:
        yield "space-other", "empty", template


def all_cases():
    groups = {
        "output": ("data", OUTPUT), "operators": ("data", OPERATORS), "access": ("data", ACCESS),
        "undefined": ("data", UNDEFINED_FINE), "undefined-errors": ("data", UNDEFINED_ERRORS),
        "statements": ("data", STATEMENTS), "scopes": ("data", SCOPES), "calls": ("data", CALLS),
        "generation": ("chat", GENERATION), "chat": ("chat", CHAT), "parts": ("parts", PARTS),
        "str": ("data", STR_METHODS), "text-filters": ("data", TEXT_FILTERS),
        "sequence-filters": ("data", SEQUENCE_FILTERS), "number-filters": ("data", NUMBER_FILTERS),
        "tests": ("data", TESTS), "errors": ("data", ERRORS),
    }
    for group, (context, block) in groups.items():
        for template in (split_errors if "errors" in group else split)(block):
            yield group, context, template
    for template in DOCUMENTS.strip("\n").split("\n%%\n"):
        for context in ("chat", "parts", "empty"):
            yield "documents", context, template
    yield from whitespace_matrix()
