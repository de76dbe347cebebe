# The server's image. Build the programs first (they are static): make build && docker build -t coderflow .
#
# It needs the Docker engine's socket and a data directory that lies at the same path on the engine's machine, because
# containers get their inputs from there:
#
#   docker run -v /var/run/docker.sock:/var/run/docker.sock -v /var/lib/coderflow:/var/lib/coderflow \
#     -v /dev/shm:/dev/shm -v /etc/coderflow:/etc/coderflow:ro -p 127.0.0.1:8080:8080 coderflow serve -c /etc/coderflow/coderflow.yaml
#
# Whoever holds that socket is root on the engine's machine. CoderFlow never gives it to a container that it starts.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN if ! command -v git >/dev/null; then \
		apt-get update && apt-get install -y --no-install-recommends git ca-certificates && rm -rf /var/lib/apt/lists/*; \
	fi
COPY bin/coderflow bin/coderflow-guest /usr/local/bin/
ENV CODERFLOW_LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/coderflow"]
CMD ["serve", "-c", "/etc/coderflow/coderflow.yaml"]
