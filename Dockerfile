# Two stages: the first builds a wheel with its generated API modules, the second only runs it.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml setup.py README.md ./
COPY proto proto
COPY src src
RUN python -m pip wheel --no-cache-dir --wheel-dir /wheels ".[postgres]"

FROM python:3.13-slim
# Not root, and nothing to write but the home folder, which is a volume.
RUN useradd --create-home --uid 10001 spine \
    && install --directory --owner spine --group spine /var/lib/spine
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir --no-index --find-links /wheels "market-spine[postgres]" \
    && rm -rf /wheels
USER spine
WORKDIR /var/lib/spine
ENV SPINE_HOME=/var/lib/spine SPINE_LOG_FORMAT=json PYTHONUNBUFFERED=1
VOLUME /var/lib/spine
HEALTHCHECK CMD ["spine", "doctor", "--json"]
ENTRYPOINT ["spine"]
CMD ["--help"]
