# The image of CoderFlow itself: server and worker. It takes the programs as they are in a release, or after make build:
#
#   docker build --tag coderflow .
#
# BASE is any Debian with git, bash and certificates, or one whose package lists can be had; `make setup` makes
# coderflow/sandbox-base:bookworm, with which nothing is fetched. docs/deploy.md tells how to run it: which mounts, which group,
# and what the engine's socket means.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

# Nothing in the image gives rights: no program is setuid or setgid. The user has no name and no password, and owns nothing but
# the data directory.
RUN if ! command -v git >/dev/null || ! [ -s /etc/ssl/certs/ca-certificates.crt ]; then \
		apt-get update && apt-get install -y --no-install-recommends git ca-certificates && rm -rf /var/lib/apt/lists/*; \
	fi && \
	find / -xdev -type f -perm /6000 -exec chmod a-s {} + && \
	install -d -m 0700 -o 10002 -g 10002 /var/lib/coderflow && \
	install -d -m 0755 /etc/coderflow
COPY bin/coderflow bin/coderflow-guest /usr/local/bin/

ARG VERSION=dev
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="CoderFlow" \
	org.opencontainers.image.description="AI coding agents behind a human gate" \
	org.opencontainers.image.source="https://github.com/coderflow/coderflow" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}" \
	org.opencontainers.image.created="${CREATED}"

ENV CODERFLOW_LISTEN=0.0.0.0:8080 HOME=/tmp LANG=C.UTF-8
USER 10002:10002
WORKDIR /var/lib/coderflow
EXPOSE 8080
STOPSIGNAL SIGTERM
# bash speaks HTTP well enough for this, and saves the image a client.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/bin/bash", "-c", \
	"exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]
ENTRYPOINT ["/usr/local/bin/coderflow"]
CMD ["serve", "--config", "/etc/coderflow/coderflow.yaml"]
