# A text classifier: HTTP at 8000, gRPC at 8001, metrics at 8002. scripts/make_triton_image builds it, from the root of
# the project, when convert/text_classifier.py has written model_repository.

FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 serving
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY paddle_serving_client ./paddle_serving_client
COPY paddle_serving_app ./paddle_serving_app
COPY paddle_serving_server ./paddle_serving_server
COPY paddle_serving_server_gpu ./paddle_serving_server_gpu
COPY web_service ./web_service
COPY static ./static
COPY convert ./convert
RUN pip install --no-cache-dir ".[server,onnx,text]"
COPY model_repository /models
# HOME: inference libraries keep caches there, and everything but /tmp may be read-only.
ENV PYTHONUNBUFFERED=1 SERVING_HOME=/tmp HOME=/tmp
USER serving
EXPOSE 8000 8001 8002
HEALTHCHECK --start-period=60s --interval=15s --timeout=5s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]
CMD ["python", "-m", "paddle_serving_server.tritonserver", "--model-repository=/models"]
