#!/bin/sh -e
# A text classifier as an image:
#   scripts/make_triton_image.sh MODEL TOKENIZER ID2LABEL [NAME=ensemble_model] [TAG=latest] [MAX_BATCH_SIZE=4]
# The first three are paths, or hf:USER/NAME or clearml:ID. The repository is written into model_repository/ of the
# project; without Docker that is all, and `paddle-serving tritonserver` serves it.
if [ $# -lt 3 ] || [ $# -gt 6 ]; then
    sed -n '2,5s/^# *//p' "$0" >&2
    exit 2
fi
name=${4:-ensemble_model}
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=python3
"$python" "$root/convert/text_classifier.py" --model "$1" --tokenizer "$2" --id2label "$3" \
    --name "$name" --max_batch_size "${6:-4}" --output "$root/model_repository"
if ! command -v docker >/dev/null; then
    echo "Docker is not here: no image is built; serve $root/model_repository with paddle-serving tritonserver" >&2
    exit 0
fi
docker build -f "$root/docker/text_classifier.Dockerfile" -t "$name:${5:-latest}" "$root"
