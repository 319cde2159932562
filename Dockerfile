# Two images of one release, both without root, both started and stopped in the same way:
#
#   docker build --target server .       the functions under Uvicorn
#   docker build --target functions .    the functions under Azure's own host
#
# Exact tags; a build that must not move at all passes digests: --build-arg PYTHON=docker.io/library/python@sha256:…
ARG BUILDER=docker.io/library/python:3.13.16-bookworm
ARG PYTHON=docker.io/library/python:3.13.16-slim-bookworm
ARG FUNCTIONS=mcr.microsoft.com/azure-functions/python:4-python3.13

# ---- what both run -------------------------------------------------------------------------------------------------
FROM ${BUILDER} AS release
ENV PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /source
COPY . .

FROM release AS server-release
RUN python -m infra.release server /app \
    && find /app -name '*.so*' -type f -exec strip --strip-unneeded '{}' +

FROM release AS functions-release
RUN python -m infra.release functions /app && python -m infra.release compile-all /app

# ---- server: no more than runs, so also Python without its own tools -----------------------------------------------
FROM ${PYTHON} AS python
COPY infra /build/infra
COPY infra/entrypoint.sh /app/entrypoint.sh
COPY --from=server-release /app /app
RUN PYTHONPATH=/build python -m infra.release compile /app \
    && ln -s /app/dozen /usr/local/bin/dozen \
    && rm -rf /build /root/.cache /usr/share/doc /usr/share/locale /usr/share/man /var/cache/* /var/lib/apt/lists/* \
        /usr/local/bin/2to3* /usr/local/bin/idle* /usr/local/bin/pip* /usr/local/bin/pydoc* /usr/local/include \
        /usr/local/lib/pkgconfig /usr/local/share/man \
        /usr/local/lib/python3.13/config-* /usr/local/lib/python3.13/ensurepip /usr/local/lib/python3.13/idlelib \
        /usr/local/lib/python3.13/pydoc_data /usr/local/lib/python3.13/site-packages/* \
        /usr/local/lib/python3.13/test /usr/local/lib/python3.13/tkinter /usr/local/lib/python3.13/turtledemo

# from scratch, because files removed in a layer above their own still count
FROM scratch AS server
# hadolint ignore=DL3067
COPY --from=python / /
ENV LANG=C.UTF-8 \
    LISTEN_PORT=7071 \
    PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app:/app/.python_packages/lib/site-packages \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
EXPOSE 7071
ENTRYPOINT ["/app/entrypoint.sh"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"LISTEN_PORT\"]}/health/live', timeout=4)"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dozen" \
    org.opencontainers.image.description="The MongoDB Data API that its users own, under Uvicorn" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# ---- functions: Azure's host, started so that it gets the signal to stop -------------------------------------------
# hadolint ignore=DL3006
FROM ${FUNCTIONS} AS functions
# logs on standard output; keys of the host in files, so that it needs no storage account; calls in flight end first
# hadolint ignore=DL3064
ENV AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    AzureWebJobsDisableHomepage=true \
    AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureWebJobsSecretStorageType=files \
    FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING=true \
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=34603008 \
    LISTEN_PORT=7071
COPY --from=functions-release /app /home/site/wwwroot
COPY infra/entrypoint.sh /opt/dozen/entrypoint.sh
COPY infra /build/infra
# native/ was compiled on the builder's glibc, so see that this image loads it, as all else
RUN PYTHONPATH=/build python -B -m infra.release load /home/site/wwwroot \
    && ln -s /home/site/wwwroot/dozen /usr/local/bin/dozen \
    && rm -rf /build \
    && mkdir -p /home/data /home/LogFiles /azure-functions-host/Secrets \
    && chown -R 10001:10001 /home/data /home/LogFiles /azure-functions-host/Secrets
WORKDIR /home/site/wwwroot
USER 10001:10001
EXPOSE 7071
ENTRYPOINT ["/opt/dozen/entrypoint.sh"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"LISTEN_PORT\"]}/health/live', timeout=4)"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dozen-functions" \
    org.opencontainers.image.description="The MongoDB Data API that its users own, under Azure's Functions host" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
