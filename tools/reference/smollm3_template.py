"""A chat template of our own with everything that SmolLM3's does: thinking switched by an argument or by a flag in the
system message, three kinds of tools, a date, generation blocks, tool results as user turns."""

TEMPLATE = r"""{# -- what the caller left out -- #}
{%- if enable_thinking is not defined -%}
{%- set enable_thinking = true -%}
{%- endif -%}

{%- if enable_thinking -%}
  {%- set mode = "/think" -%}
{%- else -%}
  {%- set mode = "/no_think" -%}
{%- endif -%}

{{- "<|im_start|>system\n" -}}
{%- if messages[0].role == "system" -%}
  {%- set given = messages[0].content -%}
  {%- if "/no_think" in given -%}
    {%- set mode = "/no_think" -%}
  {%- elif "/think" in given -%}
    {%- set mode = "/think" -%}
  {%- endif -%}
  {%- set orders = given.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}

{%- if "/bare" in given -%}
  {{- orders.replace("/bare", "").rstrip() -}}
  {{- "<|im_end|>\n" -}}
{%- else -%}
  {%- if with_date -%}
    {%- set today = strftime_now("%d %B %Y") -%}
    {{- "It is " ~ today ~ ".\n" -}}
  {%- endif -%}
  {{- "Way of answering: " + mode + "\n\n" -}}
  {%- if orders -%}
    {{- orders + "\n\n" -}}
  {%- elif mode == "/think" -%}
    {{- "Think first, between <think> and </think>; then answer.\n\n" -}}
  {%- else -%}
    {{- "Answer at once.\n\n" -}}
  {%- endif -%}

  {%- if xml_tools or python_tools or tools -%}
    {{- "# What you can call\n\n" -}}
    {%- if xml_tools or tools -%}
      {%- if tools -%}
        {%- set xml_tools = tools -%}
      {%- endif -%}
      {%- set ns = namespace(list="Functions:\n<tools>\n") -%}
      {%- for tool in xml_tools[:] -%} {# a list, even where it was none #}
        {%- set ns.list = ns.list ~ (tool | string) ~ "\n" -%}
      {%- endfor -%}
      {%- set list = ns.list + "</tools>\n\nTo call one, write:\n<tool_call>\n{\"name\": <its-name>, \"arguments\": <object>}\n</tool_call>" -%}
      {{- list -}}
    {%- endif -%}
    {%- if python_tools -%}
      {%- set ns = namespace(list="Python between '<code>' and '</code>' runs in a notebook that has:\n<tools>\n") -%}
      {%- for tool in python_tools[:] -%}
        {%- set ns.list = ns.list ~ (tool | string) ~ "\n" -%}
      {%- endfor -%}
      {{- ns.list + "</tools>\n\nIts variables live on." -}}
    {%- endif -%}
    {{- "\n\n" -}}
  {%- endif -%}
  {{- "<|im_end|>\n" -}}
{%- endif -%}
{# -- the conversation -- #}
{%- for message in messages -%}
    {%- set content = message.content if message.content is string else "" -%}
    {%- if message.role == "user" -%}
        {{ "<|im_start|>" + message.role + "\n"  + content + "<|im_end|>\n" }}
    {%- elif message.role == "assistant" -%}
        {% generation %}
        {%- if mode == "/think" -%}
            {{ "<|im_start|>assistant\n" + content.lstrip("\n") + "<|im_end|>\n" }}
        {%- else -%}
            {{ "<|im_start|>assistant\n" + "<think>\n\n</think>\n" + content.lstrip("\n") + "<|im_end|>\n" }}
        {%- endif -%}
        {% endgeneration %}
    {%- elif message.role == "tool" -%}
    {{ "<|im_start|>" + "user\n"  + content + "<|im_end|>\n" }}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {%- if mode == "/think" -%}
        {{ "<|im_start|>assistant\n" }}
    {%- else -%}
        {{ "<|im_start|>assistant\n" + "<think>\n\n</think>\n"  }}
    {%- endif -%}
{%- endif -%}
"""
