"""Writes tests/vectors.jsonl: texts and their counts by OpenAI's own tiktoken.

    pip install tiktoken==0.14.0
    python tokens/tools/make_vectors.py FOLDER_WITH_THE_VOCABULARIES > tokens/tests/vectors.jsonl

The folder holds cl100k_base.tiktoken and o200k_base.tiktoken; the assets of the crate tiktoken-rs will do, since
tiktoken compares their hashes with those it knows.
"""

import json
import os
import random
import sys

import tiktoken
import tiktoken_ext.openai_public as openai_public

FOLDER = sys.argv[1]
load = openai_public.load_tiktoken_bpe
openai_public.load_tiktoken_bpe = lambda url, expected_hash: load(
    os.path.join(FOLDER, os.path.basename(url)), expected_hash
)
os.environ["TIKTOKEN_CACHE_DIR"] = ""
ENCODINGS = [
    tiktoken.Encoding(**openai_public.cl100k_base()),
    tiktoken.Encoding(**openai_public.o200k_base()),
]

SENTENCES = [
    "You've used 90 % of today's AI quota (45,000 of 50,000 tokens). It resets at midnight Pacific time.",
    "DON'T SHOUT; we'll see what she'd said they've done, I'm sure it's y'all's.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Портативный компьютер — это персональный компьютер, который можно переносить.",
    "今天天气很好,我们去公园散步吧。人工智能正在改变世界。",
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "다람쥐 헌 쳇바퀴에 타고파. 인공지능은 세상을 바꾸고 있다.",
    "مرحبا بالعالم، كيف حالك اليوم؟ السَّلَامُ عَلَيْكُمْ",
    "नमस्ते दुनिया, आप कैसे हैं? क्षत्रिय त्रिशूल ज्ञान",
    "สวัสดีชาวโลก วันนี้อากาศดีมาก",
    "שלום עולם, מה שלומך היום?",
    "fn main() { println!(\"{:?}\", (0..10).map(|x| x * 2).collect::<Vec<_>>()); } // done\r\n\r\n",
    "def f(x: int) -> str:\n\treturn f\"{x:>08}\"  # TODO\n\n\n",
    "{\"id\":\"chatcmpl-9xYz\",\"created\":1763852400,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\u00e9\"}}]}",
    "SELECT * FROM users WHERE id IN (1, 22, 333, 4444, 55555) AND name LIKE '%o''Neil%';",
    "https://example.com/a/b//c?d=e&f=%20#g /usr/local/bin/../lib64/x86_64-linux-gnu\n/\n//",
    "👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 ☃️ ™ © ½ ² ① Ⅷ ٣٤٥ ९८७",
    "camelCaseHTTPServer PascalCase SCREAMING_SNAKE kebab-case iPhone15ProMax XMLHttpRequest",
    "<|endoftext|><|im_start|>system<|im_end|><|fim_prefix|><|endofprompt|>",
    "a\u0301e\u0308 \u0301 A\u030a \u0301ABC \u0301abc x\u200dy \ufeff \u0000 \u007f \u0085 \u2028 \u3000 \u00a0",
    "'s 'S 'ſ 't 're 'RE 've 'm 'll 'LL 'd 'x ''s it'ſ IT'S we'Re ǅ ǆ Ǆ İ ı ß ẞ ﬁ",
    "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQgdGV4dCB3aXRob3V0IGFueSBtZWFuaW5nIGF0IGFsbA==",
    "    indented\n        more\n\t\ttabs \t mixed \t\n \n  \n   end   ",
    "==========-----------**********/////////\n\n\n\n######## ........ !!!!!!!! ????",
]
TROUBLE = list("aASsLlTtEe'ſ’ \t\n\r/.!-_1٣²Éé中の한א\u0301\u093f\u00a0\u3000\u2028\u0085\u200b\u200d\ufe0f👍🏽ǅʰª\u0000") + [
    "\r\n", "  ", "'s", "'ll", "don't", "Hello", "WORLD", "<|", "|>", "123", "=="
]


def texts():
    yield ""
    yield from SENTENCES
    pick = random.Random(20261122)
    for sentence in SENTENCES:
        for _ in range(20):
            start = pick.randrange(len(sentence))
            yield sentence[start : start + 1 + pick.randrange(40)]
        for _ in range(5):
            letters = list(sentence)
            pick.shuffle(letters)
            yield "".join(letters)
    for _ in range(1600):
        yield "".join(pick.choice(TROUBLE) for _ in range(1 + pick.randrange(16)))
    for _ in range(600):
        end = pick.choice([0x80, 0x250, 0x3100, 0xD800, 0x1FFFF])
        yield "".join(chr(pick.randrange(end) % 0xD800) for _ in range(1 + pick.randrange(20)))
    for _ in range(300):
        yield " ".join(pick.choice(SENTENCES) for _ in range(2)).replace(pick.choice("eao "), pick.choice(TROUBLE))
    for letter in ["a", "A", " ", "\n", " \n", "=", "中", "\u0301", "ab", "0", "'", "👍"]:
        for length in [2, 3, 7, 8, 15, 16, 17, 64, 127, 128, 129, 500, 2000]:
            yield letter * length


for text in texts():
    counts = [len(encoding.encode_ordinary(text)) for encoding in ENCODINGS]
    print(json.dumps([text, *counts]))
