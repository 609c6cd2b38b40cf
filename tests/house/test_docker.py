"""The container's files name what is there; no engine is needed to see that."""

import re

import yaml

from paddle_serving_server.config import flags
from tests.serving import ROOT


def test_the_containers_parts_are_there() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    copied = [part for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE) for part in line.split()]
    assert copied
    assert [part for part in copied if not part.startswith((".", "/", "--")) and not (ROOT / part).exists()] == []
    assert re.search(r"^USER (?!root|0)", dockerfile, re.MULTILINE)
    assert re.search(r"HEALTHCHECK[^#]*/health", dockerfile)


def test_the_containers_commands_are_understood() -> None:
    services = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text(encoding="utf-8"))["services"]
    argv = services["server"]["command"]
    assert argv[:3] == ["python", "-m", "paddle_serving_server.serve"]
    known = {flag for action in flags.parser()._actions for flag in action.option_strings}
    assert {word for word in argv if word.startswith("--")} <= known
    assert f"http://server:{services['server']['ports'][0].rpartition(':')[2]}" in services["page"]["command"]
