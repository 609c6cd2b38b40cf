"""PictureService, where service files import it from."""

from paddle_serving_server.services.picture_service import PictureService as PictureService
