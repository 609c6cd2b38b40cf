"""LocalServiceHandler: a model of this server, said in Python instead of config.yml."""

from collections.abc import Mapping, Sequence
from typing import Any


class LocalServiceHandler:
    """Hand it to an `Op`; its arguments are the keys of `local_service_conf`."""

    def __init__(
        self,
        model_path: str,
        client_type: str = "local_predictor",
        workdir: str = "",
        thread_num: int = 2,
        device_type: int = -1,
        devices: str = "",
        fetch_names: Sequence[str] | None = None,
        mem_optim: bool = True,
        ir_optim: bool = False,
        available_port_generator: object = None,
        use_profile: bool = False,
        precision: str = "fp32",
        use_mkldnn: bool = False,
        mkldnn_cache_capacity: int = 0,
        mkldnn_op_list: Sequence[str] | None = None,
        mkldnn_bf16_op_list: Sequence[str] | None = None,
        min_subgraph_size: int = 3,
        dynamic_shape_info: Mapping[str, Any] | None = None,
        use_calib: bool = False,
    ) -> None:
        """Remember the settings; the model is loaded by an engine when the server starts."""
        del available_port_generator, use_profile, dynamic_shape_info
        self.conf: dict[str, Any] = {
            "model_config": model_path,
            "client_type": client_type,
            "workdir": workdir,
            "thread_num": thread_num,
            "device_type": device_type,
            "devices": devices,
            "fetch_list": list(fetch_names or []),
            "mem_optim": mem_optim,
            "ir_optim": ir_optim,
            "precision": precision,
            "use_mkldnn": use_mkldnn,
            "mkldnn_cache_capacity": mkldnn_cache_capacity,
            "mkldnn_op_list": list(mkldnn_op_list or []),
            "mkldnn_bf16_op_list": list(mkldnn_bf16_op_list or []),
            "min_subgraph_size": min_subgraph_size,
            "use_calib": use_calib,
        }
