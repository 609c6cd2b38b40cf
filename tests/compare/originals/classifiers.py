"""Group B: classifiers of 1000 classes, and segmentation, behind `serve` and as pipelines."""

import shutil
from pathlib import Path

from tests.compare.originals.case import SCALE, SERVE, Case, on_cpu


def _pictures(folder: Path) -> None:
    """A thousand files, of one picture."""
    (folder / "image_data" / "n01440764").mkdir(parents=True)
    for number in range(1000):
        (folder / "image_data" / "n01440764" / f"{number}.jpg").symlink_to(folder / "daisy.jpg")


def _labelled(folder: Path) -> None:
    """The names of the classes, which this folder lacks, from the one beside it; and the config without its GPU."""
    shutil.copy(folder.parent / "imagenet" / "imagenet.label", folder)
    on_cpu(folder)


def _classifier(folder: str, script: str, model: tuple[str, str, str | None], server: str, **more: object) -> Case:
    port = int(server.rsplit("--port ", 1)[1].split()[0])
    expects = str(more.pop("expects", r"prediction: daisy.*, probability: 0\.\d"))
    return Case(
        group="B", folder=f"C++/{folder}", script=f"python3 {script}", models=(model,),
        servers=((f"{SERVE} {server}", (port,)),), expects=expects, **more,  # type: ignore[arg-type]
    )  # fmt: skip


_RESNET = ("classifier:image>score", "ResNet50_vd_model", "ResNet50_vd_client_config")
_RESNET_CONF = f"{_RESNET[2]}/serving_client_conf.prototxt"
_FROM_WEB = "the picture's host, on this machine"
_V2 = ("classifier:image>score", "resnet_v2_50_imagenet_model", "resnet_v2_50_imagenet_client")
_ARRAY = r"\[[\d.e+-]+ +[\d.e+-]+ "

GROUP_B = (
    _classifier(
        "PaddleClas/imagenet", f"resnet50_rpc_client.py {_RESNET_CONF}", _RESNET,
        "--model ResNet50_vd_model --port 9696", supplied=_FROM_WEB,
    ),
    _classifier(
        "PaddleClas/imagenet", f"resnet50_http_client.py {_RESNET_CONF}", _RESNET,
        "--model ResNet50_vd_model --port 9696", supplied=_FROM_WEB, expects=r"float_data: ",
    ),
    _classifier(
        "PaddleClas/imagenet", f"benchmark.py --thread 1 --batch_size 1 --request rpc --model {_RESNET_CONF}", _RESNET,
        "--model ResNet50_vd_model --port 9292 --thread 4 --mem_optim --ir_optim", expects=r"qps: \d",
        prepare=_pictures, supplied="a thousand pictures",
    ),
    Case(
        group="B", folder="C++/PaddleClas/imagenet", script="python3 test_image_reader.py", original=False,
        expects="UnicodeDecodeError",
        fails="it reads a picture as text, which Python 3 refuses; so with 0.9",
    ),
    _classifier(
        "PaddleClas/mobilenet", "mobilenet_tutorial.py",
        ("classifier:image>feature_map", "mobilenet_v2_imagenet_model", "mobilenet_v2_imagenet_client"),
        "--model mobilenet_v2_imagenet_model --port 9393", expects=_ARRAY,
    ),
    _classifier(
        "PaddleClas/resnet_v2_50", "resnet50_v2_tutorial.py", _V2,
        "--model resnet_v2_50_imagenet_model --port 9393", expects=_ARRAY,
    ),
    _classifier(
        "PaddleClas/resnet_v2_50",
        "benchmark.py --thread 2 --batch_size 2 --request rpc"
        " --model resnet_v2_50_imagenet_client/serving_client_conf.prototxt",
        (f"classifier:image>{SCALE}.tmp_0", *_V2[1:]), "--model resnet_v2_50_imagenet_model --port 9393",
        expects=r"qps\(request\): \d", supplied="`FLAGS_serving_latency=1`, without which it fails",
    ),
    _classifier(
        "PaddleClas/resnet_v2_50", "resnet50_debug.py resnet_v2_50_imagenet_model", _V2,
        "--model resnet_v2_50_imagenet_model --port 9393", expects="argument 'gpu'", original=False,
        fails="`load_model_config` takes no `gpu`; so with 0.9",
    ),
    *(
        _classifier(
            "PaddleClas/resnet_50_vd", script,
            (f"classifier:inputs>{SCALE}.tmp_1", "ResNet50_vd_serving", "ResNet50_vd_client"),
            "--model ResNet50_vd_serving --port 9394", supplied=_FROM_WEB,
        )
        for script in ("rpc_client.py", "http_client.py")
    ),
    _classifier(
        "low_precision/resnet50", "resnet50_client.py",
        (f"classifier:image>{SCALE}.tmp_0", "serving_server", "serving_client"),
        "--model serving_server --port 9393", expects=_ARRAY, supplied="no GPU: without `--gpu_ids 0 --use_trt`",
    ),
    _classifier(
        "xpu/resnet_v2_50_xpu", "resnet50_client.py", _V2,
        "--model resnet_v2_50_imagenet_model --port 9393 --use_lite --use_xpu --ir_optim", expects=_ARRAY,
    ),
    Case(
        group="B", folder="C++/xpu/resnet_v2_50_xpu", models=(_V2,), original=False, expects=_ARRAY,
        script="python3 localpredict.py resnet_v2_50_imagenet_model",
    ),
    _classifier(
        "xpu/vgg19", "vgg19_client.py", (f"classifier:image>{SCALE}", "serving_server", "serving_client"),
        "--model serving_server --port 7702 --use_lite --use_xpu --ir_optim", expects=_ARRAY,
    ),
    *(
        Case(
            group="B", folder=f"C++/PaddleSeg/{name}", models=(("segmenter", f"{model}_model", f"{model}_client"),),
            servers=((f"{SERVE} --model {model}_model --port 9494", (9494,)),), script=f"python3 {script}",
            expects="", writes=("N0060_jpg_mask.png", "N0060_jpg_result.png"),
        )
        for name, model, script in (
            ("deeplabv3", "deeplabv3", "deeplabv3_client.py"), ("unet_for_image_seg", "unet", "seg_client.py"),
        )
    ),
)  # fmt: skip


