# The operator's image in one command, for who has Docker and neither a checkout nor Python:
#   docker build --file operator/source.Dockerfile --tag utilitarian-operator:dev REPOSITORY.git#main
# Docker fetches the sources itself, and the build fetches the packages, each with its hash. Where a build has no network,
# operator/Dockerfile takes all it needs from its context (make context).
ARG BASE=python:3.11-slim

FROM ${BASE} AS built
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv
COPY requirements/operator.txt requirements/build.txt /requirements/
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install \
    --only-binary=:all: --require-hashes -r /requirements/operator.txt
COPY pyproject.toml README.md LICENSE /source/
COPY operator/utilitarian_operator /source/operator/utilitarian_operator
COPY worker/utilitarian /source/worker/utilitarian
RUN /opt/pip/bin/pip install --only-binary=:all: --require-hashes -r /requirements/build.txt \
    && /opt/pip/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /project /source \
    && /opt/pip/bin/pip --python /opt/venv/bin/python install --no-index --no-deps /project/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="utilitarian-operator" \
      org.opencontainers.image.description="Runs the Celery workers of Utilitarian on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
# The root is read-only where this runs.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=built /opt/venv /opt/venv
# A number, since Kubernetes can't see whether a name is root.
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["utilitarian-operator"]
CMD ["run"]
