"""Which scripts are run, what stands beside them, and what they must print. Every command is that of the readme."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.compare.originals import stand_ins

UCI = "0.0137, -0.1136, 0.2553, -0.0692, 0.0582, -0.0727, -0.1583, -0.0584, 0.6283, 0.4919, 0.1856, 0.0795, -0.0332"
PRICE = r"18\.901"
REVIEWS = "good good film | 1\nbad film , bad | 0\n"
SERVE = "python3 -m paddle_serving_server.serve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A script, run unmodified."""

    group: str
    folder: str
    script: str
    """The command of the client, or of the only script."""
    expects: str
    """A regular expression that its output must contain."""
    servers: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Commands of the servers, and the ports they listen on."""
    models: tuple[tuple[str, str, str | None], ...] = ()
    """Which stand-in, its server folder, and its client folder."""
    supplied: str = ""
    """What else was put beside it, in words."""
    prepare: Callable[[Path], None] | None = None
    """Puts it there."""
    stdin: str = ""
    stubs: tuple[str, ...] = ()
    """Folders of `stubs` that the client imports from."""
    server_stubs: tuple[str, ...] = ()
    original: bool = True
    """Whether a client with the original packages is to be run, too."""
    fails: str = ""
    """Why the script is known to fail."""
    before: tuple[str, ...] = ()
    """Commands that come first."""
    beside: tuple[str, ...] = ()
    """Other folders of examples that it uses."""
    writes: tuple[str, ...] = ()
    """Files that it must write."""


def _write(**files: str | bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name, content in files.items():
            file = folder / name.replace("__", ".")
            file.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def _vocabulary(folder: Path) -> None:
    words = ("bad", "good", "film", ",", "i", "am", "very", "sad")
    (folder / "imdb.vocab").write_text("".join(f"{word}\n" for word in words))
    (folder / "test_data").mkdir()
    (folder / "test_data" / "part-0").write_text(REVIEWS * 8)


def _pictures(folder: Path) -> None:
    """A thousand files, of one picture."""
    (folder / "image_data" / "n01440764").mkdir(parents=True)
    for number in range(1000):
        (folder / "image_data" / "n01440764" / f"{number}.jpg").symlink_to(folder / "daisy.jpg")


def _characters(folder: Path) -> None:
    (folder / "ppocr_keys_v1.txt").write_bytes(stand_ins.characters())


def _text_feed(folder: Path) -> None:
    """The change to the detector's client config that the readme asks for."""
    _characters(folder)
    (folder / "ocr_det_client" / "serving_client_conf.prototxt").write_text(
        'feed_var { name: "x" alias_name: "x" is_lod_tensor: false feed_type: 20 shape: 1 }\n'
        'fetch_var { name: "map" alias_name: "map" is_lod_tensor: false fetch_type: 1 shape: 1 }\n'
    )


def _on_cpu(folder: Path) -> None:
    """The config without its GPU."""
    config = folder / "config.yml"
    text = config.read_text()
    for gpu in ("1", "2"):
        text = text.replace(f"device_type: {gpu}\n", "device_type: 0\n")
    config.write_text(text)


_HOUSES = (("uci", "uci_housing_model", "uci_housing_client"),)
_FIT = f"{SERVE} --model uci_housing_model --thread 10 --port 9393"
_CONF = "uci_housing_client/serving_client_conf.prototxt"
_DATA = "a stub of `paddle.dataset`"

