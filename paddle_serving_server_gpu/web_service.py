"""WebService, under the name it had where the server was built for GPUs."""

from paddle_serving_server.web_service import WebService

__all__ = ["WebService"]
