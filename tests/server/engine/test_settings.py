"""What a deployment is told by, and who hears its secret."""

from dataclasses import replace

from paddle_serving_app.backend import ModelOptions
from paddle_serving_server.engine.settings import DeploymentSpec, EngineConfig

SPEC = DeploymentSpec(folder="a", options=ModelOptions(threads=2))


def test_equal_specs_have_one_identity_and_no_others_have_it() -> None:
    assert DeploymentSpec.from_json(SPEC.to_json()) == SPEC
    assert DeploymentSpec.from_json(SPEC.to_json()).identity == SPEC.identity
    others = [
        replace(SPEC, folder="b"),
        replace(SPEC, options=ModelOptions(threads=3)),
        replace(SPEC, instances=2),
        replace(SPEC, max_rows=8),
        replace(SPEC, max_wait_ms=1.0),
        replace(SPEC, nice=19),
    ]
    identities = {spec.identity for spec in (SPEC, *others)}
    assert len(identities) == len(others) + 1


def test_the_key_goes_to_the_engine_and_is_in_no_text_that_is_shown() -> None:
    config = EngineConfig(spec=SPEC, key="c2VjcmV0", copy="c", skip=(1, 2), plan={"table": []})
    assert EngineConfig.from_json(config.to_json()) == config
    assert "c2VjcmV0" in config.to_json()
    assert "c2VjcmV0" not in repr(config)
    assert "key" not in SPEC.to_json()
