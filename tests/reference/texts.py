"""The texts on which every engine must agree with the NumPy reference, by group; `PARITY_TEXTS` is all of them.

Some are in NFD: an engine gets what the bridge makes of them, NFC, as Qwen's own tokenizer does and llama.cpp does not.
"""

import unicodedata

from embedstack.models.demo.hf_folder import QUERY_PROMPT
from embedstack.models.demo.lexicon import CONTENT, meanings

CHINESE = (
    "公司年假政策有哪些？",
    "如何配置 SSL 证书？",
    "出差报销需要哪些发票？",
    "员工每年享有十五天带薪休假，工龄满五年后增加到二十天。",
    "今天天气很好，我们去公园散步吧！",
    "人工智能正在改变世界。",
    "臺灣的繁體字與香港的粵語：唔該晒。",
    "《红楼梦》第一回：甄士隐梦幻识通灵，贾雨村风尘怀闺秀",
    "价格：￥１２８．５０（含税）",
    "生僻字：龘靐齉爩𠮷",
)
ENGLISH = (
    "hello",
    "why is the sky blue?",
    "Why is the sky blue?",
    "The capital of China is Beijing.",
    "How do I get my travel expenses reimbursed?",
    "The quick brown fox jumps over the lazy dog.",
    "don't we'll I'm they've it's O'Reilly's",
    "ALL CAPITALS AND CamelCaseWords and snake_case_words",
    "Pneumonoultramicroscopicsilicovolcanoconiosis",
    "In 1984, 3.14159 % of 2,560 items cost $19.99 each.",
    "https://example.com/a/b?c=d&e=%20f#g and someone@example.org",
)
KOREAN = (
    "한국어",
    "안녕하세요, 세계!",
    "휴가 정책은 무엇입니까?",
    "서울은 대한민국의 수도이다.",
)
NFD = tuple(
    unicodedata.normalize("NFD", text)
    for text in (
        "유급 휴가",
        "출장비는 어떻게 청구합니까?",
        "비밀번호를 잊어버렸어요",
        "Ångström café naïve",
        "がぎぐげご パピプ",
    )
)
JAPANESE = (
    "有給休暇は何日ありますか。",
    "東京は日本の首都です。",
    "カタカナとひらがなと漢字",
    "ﾊﾝｶｸ ｶﾅ と 全角ＡＢＣ",
)
ACCENTED = (
    "Où est la bibliothèque ? Près de l'hôtel, à côté du café.",
    "¿Cuántos días de vacaciones tengo? ¡Mañana!",
    "Größe, Straße, Übung, Äpfel",
    "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "Đường đến Việt Nam",
    "Ğüneş İstanbul'da ışık",
)
OTHER_SCRIPTS = (
    "Привет, мир! Сколько дней отпуска?",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "Γειά σου Κόσμε",
)
CODE = (
    "def add(a: int, b: int) -> int:\n    return a + b\n",
    "for (let i = 0; i < 10; i++) { console.log(`row ${i}`); }",
    "SELECT name, COUNT(*) FROM users WHERE age >= 18 GROUP BY name;",
    '#include <stdio.h>\nint main(void) {\n\tprintf("%d\\n", 42);\n\treturn 0;\n}',
    '{"model": "demo", "input": ["x"], "dimensions": 256}',
    "sorted(items, key=lambda item: -item.score)[:10]",
    "rm -rf ./build && make -j2 || exit 1",
)
EMOJI = (
    "😀",
    "👩‍👩‍👧‍👦 family 🇨🇳 flag 👍🏽 thumb",
    "I ❤️ NumPy 🐍✨",
    "∑ᵢ xᵢ² ≤ ∞ → ∀ε>0 ∃δ",
)
WHITESPACE = (
    " ",
    "\n",
    "  two leading spaces",
    "trailing spaces   ",
    "line one\nline two\n\nline four",
    "windows\r\nline\r\nends",
    "\ttab\tseparated\tvalues",
    "wide　ideographic　space and no-break\u00a0space",
    "a  b   c    d     e",
)
SHORT = ("", "a", "好", "7", ".", "年假")
INSTRUCTED = (
    f"{QUERY_PROMPT}公司年假政策有哪些？",
    f"{QUERY_PROMPT}What is the capital of China?",
    "Instruct: Classify the fine-grained category of the given news title\nQuery:股市今日上涨",
    "Instruct: Retrieve semantically similar text\nQuery:A feline is sleeping on the couch",
)
SPECIAL = ("before <|im_start|> after", "one<|endoftext|>two")


def paragraph(sentences: int, start: int = 0) -> str:
    """A mixed text in which no sentence comes twice; about 20 tokens a sentence in the demo model's vocabulary."""
    forms = (
        "Rule {n}: staff may travel by train for {n} days and keep the receipts of hotel number {n}. ",
        "第{n}条：员工出差{n}天须提前申请，并附上第{n}号酒店的发票。",
        "def step_{n}(x):\n    return x * {n} + {n}\n",
    )
    return "".join(forms[n % len(forms)].format(n=n) for n in range(start, start + sentences))


LONG = (paragraph(5), paragraph(25, 100), paragraph(60, 200), paragraph(120, 300), paragraph(184, 1000))

GROUPS = {
    "chinese": CHINESE,
    "english": ENGLISH,
    "korean": KOREAN,
    "nfd": NFD,
    "japanese": JAPANESE,
    "accented": ACCENTED,
    "other scripts": OTHER_SCRIPTS,
    "code": CODE,
    "emoji": EMOJI,
    "whitespace": WHITESPACE,
    "short": SHORT,
    "instructed": INSTRUCTED,
    "special": SPECIAL,
    "long": LONG,
}
PARITY_TEXTS = tuple(text for group in GROUPS.values() for text in group)


def distinct_texts(count: int) -> list[str]:
    """`count` short texts (2,000 at most), no two of which are alike to the demo model: for what must keep an order.

    The model is a bag of words, so that numbered texts will not do: "text 12" and "text 21" have one vector.
    """
    words = {meaning.name: word for word, meaning in meanings().items() if meaning.weight == CONTENT}
    firsts = list(words.values())
    pairs = [(firsts[n % len(firsts)], firsts[(n + 1 + n // len(firsts)) % len(firsts)]) for n in range(count)]
    return [f"{first} {second} {second}" for first, second in pairs]