GROUP_A = (
    Case(
        group="A", folder="C++/fit_a_line", script=f"python3 test_client.py {_CONF}", expects=PRICE, models=_HOUSES,
        servers=((_FIT, (9393,)),), stubs=("datasets",), supplied=_DATA,
    ),
    Case(
        group="A", folder="C++/fit_a_line", script=f"python3 test_httpclient.py {_CONF}", expects=PRICE,
        models=_HOUSES, servers=((_FIT, (9393,)),), stubs=("datasets",), supplied=_DATA,
    ),
    Case(
        group="A", folder="C++/fit_a_line", script="python3 test_multi_process_client.py", expects="", models=_HOUSES,
        servers=tuple((f"{SERVE} --model uci_housing_model --port {port}", (port,)) for port in (9292, 9293)),
        stubs=("datasets",), supplied=_DATA,
    ),
    Case(
        group="A", folder="C++/fit_a_line", models=_HOUSES, servers=(("python3 test_server.py", (9393,)),),
        script="curl -s -H 'Content-Type:application/json' -d "
        f"'{{\"feed\":[{{\"x\":[{UCI}]}}],\"fetch\":[\"price\"]}}' http://127.0.0.1:9393/uci/prediction",
        expects=rf'{{"result":{{"price":\[\[{PRICE}', original=False,
    ),
    *(
        Case(
            group="A", folder="C++/fit_a_line", models=_HOUSES, servers=((server, (9393,)),), stubs=("datasets",),
            script=f"python3 benchmark.py --thread 2 --request {how} --endpoint 127.0.0.1:9393 --model {_CONF}",
            expects=r"qps: \d", supplied=_DATA,
        )
        for how, server in (("rpc", _FIT), ("http", "python3 test_server.py"))
    ),
    *(
        Case(
            group="A", folder="C++/fit_a_line", models=_HOUSES, servers=((_FIT, (9393,)),), stubs=("datasets",),
            beside=("util",), supplied=_DATA, expects=expects, writes=writes,
            script=f"FLAGS_profile_client=1 FLAGS_profile_server=1 python3 test_client.py {_CONF} > profile 2>&1;"
            f" python3 ../../util/{script}",
        )
        for script, expects, writes in (
            ("show_profile.py profile 1", r"query_count: 40.*op0 cost: ", ()),
            ("timeline_trace.py profile trace", "", ("trace",)),
        )
    ),
    Case(
        group="A", folder="C++/encryption", models=_HOUSES, before=("python3 encrypt.py",),
        servers=((f"{SERVE} --model encrypt_server/ --port 9393 --use_encryption_model", (9393,)),),
        script="python3 test_client.py encrypt_client/serving_client_conf.prototxt", expects=PRICE,
        stubs=("datasets",), supplied=_DATA,
    ),
    Case(
        group="A", folder="C++/imdb", models=(("imdb", "imdb_cnn_model", "imdb_cnn_client_conf"),),
        servers=((f"{SERVE} --model imdb_cnn_model/ --port 9292", (9292,)),), stdin=REVIEWS, prepare=_vocabulary, stubs=("datasets",),
        script="python3 test_client.py imdb_cnn_client_conf/serving_client_conf.prototxt imdb.vocab",
        expects=r"\[0\.00\d* +0\.99\d*\] 1\n.*\[0\.99\d* +0\.00\d*\] 0\n", supplied="a vocabulary, reviews",
    ),
    Case(
        group="A", folder="C++/imdb", models=(("imdb", "imdb_cnn_model", "imdb_cnn_client_conf"),),
        servers=((f"{SERVE} --model imdb_cnn_model/ --port 9297", (9297,)),), stdin=REVIEWS, prepare=_vocabulary, stubs=("datasets",),
        script="python3 test_http_client.py imdb_cnn_client_conf/serving_client_conf.prototxt imdb.vocab",
        expects=r"float_data: 0\.99", supplied="a vocabulary, reviews",
    ),
    Case(
        group="A", folder="C++/imdb",
        models=tuple(("imdb", f"imdb_{kind}_model", f"imdb_{kind}_client_conf") for kind in ("bow", "cnn", "lstm")),
        servers=tuple(
            (f"{SERVE} --model imdb_{kind}_model/ --port {port}", (port,))
            for kind, port in (("bow", 9297), ("cnn", 9298), ("lstm", 9299))
        ),
        stdin=REVIEWS * 10, prepare=_vocabulary, stubs=("datasets",),
        script="python3 abtest_client.py imdb_cnn_client_conf/serving_client_conf.prototxt imdb.vocab",
        expects=r"server_tag=(bow|cnn|lstm) prediction=\[0\.00\d* +0\.99", supplied="a vocabulary, reviews",
    ),
    Case(
        group="A", folder="C++/imdb", models=(("imdb", "imdb_cnn_model", "imdb_cnn_client_conf"),),
        servers=((f"{SERVE} --model imdb_cnn_model/ --port 9292", (9292,)),), prepare=_vocabulary,
        stubs=("datasets",), script="python3 benchmark.py --thread 2 --batch_size 4 --request rpc --endpoint 127.0.0.1:9292"
        " --model imdb_cnn_client_conf/serving_client_conf.prototxt",
        expects=r"qps: \d", supplied="a vocabulary, reviews",
    ),
    Case(
        group="A", folder="C++/imdb", script="python3 abtest_get_data.py", prepare=_vocabulary, expects="",
        stubs=("datasets",), writes=("processed.data",), supplied="a vocabulary, reviews",
    ),
    Case(
        group="A", folder="Pipeline/simple_web_service", models=_HOUSES,
        servers=(("python3 web_service.py", (18082, 9998)),),
        script="curl -s -X POST -k http://localhost:18082/uci/prediction -d "
        f"'{{\"key\": [\"x\"], \"value\": [\"{UCI}\"]}}'",
        expects=rf'"err_no":0,.*"value":\["\[\[{PRICE}', original=False,
    ),
    *(
        Case(
            group="A", folder="Pipeline/simple_web_service", models=_HOUSES,
            servers=(("python3 web_service.py", (18082, 9998)),), script=f"python3 benchmark.py run {how} 1 3",
            expects=PRICE,
        )
        for how in ("http", "rpc")
    ),
    Case(
        group="A", folder="Pipeline/simple_web_service", models=_HOUSES,
        servers=(("python3 web_service_java.py", (18082, 9998)),),
        script="curl -s -X POST -k http://localhost:18082/uci/prediction -d "
        f"'{{\"key\": [\"x\"], \"value\": [\"array([{UCI}])\"]}}'",
        expects=rf'"err_no":0,.*"value":\["{PRICE}', original=False,
    ),
    Case(
        group="A", folder="Pipeline/imdb_model_ensemble",
        models=tuple(("imdb", f"imdb_{kind}_model", f"imdb_{kind}_client_conf") for kind in ("cnn", "bow")),
        servers=(
            (f"{SERVE} --model imdb_cnn_model --port 9292", (9292,)),
            (f"{SERVE} --model imdb_bow_model --port 9393", (9393,)),
            ("python3 test_pipeline_server.py", (18070,)),
        ),
        prepare=_vocabulary, script="python3 test_pipeline_client.py",
        expects=r'key: "prediction"\s+value: "array\(\[\[0\.5', supplied="a vocabulary",
    ),
    Case(
        group="A", folder="Pipeline/imdb_model_ensemble", script="python3 analyse.py profile.txt trace.json",
        expects="", fails="`Analyst` is not there", original=False,
    ),
)  # fmt: skip


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
_SCALE = "save_infer_model/scale_0"
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
        group="B", folder="C++/PaddleClas/imagenet", script="python3 test_image_reader.py", expects="", original=False,
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
        (f"classifier:image>{_SCALE}.tmp_0", *_V2[1:]), "--model resnet_v2_50_imagenet_model --port 9393",
        expects=r"qps\(request\): \d", supplied="`FLAGS_serving_latency=1`, without which it fails",
    ),
    _classifier(
        "PaddleClas/resnet_v2_50", "resnet50_debug.py resnet_v2_50_imagenet_model", _V2,
        "--model resnet_v2_50_imagenet_model --port 9393", expects="", original=False,
        fails="`load_model_config` takes no `gpu`; so with 0.9",
    ),
    *(
        _classifier(
            "PaddleClas/resnet_50_vd", script,
            (f"classifier:inputs>{_SCALE}.tmp_1", "ResNet50_vd_serving", "ResNet50_vd_client"),
            "--model ResNet50_vd_serving --port 9394", supplied=_FROM_WEB,
        )
        for script in ("rpc_client.py", "http_client.py")
    ),
    _classifier(
        "low_precision/resnet50", "resnet50_client.py",
        (f"classifier:image>{_SCALE}.tmp_0", "serving_server", "serving_client"),
        "--model serving_server --port 9393", expects=_ARRAY, supplied="no GPU: without `--gpu_ids 0 --use_trt`",
    ),
    _classifier(
        "xpu/resnet_v2_50_xpu", "resnet50_client.py", _V2,
        "--model resnet_v2_50_imagenet_model --port 9393 --use_lite --use_xpu --ir_optim", expects=_ARRAY,
    ),
    Case(
        group="B", folder="C++/xpu/resnet_v2_50_xpu", models=(_V2,), expects=_ARRAY, original=False,
        script="python3 localpredict.py resnet_v2_50_imagenet_model",
        fails="`LocalPredictor` refuses `use_lite` and `use_xpu`",
    ),
    _classifier(
        "xpu/vgg19", "vgg19_client.py", (f"classifier:image>{_SCALE}", "serving_server", "serving_client"),
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
        ("ResNet50_vd_FPGM", "inputs", f"{_SCALE}.tmp_1"),
        ("ResNet50_vd_KL", "inputs", f"{_SCALE}.tmp_0"),
        ("ResNet50_vd_PACT", "inputs", f"{_SCALE}.tmp_1"),
    ):
        found.append((name, f"classifier:{feed}>{fetch}", f"{name}/ppcls_model"))
    found.append(("ResNet_V2_50", "classifier:image>score", "resnet_v2_50_imagenet_model"))
    made = [
        Case(
            group="B", folder=f"Pipeline/PaddleClas/{name}", models=((kind, model, None),), prepare=_on_cpu,
            servers=(("python3 resnet50_web_service.py", (18080, 9993)),), server_stubs=("numpy_1",),
            script=f"python3 {script}", expects=r"daisy", supplied="`device_type: 0`; `numpy.fromstring`",
        )
        for name, kind, model in found
        for script in ("pipeline_http_client.py", "pipeline_rpc_client.py")
    ]  # fmt: skip
    made.append(
        Case(
            group="B", folder="Pipeline/PaddleClas/imagenet", prepare=_on_cpu,
            models=(("classifier:image>score", "ResNet50_vd_model", None),),
            servers=(("python3 resnet50_web_service.py", (18082, 9999)),), server_stubs=("numpy_1",),
            script="python3 pipeline_rpc_client.py", expects="daisy",
            supplied="`device_type: 0`; `numpy.fromstring`",
        )
    )  # fmt: skip
    return tuple(made)