def _pipelines() -> tuple[Case, ...]:
    """Classifiers as pipelines, each asked over HTTP and over gRPC."""
    own = ("DarkNet53", "HRNet_W18_C", "MobileNetV1", "MobileNetV2", "MobileNetV3_large_x1_0", "ResNeXt101_vd_64x4d",
           "ResNet50_vd", "ShuffleNetV2_x1_0")  # fmt: skip
    found = [(name, "classifier:image>prediction", f"{name}/ppcls_model") for name in own]
    for name, feed, fetch in (
        ("ResNet50_vd_FPGM", "image", f"{SCALE}.tmp_1"),
        ("ResNet50_vd_KL", "inputs", f"{SCALE}.tmp_0"),
        ("ResNet50_vd_PACT", "inputs", f"{SCALE}.tmp_1"),
    ):
        found.append((name, f"classifier:{feed}>{fetch}", f"{name}/ppcls_model"))
    made = [
        Case(
            group="B", folder=f"Pipeline/PaddleClas/{name}", models=((kind, model, None),), prepare=on_cpu,
            servers=(("python3 resnet50_web_service.py", (18080, 9993)),), server_stubs=("numpy_1",),
            script=f"python3 {script}", expects=r"daisy", supplied="`device_type: 0`; `numpy.fromstring`",
        )
        for name, kind, model in found
        for script in ("pipeline_http_client.py", "pipeline_rpc_client.py")
    ]  # fmt: skip
    made += [
        Case(
            group="B", folder="Pipeline/PaddleClas/ResNet_V2_50", prepare=_labelled,
            models=(("classifier:image>score", "resnet_v2_50_imagenet_model", None),),
            beside=("Pipeline/PaddleClas/imagenet",), server_stubs=("numpy_1",),
            servers=(("python3 resnet50_web_service.py", (18080, 9993)),), script=f"python3 {script}", expects="daisy",
            supplied="`device_type: 0`; `numpy.fromstring`; imagenet.label",
        )
        for script in ("pipeline_http_client.py", "pipeline_rpc_client.py")
    ]  # fmt: skip
    made.append(
        Case(
            group="B", folder="Pipeline/PaddleClas/imagenet", prepare=on_cpu,
            models=(("classifier:image>score", "ResNet50_vd_model", None),),
            servers=(("python3 resnet50_web_service.py", (18082, 9999)),), server_stubs=("numpy_1",),
            script="python3 pipeline_rpc_client.py", expects="daisy",
            supplied="`device_type: 0`; `numpy.fromstring`",
        )
    )  # fmt: skip
    made.append(
        Case(
            group="E", folder="Pipeline/PaddleClas/DarkNet53-encryption",
            models=((f"classifier:image>{SCALE}.tmp_0", "DarkNet53/ppcls_model", None),),
            before=("python3 encrypt.py",), server_stubs=("numpy_1",),
            servers=(
                (
                    f"{SERVE} --model encrypt_server/ --port 9400  --encryption_rpc_port 9401  --use_encryption_model",
                    (9400,),
                ),
                ("python3 web_service.py", (18080, 9993)),
            ),
            script="python3 http_client.py", expects="daisy", supplied="`numpy.fromstring`",
        )
    )  # fmt: skip
    return tuple(made)


CASES = (*GROUP_B, *_pipelines())
