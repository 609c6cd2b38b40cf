"""Record what the text readers of Paddle Serving 0.9 return.

    (the environment of record_originals.py)
    original/bin/python tests/app/ops/record_text.py

Writes tests/data/ops/text.json: the small vocabularies, the texts and the numbers they become. The tests need neither
this script nor the old package. Written for Python 3.8.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

GOAL = Path(__file__).resolve().parents[3] / "tests" / "data" / "ops" / "text.json"

BERT = (
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n今\n天\n气\n很\n好\n百\n豈\n，\n。\n！\n\n!\n,\n.\n$\n^\n-\n'\n"
    "the\nun\n##aff\n##able\n##a\na\nb\n##b\ncafe\nnaive\nστιγμας\nи\n##ж\nі\n한\n##국\n1\n##2\n##3\nａ\n##ｂ\nス\n##キ\nß\ni\n😀\nx\n##x\n"
)
NUMBERED = "[PAD]\t10\n[UNK]\t11\n[CLS]\t3\n[SEP]\t4\n[MASK]\t5\n今\t77\nthe \t8\r\n ##n\t9\n天\t77"
LINES = [
    "",
    " \t\r\n　",
    "今天天气很好，百度！",
    "The UNaffable café — NAÏVE; don't!",
    "a\u0000b\ufffdb\u200b a\u00adb\x07",
    "a\u2028b\u2029a\x85b\u00a0a\x0bb\x1ca",
    "ΣΤΙΓΜΑΣ",
    "豈 は 한국 スキー ａｂ Ａ，Ｂ",
    "😀 a😀b 👨‍👩‍👧",
    "𠀀𪜀今⼀〇々",
    "x" * 100 + " " + "x" * 101 + " a",
    "İi ǅ ﬁ Å ề й İSTANBUL",
    "123 12.3 1,2 1_2 $5 ^_^ `~|<>=+ ¿¡«»…„“”‘’¥€№",
    "[CLS] [SEP] [MASK] ##able",
    "the " * 40,
    "un unaff unaffablex a-b--a b'a",
    "\ud800a\udc00",
    "\ue000a\U000f0000b",
    "ß ẞ ſ ı",
    "; ´ ` \u1fef\u2000\u037e",
]
BYTES = ["今天".encode(), b"\xe4\xbb\x8a\xff the\xe5", b""]

WORD = "0\t今\n1\t天\n2\t气\n3\t很\n4\t好\n5\ta\n6\tb\n7\t,\n8\t \n9\tOOV\nno tab\n1\t2\t3\n12\t😀\r\n14\t!"
TAG = "0\tn-B\n1\tn-I\n2\tv-B\n3\tv-I\n4\tw-B\n5\tO\n"
Q2B = "　\t \nａ\ta\nｂ\tb\n，\t,\n！\t!\n＃\t#\n"
SENTENCES = ["今天天气很好", " 今天\n", "ａ，ｂ！　a b", "未知😀", "", "\u3000今", "今\t天", "＃#"]
TAGGED: list[list[Any]] = [
    ["今天天气很好", [0, 1, 0, 1, 2, 2]],
    ["今天天气很好\n", [0, 1, 0, 1, 2, 2]],
    ["今天天气", [1, 1, 3, 1]],
    ["a😀b", [4, 4, 0]],
    ["今", [5]],
    ["今天", [5, 5]],
    ["今天气", [0, 1]],
    ["", []],
    ["今天", [5, 0]],
]

SENTA = "好\t0\n很 \t5\n7\n7\n很\t6\textra\nword\t9\r\n  padded\t11\n今天\t12"
WORDS = [["好", "很", "今天"], ["没有", "word", "padded"], ["<unk>", ""], [], "好word"]

IMDB = "the\nfilm\n.\n,\nwas\ngreat\n!\n  spaced \n\nfilm\nbr\n(\n)\n?"
REVIEWS = [
    "The film was GREAT!",
    "The film,the  film.<br /><br />was\tgreat(?) ; really\n",
    "",
    "   ",
    "spaced film <BR /> br<br/>",
    "été ſ İ. 好",
]
LABELLED = ["the film | 1", "the | film | 0\n", "|1", " the film!| -3 ", "7"]


def main() -> None:
    paddle, fluid, incubate = types.ModuleType("paddle"), types.ModuleType("fluid"), types.ModuleType("incubate")
    data_generator: Any = types.ModuleType("data_generator")
    data_generator.MultiSlotDataGenerator = object  # what the readers inherit for training is not recorded
    names = ("paddle", "paddle.fluid", "paddle.fluid.incubate", "paddle.fluid.incubate.data_generator")
    modules: list[Any] = [paddle, fluid, incubate, data_generator]
    for name, module in zip(names, modules):  # noqa: B905  # Python 3.8
        sys.modules[name] = module
    for parent, child in zip(modules, modules[1:]):  # noqa: B905
        setattr(parent, child.__name__, child)
    reader = importlib.import_module("paddle_serving_app.reader")
    imdb_reader = importlib.import_module("paddle_serving_app.reader.imdb_reader")
    recorded: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {
            "vocab.txt": BERT,
            "numbered.txt": NUMBERED,
            "word.dic": WORD,
            "tag.dic": TAG,
            "q2b.dic": Q2B,
            "senta.txt": SENTA,
            "imdb.vocab": IMDB,
        }.items():
            (Path(folder) / name).write_bytes(content.encode("utf-8"))
            recorded[name] = content
        recorded["bert"] = []
        for name, size in (("vocab.txt", 32), ("vocab.txt", 5), ("vocab.txt", 2), ("numbered.txt", 8)):
            bert = reader.ChineseBertReader({"vocab_file": f"{folder}/{name}", "max_seq_len": size})
            recorded["bert"] += [[name, size, line, list(bert.process(line).values())] for line in LINES]
            texts = [(list(line), bert.process(line)) for line in BYTES]
            recorded["bert"] += [[name, size, line, list(found.values())] for line, found in texts]
        lac = reader.LACReader(folder)
        recorded["lac"] = [[sentence, lac.process(sentence)] for sentence in SENTENCES]
        recorded["lac_sizes"] = [lac.vocab_size, lac.num_labels]
        recorded["lac_labels"] = [["n-I", "x", "O"], lac.label_to_ids(["n-I", "x", "O"])]
        recorded["lac_words"] = [[text, tags, lac.parse_result(text, [[t] for t in tags])] for text, tags in TAGGED]
        senta = reader.SentaReader(f"{folder}/senta.txt")
        recorded["senta"] = [[words, senta.process(words)] for words in WORDS]
        imdb = imdb_reader.IMDBDataset()
        imdb.load_resource(f"{folder}/imdb.vocab")
        recorded["imdb"] = [[review, imdb.get_words_only(review)] for review in REVIEWS]
        recorded["imdb_labelled"] = [[line, *imdb.get_words_and_label(line)] for line in LABELLED]
    lines = [f" {json.dumps(name)}: {_listed(value)}" for name, value in recorded.items()]
    GOAL.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _listed(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n  " + ",\n  ".join(json.dumps(item) for item in value) + "\n ]"


if __name__ == "__main__":
    main()
