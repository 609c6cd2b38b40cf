"""The program: python -m paddle_serving_server.serve --model DIR --port 9393 --name NAME"""

import sys
from collections.abc import Sequence

from paddle_serving_client.errors import ServingError
from paddle_serving_server.commands import reload
from paddle_serving_server.config import command_line, gpus
from paddle_serving_server.engine.settings import EXIT_BAD_START
from paddle_serving_server.process import log, process_info, requirements

EXIT_AS_THEN = 255
"""No model, or no such GPU: what Paddle Serving ended with, which scripts look for."""


def main(argv: Sequence[str]) -> int:
    """Do what the command line says; returns the exit status."""
    try:
        command, warnings = command_line.parse(argv)
        if command.verb in ("stop", "kill"):
            for line in process_info.stop(command.port, hard=command.verb == "kill"):
                print(line)  # noqa: T201
            return 0
        if command.verb == "reload":
            return reload.run(command.port, command.config.manage_token)
        if command.verb == "check":
            from paddle_serving_server.commands import check  # which nobody else needs

            return check.run(command.port)
        log.configure(command.config.log_level, "serve")
        for warning in warnings:
            log.logger.warning(warning)
        if command.config.key_host:
            from paddle_serving_server.commands import key_server  # which few need, and all would wait for

            return key_server.run(command.config)
        requirements.check()
        from paddle_serving_server.supervisor.runtime import (
            Supervisor,  # after these: a client's installation has none of them
        )

        print("Going to Run Comand", flush=True)  # noqa: T201  # scripts wait for it; the words are theirs
        return Supervisor(command.config).run()
    except ServingError as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_AS_THEN if isinstance(exc, command_line.NothingToServe | gpus.NotVisible) else EXIT_BAD_START


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
