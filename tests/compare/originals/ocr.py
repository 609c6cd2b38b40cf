"""Text in pictures: the pipeline, the classic services, and two models in one server."""

from pathlib import Path

from tests.compare.originals import stand_ins
from tests.compare.originals.case import SERVE, Case


def _characters(folder: Path) -> None:
    (folder / "ppocr_keys_v1.txt").write_bytes(stand_ins.characters())


def _text_feed(folder: Path) -> None:
    """The change to the detector's client config that the readme asks for."""
    _characters(folder)
    (folder / "ocr_det_client" / "serving_client_conf.prototxt").write_text(
        'feed_var { name: "x" alias_name: "x" is_lod_tensor: false feed_type: 20 shape: 1 }\n'
        'fetch_var { name: "map" alias_name: "map" is_lod_tensor: false fetch_type: 1 shape: 1 }\n'
    )


_OCR = (("det", "ocr_det_model", "ocr_det_client"), ("rec", "ocr_rec_model", "ocr_rec_client"))
_OCR_SUPPLIED = "the character list"

CASES = (
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
            (
                f"{SERVE} --model ocr_det_model ocr_rec_model --op GeneralDetectionOp GeneralInferOp --port 9293",
                (9293,),
            ),
        ),
        script="python3 ocr_cpp_client.py ocr_det_client ocr_rec_client", expects=r"'res': \['",
        supplied=f"{_OCR_SUPPLIED}; the config that the readme tells to edit",
    ),
)  # fmt: skip
