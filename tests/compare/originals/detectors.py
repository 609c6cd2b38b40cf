"""Group C: detectors, behind `serve` and as pipelines."""

from tests.compare.originals.case import SCALE, SERVE, Case, on_cpu


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
                writes=() if name.startswith("ttfnet") else ("output/bbox.json", f"output/{picture}"),
                models=((f"detector:{','.join(inputs)}>{SCALE}.tmp_1", "serving_server", "serving_client"),),
                servers=((f"{SERVE} --model serving_server --port {port}", (port,)),),
            )
        )  # fmt: skip
    made.append(
        Case(
            group="C", folder="C++/PaddleDetection/yolov4", script="python3 test_client.py 000000570688.jpg",
            models=((f"detector:im_size>{SCALE}.tmp_0", "yolov4_model", "yolov4_client"),), expects="",
            writes=("output/bbox.json", "output/000000570688.jpg"),
            servers=((f"{SERVE} --model yolov4_model --port 9393", (9393,)),),
        )
    )  # fmt: skip
    return tuple(made)


def _detection_pipelines() -> tuple[Case, ...]:
    return tuple(
        Case(
            group="C", folder=f"Pipeline/PaddleDetection/{name}", prepare=on_cpu,
            models=((f"detector:{','.join(inputs)}>{SCALE}.tmp_1", "serving_server", "serving_client"),),
            servers=(("python3 web_service.py", (18082, 9998)),), server_stubs=("numpy_1",),
            script="python3 pipeline_http_client.py", expects=r"category_id",
            supplied="`device_type: 0`; `numpy.fromstring`",
        )
        for name, inputs in (
            ("faster_rcnn", ("im_shape", "scale_factor")), ("ppyolo_mbv3", ("im_shape", "scale_factor")),
            ("yolov3", ("im_shape", "scale_factor")),
        )
    )  # fmt: skip


CASES = (*_detectors(), *_detection_pipelines())
