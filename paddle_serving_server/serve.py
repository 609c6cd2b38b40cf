"""The door: python -m paddle_serving_server.serve --model DIR --port 9393 --name NAME"""

import sys
from collections.abc import Sequence

from paddle_serving_client.errors import ServingError
from paddle_serving_server import config, log, process_info
from paddle_serving_server.runtime import EXIT_BAD_START, Supervisor


def main(argv: Sequence[str]) -> int:
    """Do what the command line says; returns the exit status."""
    try:
        command, warnings = config.parse(argv)
        if command.verb in ("stop", "kill"):
            for line in process_info.stop(command.port, hard=command.verb == "kill"):
                print(line)  # noqa: T201
            return 0
        log.configure(command.config.log_level, "serve")
        for warning in warnings:
            log.logger.warning(warning)
        return Supervisor(command.config).run()
    except ServingError as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_BAD_START


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
