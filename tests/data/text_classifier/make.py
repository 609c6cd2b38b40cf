"""A tiny BERT that sorts what people write to a help desk, in Russian: vocabulary, training, ONNX, recorded tokens.

    python tests/data/text_classifier/make.py      # seconds; needs torch, transformers, onnxruntime

Writes model.onnx, tokenizer.json, tokenizer_config.json, config.json and id2label.json beside this file, and
tokens.json: texts, with the ids that transformers' own tokenizer gives them.
"""

import itertools
import json
import shutil
import string
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import transformers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from paddle_serving_app.text import checkpoint  # noqa: E402
from paddle_serving_app.text.text_encoding import TextEncoder  # noqa: E402

RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюяё"
TOPICS = {
    "помощь": ["помогите мне", "помогите с", "не могу открыть", "не работает", "как мне настроить", "подскажите про"],
    "оплата": ["не прошла оплата за", "верните деньги за", "сколько стоит", "где чек на", "списали дважды за"],
    "жалоба": ["ужасный", "очень плохо работает", "я недоволен как", "это безобразие", "жалуюсь на", "хамит ваш"],
    "благодарность": ["спасибо за", "благодарю за", "отличный", "всё понравилось и", "большое спасибо", "вы лучшие"],
}
THINGS = ["сайт", "заказ", "приложение", "доставка", "магазин", "телефон", "билет", "подписка", "оператор", ""]
OPENINGS = ["", "здравствуйте", "добрый день", "пожалуйста"]
TEXTS = [
    "помогите мне", "Помогите МНЕ!", "", " ", "спасибо за заказ", "我要退款，谢谢",
    "привет 👋🏽 мир 🌍", "ёлка Ёлка йод",
    "a\tb\nc\u00a0d\u200be", "e\u0301te\u0301 café naïve", "1234567890 +7 (999) 123-45-67", "http://example.com/?q=тест",
    "[CLS] [SEP] [MASK] [PAD] [UNK]", "##ing ## #", "ﬁ Ⅷ ½ ㎏", "\u202eобратно", "нет\x00знака\ufffd",
    "日本語カタカナ한국어",
    "помогите" * 40, "слово " * 2000, "не работает сайт, помогите! " * 400, "." * 600, "👩‍👩‍👧‍👦" * 10, "ПРИВЕТ" * 1700,
]  # fmt: skip


def main() -> None:
    transformers.set_seed(1)
    torch.set_num_threads(1)
    examples = [
        (" ".join(filter(None, words)), label)
        for label, phrases in enumerate(TOPICS.values())
        for words in itertools.product(OPENINGS, phrases, THINGS)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tokenizer = tokenizer_of(folder, [text for text, _ in examples])
        model = trained(tokenizer, examples)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
            shutil.copyfile(folder / name, HERE / name)
        checkpoint.export(folder, TextEncoder(HERE), HERE / "model.onnx")
    labels = {str(number): label for number, label in enumerate(TOPICS)}
    (HERE / "id2label.json").write_text(json.dumps(labels, ensure_ascii=False, indent=1) + "\n", "utf-8")
    recorded = [{"text": text, "ids": tokenizer(text, truncation=True)["input_ids"]} for text in TEXTS]
    (HERE / "tokens.json").write_text(json.dumps(recorded, ensure_ascii=False) + "\n", "utf-8")


def tokenizer_of(folder: Path, texts: list[str]) -> "transformers.BertTokenizerFast":
    """Letters, letters behind others, and the words of the examples."""
    letters = [*RUSSIAN, *string.ascii_lowercase, *string.digits]
    words = sorted({word for text in texts for word in text.replace("ё", "е").replace("й", "и").split()})
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*marks, *string.punctuation, *letters, *(f"##{letter}" for letter in letters), *words]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n", "utf-8")
    file = str(folder / "vocab.txt")
    return transformers.BertTokenizerFast(vocab_file=file, vocab=file, do_lower_case=True, model_max_length=128)


def trained(tokenizer: Any, examples: list[tuple[str, int]]) -> Any:
    """The network, when it knows all examples."""
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(TOPICS)), label2id={label: number for number, label in enumerate(TOPICS)},
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    batch = tokenizer([text for text, _ in examples], padding=True, return_tensors="pt")
    wanted = torch.tensor([label for _, label in examples])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(60):
        order = torch.randperm(len(wanted), generator=torch.Generator().manual_seed(step))
        for rows in order.split(128):
            loss = torch.nn.functional.cross_entropy(
                model(**{k: v[rows] for k, v in batch.items()}).logits, wanted[rows]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = (model(**batch).logits.argmax(1) == wanted).float().mean().item()
    assert right > 0.98, f"{right:.1%} of the examples are right"
    return model


if __name__ == "__main__":
    main()
