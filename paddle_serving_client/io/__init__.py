"""Making served models: from a program or layer in memory (`save_model`), or from an exported model."""

from paddle_serving_client.io.conversion import inference_model_to_serving
from paddle_serving_client.io.training import save_dygraph_model, save_model

__all__ = ["inference_model_to_serving", "save_dygraph_model", "save_model"]
