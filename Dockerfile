# mach as a service, without Nix: it resolves and writes expressions, and builds nothing.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY resolver resolver
COPY db db
COPY crawler crawler
COPY nix nix
COPY api api
# what is installed holds neither pip nor a cache
RUN python -m venv --without-pip /opt/mach \
 && pip --python /opt/mach/bin/python install --no-cache-dir . \
 && /opt/mach/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/mach/lib

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --create-home --home-dir /var/lib/mach mach
COPY --from=build /opt/mach /opt/mach
ENV PATH=/opt/mach/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER mach
WORKDIR /var/lib/mach
EXPOSE 8000
ENTRYPOINT ["mach"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
