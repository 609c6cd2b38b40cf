# A text classifier that scripts/make_triton_image.sh wrote into model_repository/, on the three ports of Triton.
# From the root of the project:  docker build -f docker/text_classifier.Dockerfile -t ensemble_model .
# docker run -p8000:8000 -p8001:8001 -p8002:8002 ensemble_model      (no --shm-size is needed)

FROM python:3.12-slim AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY convert ./convert
COPY web_service ./web_service
COPY static ./static
COPY paddle_serving_client ./paddle_serving_client
COPY paddle_serving_app ./paddle_serving_app
COPY paddle_serving_server ./paddle_serving_server
COPY paddle_serving_server_gpu ./paddle_serving_server_gpu
RUN pip install --no-cache-dir ".[server,text]" onnxruntime

FROM python:3.12-slim
RUN useradd --uid 1000 serving
COPY --from=build /opt/venv /opt/venv
COPY model_repository /models
# HOME: caches are there, and everything but /tmp may be read-only.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp
USER serving
WORKDIR /tmp
EXPOSE 8000 8001 8002
HEALTHCHECK --start-period=60s --interval=15s --timeout=5s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]
CMD ["python", "-m", "paddle_serving_server.tritonserver", "--model-repository=/models"]
