# syntax=docker/dockerfile:1

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags="-s -w" -o /out/plumbline ./cmd/plumbline
# The embedded bus writes to /data when the configuration names no other: it must belong to who runs it.
# The sandbox writes the secrets of its accounts to /accounts.
RUN mkdir -p /out/data /out/accounts && chmod 700 /out/data /out/accounts

# Nothing but the binary, certificates and time zones; no shell, no root.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/plumbline /usr/local/bin/plumbline
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/accounts /accounts
USER 65532:65532
WORKDIR /
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/plumbline"]
CMD ["serve", "--config", "/etc/plumbline/plumbline.yaml"]
