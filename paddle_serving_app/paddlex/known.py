"""Which pipelines are offered, and why others are not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_NO_DOCUMENTS = "turning and straightening documents beforehand is not offered yet"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One kind of pipeline."""

    name: str
    """As its YAML says it."""
    operation: str
    """The path that callers know, without the slash; also the name of its service, and of its model in HPS."""
    kind: str
    """The module of `operations/` that answers."""
    modules: Sequence[str]
    """Names of its models in the YAML, the main one first."""
    optional: Mapping[str, str] = field(default_factory=dict)
    """Further models, each with the key that switches it."""
    switches: Mapping[str, str] = field(default_factory=dict)
    """Keys that have to be off, and why."""


KNOWN: Final = {
    pipeline.name: pipeline
    for pipeline in (
        Pipeline("object_detection", "object-detection", "detection", ("ObjectDetection",)),
        Pipeline("small_object_detection", "small-object-detection", "detection", ("SmallObjectDetection",)),
        Pipeline("rotated_object_detection", "rotated-object-detection", "detection", ("RotatedObjectDetection",)),
        Pipeline("layout_detection", "layout-detection", "detection", ("LayoutDetection",)),
        Pipeline("image_classification", "image-classification", "classification", ("ImageClassification",)),
        Pipeline(
            "image_multilabel_classification",
            "multilabel-image-classification",
            "classification",
            ("ImageMultiLabelClassification",),
        ),
        Pipeline("semantic_segmentation", "semantic-segmentation", "segmentation", ("SemanticSegmentation",)),
        Pipeline("instance_segmentation", "instance-segmentation", "instances", ("InstanceSegmentation",)),
        Pipeline(
            "OCR",
            "ocr",
            "ocr",
            ("TextDetection", "TextRecognition"),
            {"TextLineOrientation": "use_textline_orientation"},
            {"use_doc_preprocessor": _NO_DOCUMENTS},
        ),
    )
}
REFUSED: Final = {
    "PP-StructureV3": "tables and formulas need models whose tasks are not known here yet",
    "layout_parsing": "tables and formulas need models whose tasks are not known here yet",
    "table_recognition": "the structure of tables is not read here yet",
    "formula_recognition": "formulas are not read here yet; layout_detection has its layout part",
    "doc_preprocessor": _NO_DOCUMENTS,
    "seal_recognition": "straightening curved text is not offered yet",
    "PP-ChatOCRv3-doc": "it asks a language model of somebody else's",
    "PP-ChatOCRv4-doc": "it asks a language model of somebody else's",
    "PaddleOCR-VL": "it asks a language model",
}
