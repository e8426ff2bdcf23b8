# Built in one image, run in another that has no pip, no compiler and no sources but the installed package.
FROM python:3.11.14-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/authproxy
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY proxy ./proxy
RUN pip --python /opt/authproxy/bin/python install -c constraints.txt '.[ethereum,redis,uvloop]'


FROM python:3.11.14-slim-bookworm

LABEL org.opencontainers.image.title="authproxy" \
      org.opencontainers.image.description="A local reverse proxy that authenticates your app's requests: the app holds no secret." \
      org.opencontainers.image.licenses="MIT"

# The root file system may be read-only: nothing is written, compiled Python is part of the image.
ENV PATH="/opt/authproxy/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONNOUSERSITE=1

COPY --from=build /opt/authproxy /opt/authproxy

# By number, so that Kubernetes' runAsNonRoot can tell; it is nobody's account and owns no file.
USER 65532:65532
WORKDIR /
EXPOSE 8080 9180
STOPSIGNAL SIGTERM

# The admin listener is that of the configuration, or AUTHPROXY_ADMIN. No shell and no curl are needed.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["authproxy", "healthcheck"]

# The configuration is looked for in /etc/authproxy/config.yaml, or where AUTHPROXY_CONFIG says.
ENTRYPOINT ["authproxy"]
CMD ["run"]
