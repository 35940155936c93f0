"""Small byte-level BPE tokenizers with the pipeline and the special tokens of SmolLM2 and SmolVLM.

Token ids are laid out as in the originals: 17 special tokens, 256 bytes, merged tokens, then the added
tokens of the family.
"""

import json

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

BASE_SPECIALS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>",
    "<gh_stars>", "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>",
    "<jupyter_code>", "<jupyter_output>", "<jupyter_script>", "<empty_output>",
]  # fmt: skip
ROW_COL = [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]
FAMILY_TOKENS = {
    "smollm2": [],
    # SmolVLM 256M (v1) and all of SmolVLM2; the original has 88 reserved tokens, this one has 4.
    "smolvlm": ["<global-img>", *ROW_COL, "<fake_token_around_image>", "<image>"]
    + [f"<|reserved_special_token_{i}|>" for i in range(4)]
    + ["<end_of_utterance>"],
    # SmolVLM-Instruct (v1, 2.2B): `<global-img>` and `<row_1_col_1>` are ordinary text there.
    "smolvlm-v1": ["<fake_token_around_image>", "<image>", "<end_of_utterance>"],
}

CORPUS = """
What is in this picture? The picture shows a small red house beside a river, and two children who play with a dog.
How many birds are there? There are three birds on the wire and one on the roof, so there are four birds in the image.
Describe this image in detail. In the foreground there is a wooden table with a white cup, a plate of bread and a
yellow flower in a glass of water; in the background the window is open and the light of the morning comes in.
User: Which of these two is larger? Assistant: The first one is larger than the second one.
Read the text in the document. The invoice of 12 March 2024 says that the total is 1,234.56 euros, due within 30 days.
The answer is that it depends on the colour, the shape and the position of the objects that you can see here.
A statue stands on an island in the harbour; behind it the city with its towers and bridges can be seen.
She said: "I don't think that's what we've been looking for", and they'd already gone when he'll have arrived.
Please compare the images and explain the difference between them. The left image has more trees than the right image.
for (int i = 0; i < count; ++i) { sum += values[i]; }  // the loop adds the numbers
Le chat est assis sur la chaise verte. Der Hund läuft über die Straße. El niño come una manzana roja mañana.
Системный ответ: на картинке видно море и небо. 图片里有一只猫和一条狗。写真には山と川が見えます。
""".strip()


def train(family, merges=319):
    """A Tokenizer of `family` ("smollm2", "smolvlm", "smolvlm-v1")."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(BASE_SPECIALS) + 256 + merges,
        min_frequency=1,
        show_progress=False,
        special_tokens=[AddedToken(t, normalized=False, special=True) for t in BASE_SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS.split("\n"), trainer)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in FAMILY_TOKENS[family]])
    return tokenizer


def write(tokenizer, family, folder, *, merges_as_strings, chat_template=None):
    """tokenizer.json and tokenizer_config.json as the hub has them."""
    content = json.loads(tokenizer.to_str())
    pairs = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in content["model"]["merges"]]
    content["model"]["merges"] = [" ".join(p) if merges_as_strings else list(p) for p in pairs]
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    vision = family != "smollm2"
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(t["id"]): {k: t[k] for k in ("content", "lstrip", "normalized", "rstrip", "single_word", "special")}
            for t in content["added_tokens"]
        },
        "additional_special_tokens": ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
        if vision
        else ["<|im_start|>", "<|im_end|>"],
        "bos_token": "<|im_start|>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "<end_of_utterance>" if vision else "<|im_end|>",
        "model_max_length": 8192,
        "pad_token": "<|im_end|>",
        "tokenizer_class": "GPT2Tokenizer",
        "truncation_side": "left",
        "unk_token": "<|endoftext|>",
        "vocab_size": tokenizer.get_vocab_size(),
    }
    if chat_template is not None:
        config["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n")
