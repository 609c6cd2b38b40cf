"""Makes the small classifier of Russian requests that tests use: checkpoint -> model.onnx, tokenizer.json, config.json.

    python tests/data/text_classifier/make.py       # needs torch, transformers and tokenizers; some seconds

It learns sentences that this file writes, four kinds of them. texts.json has texts with the tokens that transformers
makes of them, and with the logits of the model by torch.
"""

import itertools
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))
LABELS = ("помощь", "благодарность", "жалоба", "вопрос")
_PARTS = {
    0: (["помогите", "нужна помощь", "прошу помочь", "спасите"], ["мне", "нам", "срочно", "с заказом", "пожалуйста"]),
    1: (["спасибо", "благодарю", "очень признателен", "от души"], ["вам", "за помощь", "всем", "большое", "за заказ"]),
    2: (["плохо", "ужасно", "не работает", "сломался"], ["товар", "сервис", "у меня", "опять", "заказ"]),
    3: (["когда", "где", "сколько стоит", "как получить"], ["заказ", "доставка", "товар", "ответ", "у вас"]),
}
_TEXTS = (
    "помогите мне", "Спасибо вам большое!", "", " ", "Ужасно, опять не работает...", "Где мой заказ?", "你好，世界",
    "🙂🚀 ok",     "İstanbul ß Ёлка й", "naïve café", "a" * 300, "заказ " * 2000, "\t\nстрока\u200bс\u00a0пробелами",
    "[CLS] и [SEP] внутри",     "12345 67,89 №7", "ДОСТАВКА!!!", "привет\x00мир",
)  # fmt: skip


def main() -> None:
    """Make everything beside this file."""
    random.seed(0)
    torch.manual_seed(0)
    sentences = [
        (f"{first} {second}", label)
        for label, (starts, ends) in _PARTS.items()
        for first, second in itertools.product(starts, ends)
    ]
    fast = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer([text for text, _ in sentences]),
        unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]",
        model_max_length=64,
    )  # fmt: skip
    config = BertConfig(
        vocab_size=len(fast), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, id2label=dict(enumerate(LABELS)), label2id={n: k for k, n in enumerate(LABELS)},
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    _train(model, fast, sentences)
    checkpoint = Path(tempfile.mkdtemp())
    model.save_pretrained(checkpoint)
    fast.save_pretrained(checkpoint)
    from paddle_serving_app.text_classifier import export

    export.onnx_of(checkpoint, HERE)
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (HERE / name).write_bytes((checkpoint / name).read_bytes())
    (HERE / "texts.json").write_text(json.dumps(_answers(model, fast), ensure_ascii=False, indent=0), encoding="utf-8")


def _tokenizer(texts: list[str]) -> Any:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )  # fmt: skip
    return tokenizer


def _train(model: Any, tokenizer: Any, sentences: list[tuple[str, int]]) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        batch = random.sample(sentences, 32)
        given = tokenizer([text for text, _ in batch], padding=True, return_tensors="pt")
        loss = model(**given, labels=torch.tensor([label for _, label in batch])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1, loss


def _answers(model: Any, tokenizer: Any) -> list[dict[str, Any]]:
    found = []
    with torch.inference_mode():
        for text in _TEXTS:
            given = tokenizer(text, truncation=True, return_tensors="pt")
            logits = model.eval()(**given).logits[0].tolist()
            found.append({"text": text, "ids": given["input_ids"][0].tolist(), "logits": logits})
    return found


if __name__ == "__main__":
    main()
