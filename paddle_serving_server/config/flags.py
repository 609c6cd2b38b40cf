"""The flags of `serve`: those that do something, those of 0.9 that change nothing, and other ways to say them."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddle_serving_client import program
from paddle_serving_client.errors import BadConfig

VERBS = ("start", "stop", "kill", "reload", "check")
SWITCHES = ("true", "false", "on", "off", "yes", "no", "0", "1")
"""Words that scripts of 0.9 put behind a switch, as in `--ir_optim True`; they mean nothing."""
CHECKS = ("check_all", "check_cpp", "check_pipeline", "check_inference")
"""What the shell of `check` was told in Paddle Serving; behind `check`, all mean the same."""
AUTO = "auto"
"""For `--backend`: the same as not to give it."""

IGNORED = {
    "workdir": "no working folder is needed",
    "device": "--gpu_ids decides",
    "use_mkl": "the inference library decides",
    "use_lite": "Paddle Lite is not used",
    "use_xpu": "Kunlun cards are not used",
    "use_ascend_cl": "Ascend cards are not used",
    "use_calib": "no calibration tables are used",
    "mem_optim_off": "memory is always reused",
    "gpu_multi_stream": "each engine has a stream of its own",
    "gpu_memory_mb": "the library takes what it needs",
    "trt_workspace_size": "TensorRT gets 1 GiB",
    "trt_use_static": "TensorRT engines are built at each start",
    "min_subgraph_size": "the library decides what TensorRT runs",
    "use_multilang": "every protocol is on the one port",
    "product_name": "callers are not authenticated",
    "container_id": "callers are not authenticated",
    "use_dist_model": "models that are spread over machines are not served",
    "dist_carrier_id": "models that are spread over machines are not served",
    "dist_cfg_file": "models that are spread over machines are not served",
    "dist_endpoints": "models that are spread over machines are not served",
    "dist_nranks": "models that are spread over machines are not served",
    "dist_subgraph_index": "models that are spread over machines are not served",
}
"""Flags of Paddle Serving 0.9 that are understood, and why they change nothing."""

_WITH_VALUE: dict[str, dict[str, Any]] = {
    "workdir": {},
    "device": {},
    "gpu_memory_mb": {"type": int},
    "trt_workspace_size": {"type": int},
    "min_subgraph_size": {"nargs": "+"},
    "product_name": {},
    "container_id": {},
    "dist_carrier_id": {},
    "dist_cfg_file": {},
    "dist_endpoints": {},
    "dist_nranks": {"type": int},
    "dist_subgraph_index": {"type": int},
}
"""Those of `IGNORED` that are no switches."""

# fmt: off
_OLD = frozenset((
    "thread", "port", "gpu_ids", "runtime_thread_num", "batch_infer_size", "model", "op", "precision", "ir_optim",
    "max_body_size", "use_trt", "use_encryption_model", "encryption_rpc_port", "enable_prometheus", "prometheus_port",
    "request_cache_size", "dist_master_serving", "dist_worker_serving_endpoints", "cpu_math_thread_num",
))
"""Flags of 0.9 that do something here."""
# fmt: on

ENVIRONMENT = {"SERVING_BIN": "there is no binary to choose"}
"""Variables of Paddle Serving 0.9 that change nothing, and why."""


class Flags(argparse.ArgumentParser):
    """Flags that may be shortened as in 0.9: one that is new here does not make an old abbreviation ambiguous.

    What stands beside the flags are words: a verb, or what is to be served. They may stand between flags, too, which
    argparse does not allow them.
    """

    def words(self, argv: Sequence[str]) -> list[str]:
        """The words of a command line. Ends the process where a flag is not known, as `parse_args` does."""
        words = self.parse_known_args(argv)[1]
        if unknown := [word for word in words if word.startswith("-")]:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return words

    def values(self, argv: Sequence[str], before: argparse.Namespace | None = None) -> argparse.Namespace:
        """The values of the flags, over those of `before`."""
        return self.parse_known_args(argv, before)[0]

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        found = super()._get_option_tuples(option_string)
        old = [option for option in found if option[0].dest in _OLD or option[0].dest in IGNORED]
        return old if len(old) == 1 else found


def parser() -> Flags:
    """The flags of `python -m paddle_serving_server.serve`."""
    flags = Flags(
        prog=program.name("python -m paddle_serving_server.serve"),
        usage="%(prog)s [start | stop | kill | reload | check] [[NAME=]THING ...] [flags]",
        description="Serve models: RPC and HTTP on one port. A THING is a model, a service file or a file of settings.",
        epilog="Everything behind -- is handed to the service files.",
    )
    add = flags.add_argument
    add("--model", nargs="+", default=[], metavar="[NAME=]PATH", help="a model; several are one chain")
    add("--op", nargs="+", default=[], metavar="OP", help="what runs each model (default: GeneralInferOp)")
    add("--name", help="its name in POST /NAME/prediction (default: the model's)")
    add("--service", action="append", default=[], metavar="FILE.py", help="host this WebService too; repeatable")
    add("--model_repository", action="append", default=[], metavar="DIR", help="all models of a Triton repository")
    add("--config", metavar="FILE.yml", help="the same settings as these flags, from a file; flags win")
    add("--allow_no_model", action="store_true", help="start without a model: those come by the registry")
    add("--allow_broken_models", action="store_true", help="go on without models that cannot be loaded at the start")
    add("--host", default="0.0.0.0", help="address to listen on; :: for IPv6 and IPv4")
    add("--port", type=int, default=9393, help="port for all protocols (default 9393)")
    add("--extra_ports", type=int, nargs="+", default=[], metavar="PORT", help="more ports, the same on each")
    add("--thread", type=int, default=4, help="threads for pre- and postprocessing in each front (default 4)")
    add("--fronts", type=int, default=1, help="processes that accept connections (default 1)")
    add("--backend", default="", help="paddle, onnxruntime or openvino; auto (default): what measures fastest")
    add("--tune", default="load", help="load (default): measure a new model at its first load; off: never")
    add("--tune_s", type=float, default=20.0, help="how long to measure, in seconds (default 20)")
    add("--engine_threads", type=int, default=0, help="computing threads of an engine (default: what measures best)")
    add("--cpu_math_thread_num", type=int, default=0, help="the same, for scripts of 0.9")
    add("--gpu_ids", nargs="+", default=[], metavar="ID", help="GPU of each model, -1 for CPU (default: CPU)")
    add("--precision", default="fp32", type=str.lower, help="fp32, fp16, int8 or bf16, where the library can")
    add("--ir_optim", action="store_true", help="always on; kept for old scripts")
    add("--use_trt", action="store_true", help="TensorRT, on GPU")
    add("--golden", nargs="+", default=[], metavar="FILE", help="inputs and outputs that each model has to give (.npz)")
    add("--batch_infer_size", type=int, nargs="+", default=[], help="largest batch, in rows (default: as measured)")
    add("--runtime_thread_num", type=int, nargs="+", default=[], help="engine processes of each model, as in 0.9")
    add("--batch_wait_ms", type=float, default=0.0, help="longest wait for company in a batch (default 0)")
    add("--max_body_size", type=int, default=64 << 20, help="largest request in bytes (default 64 MiB)")
    add("--max_waiting", type=int, default=1000, help="requests that may wait for one engine (default 1000)")
    add("--max_inside", type=int, default=0, help="requests inside a service with steps (default 64 + 16 a thread)")
    add("--request_timeout_ms", type=float, default=60_000, help="longest time for one request (default 60000)")
    add("--instances", type=int, default=0, help="engine processes of each model (default: as measured, else 1)")
    add("--reload_interval_s", type=float, default=10.0, help="look for new versions this often; 0: never (default 10)")
    add("--reload_code", action="store_true", help="take changed service files while the server runs")
    add("--load_timeout_s", type=float, default=120.0, help="longest time for a new version to load (default 120)")
    add(
        "--listen", action="append", default=[], metavar="ADDR", help="one more address: HOST:PORT[=API,...[:ROLE,...]]"
    )
    add("--manage_token_file", metavar="FILE", help="what must be sent by who asks for reloads and other changes")
    add("--manage_from", nargs="+", default=["127.0.0.0/8", "::1"], metavar="NET", help="who may ask for reloads")
    add("--variant", action="append", default=[], metavar="TAG=DIR:PERCENT", help="A/B test: this model answers too")
    add("--variant_by_log_id", action="store_true", help="requests with the same log_id get the same variant")
    add("--shadow", action="append", default=[], metavar="TAG=DIR[:PERCENT]", help="compare this model's answers")
    add("--shadow_tolerance", type=float, default=1e-3, help="how far a shadow's answer may be off (default 0.001)")
    add("--request_cache_size", type=int, default=0, help="bytes of answers to keep in each front (default 0: none)")
    add("--enable_prometheus", action="store_true", help="metrics for Prometheus under /metrics")
    add("--prometheus_port", type=int, default=19393, help="one more port, where they are too (default 19393)")
    add("--grace_s", type=float, default=30.0, help="longest time to finish requests when stopping (default 30)")
    add("--key_file", metavar="FILE", help="key of encrypted models; -: read it from standard input")
    add("--use_encryption_model", action="store_true", help="wait on --port for the key of encrypted models")
    add("--encryption_rpc_port", type=int, default=12000, help="then serve on the first free port from it (12000)")
    add("--log_level", default="INFO", help="DEBUG, INFO, WARNING or ERROR (default INFO)")
    add("--dist_master_serving", action="store_true", help="refused: Client.connect takes several servers")
    add("--dist_worker_serving_endpoints", default="", metavar="HOST:PORT", help="refused, too")
    for name in IGNORED:
        kind = {"default": None, **_WITH_VALUE[name]} if name in _WITH_VALUE else {"action": "store_true"}
        add(f"--{name}", help=argparse.SUPPRESS, **kind)
    return flags


def from_environment() -> list[str]:
    """What variables of Paddle Serving say, as flags."""
    size, level = (os.environ.get(name, "") for name in ("FLAGS_max_body_size", "GLOG_v"))
    argv = ["--max_body_size", size] if size.isdigit() else []
    return [*argv, "--log_level", "DEBUG"] if level.isdigit() and int(level) else argv


def split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def from_yaml(flags: argparse.ArgumentParser, file: Path) -> list[str]:
    """The settings of a yaml file as flags: the file says the same, in the same words."""
    import yaml  # here, so that `check` runs where it is missing

    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadConfig(f"--config {file}: there is no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise BadConfig(f"--config {file}: {' '.join(str(exc).split())}") from exc
    if not isinstance(said, dict):
        raise BadConfig(f"--config {file}: expected settings as 'port: 9393', one a line, got {type(said).__name__}")
    actions = {name[2:]: a for a in flags._actions for name in a.option_strings if name.startswith("--")}
    argv: list[str] = []
    for key, value in said.items():
        action = actions.get(key)
        if action is None or key in ("help", "config"):
            valid = ", ".join(sorted(k for k in actions if k not in ("help", "config", *IGNORED)))
            raise BadConfig(f"--config {file}: unknown setting {key!r}; there are: {valid}")
        if action.nargs == 0:
            argv += [f"--{key}"] if value else []
            continue
        values = [str(v) for v in value] if isinstance(value, list) else [str(value)]
        repeated = isinstance(action, argparse._AppendAction)
        argv += [part for v in values for part in (f"--{key}", v)] if repeated else [f"--{key}", *values]
    return argv
