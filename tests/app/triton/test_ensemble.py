"""Ensembles: their steps in order, and whether they fit the models that they name."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from paddle_serving_app.triton import ensemble, repository
from paddle_serving_app.triton.config import Step, TritonModelConfig
from paddle_serving_client.errors import BadConfig, BadModel
from tests import triton_models as tm


@pytest.fixture
def models(tmp_path: Path) -> dict[str, TritonModelConfig]:
    listing = repository.listed([tm.bert(tmp_path)])
    return {name: repository.opened(path).config for name, path in listing.models.items()}


def step(takes: dict[str, str], gives: dict[str, str], name: str = "m") -> Step:
    return Step(model_name=name, model_version=-1, input_map=takes, output_map=gives)


def test_steps_are_in_the_order_in_which_they_can_run(models: dict[str, TritonModelConfig]) -> None:
    config = models["ensemble_model"]
    for seed in range(6):
        steps = list(config.steps)
        random.Random(seed).shuffle(steps)
        assert ensemble.ordered(replace(config, steps=tuple(steps))) == config.steps
    ensemble.check_models(config, models)


def test_one_tensor_may_feed_several_steps_and_one_model_come_twice(models: dict[str, TritonModelConfig]) -> None:
    config = replace(
        models["ensemble_model"],
        steps=(
            step({"c": "x", "d": "y"}, {"o": "label"}),
            step({"a": "text_input"}, {"b": "x"}),
            step({"a": "x"}, {"b": "y"}),
        ),
    )
    assert [found.output_map for found in ensemble.ordered(config)] == [{"b": "x"}, {"b": "y"}, {"o": "label"}]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([step({"a": "nope"}, {"b": "label"})], "step 'm': no input of the ensemble and no step gives tensor 'nope'"),
        ([step({"a": "text_input"}, {"b": "x"})], "no step gives output 'label'"),
        ([step({"a": "text_input"}, {"b": "label", "c": "label"})], "tensor 'label' comes from more than one place"),
        ([step({"a": "text_input"}, {"b": "text_input"})], "tensor 'text_input' comes from more than one place"),
        (
            [step({"a": "y"}, {"b": "x"}, "one"), step({"a": "x"}, {"b": "y", "c": "label"}, "two")],
            "steps wait for each other: one, two",
        ),
    ],
)
def test_steps_that_do_not_fit_together_are_refused(
    models: dict[str, TritonModelConfig], steps: list[Step], message: str
) -> None:
    with pytest.raises(BadConfig, match=message):
        ensemble.ordered(replace(models["ensemble_model"], steps=tuple(steps)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"text_preprocessing"', '"tokenizer"', "depends on 'tokenizer', which there is not; there are "),
        ('{ key: "text_input" value', '{ key: "text" value', "'text_preprocessing' has no input 'text'; it has"),
        ('output_map { key: "logits"', 'output_map { key: "probs"', "has no output 'probs'"),
        ('      input_map { key: "attention_mask" value: "mask" }\n', "", "input 'attention_mask' gets no tensor"),
        ('"label" data_type: TYPE_STRING', '"label" data_type: TYPE_FP32', "inconsistent data types FP32 and BYTES"),
        ('"label" data_type: TYPE_STRING dims: [ 1 ]', '"label" data_type: TYPE_STRING dims: [ 2 ]',
         r"tensor 'label': inconsistent shapes \[-1, 2\] and \[-1, 1\] of ensemble"),
    ],
)  # fmt: skip
def test_an_ensemble_that_does_not_fit_its_models_is_refused(
    tmp_path: Path, models: dict[str, TritonModelConfig], old: str, new: str, message: str
) -> None:
    text = tm.BERT["ensemble_model"]
    assert old in text
    config = repository.opened(tm.put(tmp_path / "changed/ensemble_model", text.replace(old, new))).config
    with pytest.raises(BadModel, match=message):
        ensemble.check_models(config, models)