_OCR = (("det", "ocr_det_model", "ocr_det_client"), ("rec", "ocr_rec_model", "ocr_rec_client"))
_OCR_SUPPLIED = "the character list"

OCR = (
    *(
        Case(
            group="OCR", folder="Pipeline/PaddleOCR/ocr", models=_OCR, prepare=_characters,
            servers=(("python3 web_service.py", (9999, 18090)),), script=f"python3 {script}", expects=expects,
            supplied=_OCR_SUPPLIED,
        )
        for script, expects in (
            ("pipeline_http_client.py", r"erro_no:0.*\n\('"), ("pipeline_rpc_client.py", r"erro_no:0.*\n\('"),
            ("benchmark.py run http 2 1", r"AVG QPS: \d"),
        )
    ),
    *(
        Case(
            group="C", folder="C++/PaddleOCR/ocr", models=_OCR, prepare=_characters, servers=servers,
            script=f"python3 {client}", expects=expects, supplied=f"{_OCR_SUPPLIED}; `numpy.fromstring`",
            server_stubs=("numpy_1",), original=False,
        )
        for servers, client, expects in (
            (
                ((f"{SERVE} --model ocr_det_model --port 9293", (9293,)), ("python3 ocr_web_server.py cpu", (9292,))),
                "ocr_web_client.py", r"'res': \['",
            ),
            ((("python3 ocr_debugger_server.py cpu", (9292,)),), "ocr_web_client.py", r"'res': \['"),
            ((("python3 det_web_server.py cpu", (9292,)),), "ocr_web_client.py", r"'dt_boxes': \[\[\["),
            ((("python3 det_debugger_server.py cpu", (9292,)),), "ocr_web_client.py", r"'dt_boxes': \[\[\["),
            ((("python3 rec_web_server.py cpu", (9292,)),), "rec_web_client.py", r"'res': \['"),
            ((("python3 rec_debugger_server.py cpu", (9292,)),), "rec_web_client.py", r"'res': \['"),
        )
    ),
    Case(
        group="C", folder="C++/PaddleOCR/ocr", models=_OCR, prepare=_text_feed,
        servers=(
            (f"{SERVE} --model ocr_det_model ocr_rec_model --op GeneralDetectionOp GeneralInferOp --port 9293", (9293,)),
        ),
        script="python3 ocr_cpp_client.py ocr_det_client ocr_rec_client", expects=r"'res': \['",
        supplied=f"{_OCR_SUPPLIED}; the config that the readme tells to edit",
    ),
)  # fmt: skip


