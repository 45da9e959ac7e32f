# The image of `fhirbridge serve` and `fhirbridge worker`: the wheel and its pinned requirements,
# its core compiled (only the build stage has a compiler), no shell scripts, not root. Runs with a
# read-only root; /data and /tmp are all it writes.
# Every absolute path is an ARG, so that CI can run the RUN steps without Docker in a scratch folder
# (scripts/dockerfile_steps.py).
FROM python:3.11 AS build
ARG APP=/opt/fhirbridge
ARG BUILD=/build
WORKDIR $BUILD
# otel.txt: the same and OpenTelemetry, for whoever traces (docs/how-to/trace.md).
ARG REQUIREMENTS=base.txt
COPY requirements/base.txt requirements/otel.txt requirements/build.txt requirements/compiled.txt requirements/
RUN python3 -m venv $APP && $APP/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/$REQUIREMENTS
RUN python3 -m venv $BUILD/venv && $BUILD/venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/build.txt
RUN python3 -m venv $BUILD/mypyc && $BUILD/mypyc/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/compiled.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY mappings mappings
COPY fixtures fixtures
RUN $BUILD/venv/bin/hatchling build --target wheel --directory $BUILD/dist
RUN $APP/bin/pip install --no-cache-dir --no-index --no-deps $BUILD/dist/*.whl
COPY scripts/compile.py scripts/spell_out.py scripts/
RUN $BUILD/mypyc/bin/python scripts/compile.py "$($APP/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

FROM python:3.11-slim
ARG APP=/opt/fhirbridge
ARG DATA=/data
COPY --from=build $APP $APP
RUN install -d -o 10001 -g 10001 $DATA
ENV PATH=$APP/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR $DATA
EXPOSE 8000
# Another address where the door speaks TLS itself: https://127.0.0.1:8443/healthz. It is our own, whoever vouches for it.
ENV HEALTH_URL=http://127.0.0.1:8000/healthz
HEALTHCHECK CMD ["python3", "-c", "import os, ssl, urllib.request as u; u.urlopen(os.environ['HEALTH_URL'], timeout=3, context=ssl._create_unverified_context())"]
ENTRYPOINT ["fhirbridge"]
CMD ["serve"]
