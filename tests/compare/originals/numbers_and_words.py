"""Group A: scripts for which tiny models are enough. Every command is that of the readme."""

from pathlib import Path

from tests.compare.originals.case import SERVE, Case, on_cpu

UCI = "0.0137, -0.1136, 0.2553, -0.0692, 0.0582, -0.0727, -0.1583, -0.0584, 0.6283, 0.4919, 0.1856, 0.0795, -0.0332"
PRICE = r"18\.901"
REVIEWS = "good good film | 1\nbad film , bad | 0\n"


def _vocabulary(folder: Path) -> None:
    words = ("bad", "good", "film", ",", "i", "am", "very", "sad")
    (folder / "imdb.vocab").write_text("".join(f"{word}\n" for word in words))
    (folder / "test_data").mkdir()
    (folder / "test_data" / "part-0").write_text(REVIEWS * 8)


def _sentences(folder: Path) -> None:
    """A vocabulary of characters, sentences of them, and the config without its GPU."""
    words = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", *"我爱北京天安门")
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    (folder / "data-c.txt").write_text("我爱北京\n天安门\n")
    on_cpu(folder)


_HOUSES = (("uci", "uci_housing_model", "uci_housing_client"),)
_FIT = f"{SERVE} --model uci_housing_model --thread 10 --port 9393"
_CONF = "uci_housing_client/serving_client_conf.prototxt"
_DATA = "a stub of `paddle.dataset`"

CASES = (
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
        servers=((f"{SERVE} --model imdb_cnn_model/ --port 9292", (9292,)),), stdin=REVIEWS, prepare=_vocabulary,
        stubs=("datasets",),
        script="python3 test_client.py imdb_cnn_client_conf/serving_client_conf.prototxt imdb.vocab",
        expects=r"\[0\.00\d* +0\.99\d* *\] 1\n.*\[0\.99\d* +0\.00\d* *\] 0\n", supplied="a vocabulary, reviews",
    ),
    Case(
        group="A", folder="C++/imdb", models=(("imdb", "imdb_cnn_model", "imdb_cnn_client_conf"),),
        servers=((f"{SERVE} --model imdb_cnn_model/ --port 9297", (9297,)),), stdin=REVIEWS, prepare=_vocabulary,
        stubs=("datasets",),
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
        stubs=("datasets",), script="python3 benchmark.py --thread 2 --batch_size 4 --request rpc"
        " --endpoint 127.0.0.1:9292 --model imdb_cnn_client_conf/serving_client_conf.prototxt",
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
        expects="cannot import name 'Analyst'", fails="`Analyst` is not there", original=False,
    ),
    Case(
        group="D", folder="Pipeline/PaddleNLP/bert", models=(("bert", "bert_seq128_model", None),), prepare=_sentences,
        servers=(("python3 web_service.py", (18082, 9998)),), script="python3 pipeline_rpc_client.py",
        expects=r'value: "\[\[0\.2109375 0\.078125', supplied="a vocabulary, sentences; `device_type: 0`",
    ),
)  # fmt: skip
