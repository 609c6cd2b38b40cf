"""The command line of tritonserver, as people write it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.triton import command_line
from paddle_serving_server.config.triton.flags import TritonFlags


def test_what_nearly_everybody_writes() -> None:
    flags = command_line.parse(["--model-repository=/models"])
    assert flags == TritonFlags(repositories=("/models",))
    assert (flags.http_port, flags.grpc_port, flags.metrics_port) == (8000, 8001, 8002)
    assert (flags.control_mode, flags.exit_on_error, flags.strict_config) == ("none", True, False)


def test_both_spellings_and_every_flag_that_means_something() -> None:
    line = """--model-repository /a --model-store=/b --model-control-mode explicit --load-model=x --load-model y
        --http-port 9000 --grpc-port=9001 --metrics-port 9002 --http-address 127.0.0.1 --allow-grpc off
        --strict-model-config=false --exit-on-error FALSE --strict-readiness=0 --http-max-input-size=1000
        --log-verbose=1 --log-file x.log --id mine --exit-timeout-secs 5 --repository-poll-secs=3
        --backend-config=onnxruntime,default-max-batch-size=16 --cache-config local,size=1024 --map /models=.
        --backend-policy=exact --model-config-name h100 --model-load-retry-count 2"""
    assert command_line.parse(line.split()) == TritonFlags(
        repositories=("/a", "/b"), control_mode="explicit", load_models=("x", "y"), http_port=9000, grpc_port=9001,
        metrics_port=9002, http_host="127.0.0.1", allow_grpc=False, exit_on_error=False, strict_readiness=False,
        max_body_bytes=1000, log_level="DEBUG", log_file="x.log", server_id="mine", exit_timeout_s=5, poll_s=3,
        default_max_batch_size=16, cache_bytes=1024, maps=("/models=.",), backend_policy="exact", config_name="h100",
        load_retries=2,
    )  # fmt: skip


def test_flags_without_effect_are_kept_to_be_said_once() -> None:
    line = "--model-repository=/m --pinned-memory-pool-byte-size=1 --http-thread-count=8 --http-thread-count 9"
    more = "--grpc-use-ssl=false --backend-config=python,shm-default-byte-size=1048576 --cache-config=redis,host=x"
    assert command_line.parse([*line.split(), *more.split()]).without_effect == (
        "--pinned-memory-pool-byte-size",
        "--http-thread-count",
        "--grpc-use-ssl",
        "--backend-config=python,shm-default-byte-size=1048576",
        "--cache-config=redis,host=x",
    )


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("", "INFO"),
        ("--log-verbose=0", "INFO"),
        ("--log-verbose=true", "DEBUG"),
        ("--log-info=false", "WARNING"),
        ("--log-info=0 --log-warning=0", "ERROR"),
        ("--log-info=1 --log-warning=0", "INFO"),
        ("--log-info=0 --log-warning=0 --log-error=0", "CRITICAL"),
    ],
)
def test_the_log_says_as_much_as_it_is_told(line: str, level: str) -> None:
    assert command_line.parse(["--model-repository=/m", *line.split()]).log_level == level


def test_completion_is_turned_off_by_either_flag() -> None:
    for flag in ("--disable-auto-complete-config", "--strict-model-config=true"):
        assert command_line.parse([flag, "--model-repository=/m"]).strict_config


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_needs_nothing_else(flag: str) -> None:
    assert command_line.parse([flag]).wants_help


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "--model-repository is missing"),
        ("--model-repository", "--model-repository needs a value"),
        ("--model-repository=", "--model-repository needs a value"),
        ("/models", "unexpected '/models': flags begin with --"),
        ("--model-repo=/m", "there is no flag --model-repo"),
        ("--model-repo", "there is no flag --model-repo"),
        ("--model-repository=/m --http-port=http", "--http-port is a number from 0 to 65535, got 'http'"),
        ("--model-repository=/m --http-port=70000", "--http-port is a number from 0 to 65535, got '70000'"),
        ("--model-repository=/m --allow-http=maybe", "--allow-http is true or false, got 'maybe'"),
        ("--model-repository=/m --model-control-mode=often", "is one of none, poll, explicit; got 'often'"),
        ("--model-repository=/m --load-model=x", "requires setting '--model-control-mode=explicit' as well"),
        ("--model-repository=/m --model-control-mode=explicit --load-model=x --load-model=*", "it stands alone"),
        ("--model-repository=/m --allow-http=0 --allow-grpc=0", "leave nobody to ask the server"),
        ("--model-repository=/m --backend-config=python", "--backend-config is BACKEND,SETTING=VALUE"),
        ("--model-repository=/m --cache-config=local", "--cache-config is CACHE,SETTING=VALUE"),
        ("--model-repository=/m --http-header-forward-pattern=(", "is no regular expression"),
        ("--model-repository=/m --disable-auto-complete-config=1", "takes no value, got '1'"),
        ("--model-repository=/m --grpc-use-ssl=true", "--grpc-use-ssl cannot be had here: this server speaks plain"),
        ("--model-repository=/m --http-restricted-api=x:y=z", "cannot be had here: what changes the server is answ"),
        ("--model-repository=/m --allow-client-shm true", "callers share no memory with the server"),
    ],
)
def test_what_is_wrong_is_named(line: str, message: str) -> None:
    with pytest.raises(BadConfig) as caught:
        command_line.parse(line.split())
    assert message in str(caught.value)


def test_every_known_flag_is_taken_or_refused() -> None:
    assert set(command_line.meaningful()) < set(command_line.known())
    assert len(command_line.known()) > 60


_WORDS = st.sampled_from([f"--{name}" for name in command_line.known()]) | st.text(max_size=8)
_VALUES = st.sampled_from(["", "=", "=1", "=true", "=-1", "=x,y=z", "=*", "=9" * 30])


@given(st.lists(st.tuples(_WORDS, _VALUES).map("".join), max_size=6))
@settings(max_examples=300, deadline=None)
def test_any_command_line_is_read_or_refused(argv: list[str]) -> None:
    try:
        flags = command_line.parse(argv)
    except BadConfig:
        return
    assert flags.wants_help or flags.repositories