def _detectors() -> tuple[Case, ...]:
    made = []
    usual = ("im_shape", "scale_factor")
    for name, inputs, picture in (
        ("faster_rcnn_hrnetv2p_w18_1x", usual, "000000570688.jpg"),
        ("faster_rcnn_r50_fpn_1x_coco", usual, "000000570688.jpg"),
        ("ppyolo_r50vd_dcn_1x_coco", usual, "000000570688.jpg"),
        ("ttfnet_darknet53_1x_coco", usual, "000000570688.jpg"),
        ("yolov3_darknet53_270e_coco", usual, "000000570688.jpg"),
        ("ssd_vgg16_300_240e_voc", usual, "000000014439.jpg"),
        ("fcos_dcn_r50_fpn_1x_coco", usual[1:], "000000014439.jpg"),
        ("cascade_rcnn", usual, "000000570688.jpg"),
    ):
        port = 9292 if name == "cascade_rcnn" else 9494
        made.append(
            Case(
                group="C", folder=f"C++/PaddleDetection/{name}", script=f"python3 test_client.py {picture}", expects="",
                writes=("output/bbox.json", f"output/{picture}"),
                models=((f"detector:{','.join(inputs)}>{_SCALE}.tmp_1", "serving_server", "serving_client"),),
                servers=((f"{SERVE} --model serving_server --port {port}", (port,)),),
            )
        )  # fmt: skip
    made.append(
        Case(
            group="C", folder="C++/PaddleDetection/yolov4", script="python3 test_client.py 000000570688.jpg",
            models=((f"detector:im_size>{_SCALE}.tmp_0", "yolov4_model", "yolov4_client"),), expects="",
            writes=("output/bbox.json", "output/000000570688.jpg"),
            servers=((f"{SERVE} --model yolov4_model --port 9393", (9393,)),),
        )
    )  # fmt: skip
    return tuple(made)


def _detection_pipelines() -> tuple[Case, ...]:
    return tuple(
        Case(
            group="C", folder=f"Pipeline/PaddleDetection/{name}", prepare=_on_cpu,
            models=((f"detector:{','.join(inputs)}>{_SCALE}.tmp_1", "serving_server", "serving_client"),),
            servers=(("python3 web_service.py", (18082, 9998)),), server_stubs=("numpy_1",),
            script="python3 pipeline_http_client.py", expects=r"category_id", supplied="`device_type: 0`; `numpy.fromstring`",
        )
        for name, inputs in (
            ("faster_rcnn", ("im_shape", "scale_factor")), ("ppyolo_mbv3", ("im_shape", "scale_factor")),
            ("yolov3", ("im_shape", "scale_factor")),
        )
    )  # fmt: skip


CASES = (*GROUP_A, *GROUP_B, *_pipelines(), *OCR, *_detectors(), *_detection_pipelines())
