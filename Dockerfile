# Agent and FRR in one image: a static binary put on an image of FRR, so that agent, vtysh and daemons are of one version.
#
#   make image                                   # builds bin/fairlead first
#   make image FRR_IMAGE=registry/frr:10.3.1     # on another FRR
#
# Any image will do that has FRR 8.4 or later in /usr/lib/frr, vtysh in /usr/bin and a user frr. Nothing is installed into it.
ARG FRR_IMAGE=quay.io/frrouting/frr:10.3.0
FROM ${FRR_IMAGE}

ARG VERSION=dev
LABEL org.opencontainers.image.title="Fairlead" \
      org.opencontainers.image.description="Announces what a Kubernetes cluster wants reachable, through FRR, and proves that it was announced" \
      org.opencontainers.image.source="https://github.com/fairlead/fairlead" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

COPY bin/fairlead /usr/local/bin/fairlead

# Whether the agent answers. What FRR is told is not judged here, and not by starting it anew: /healthz and /readyz are for Kubernetes.
# A container that is told `frr`, FRR apart from the agent, is asked otherwise: --health-cmd 'fairlead frr --check'.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/usr/local/bin/fairlead", "status", "-o", "json"]

ENTRYPOINT ["/usr/local/bin/fairlead"]
CMD ["run"]
