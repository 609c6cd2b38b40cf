"""The version under the names that Paddle Serving gave it."""

from typing import Final

from paddle_serving_client import __version__

version_tag: Final = __version__
serving_server_version: Final = __version__
serving_client_version: Final = __version__
module_proto_version: Final = __version__
