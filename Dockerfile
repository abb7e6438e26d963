# One image for every role; ROLE chooses. docs/deployment.md says how to build, run and pin it.

# A tag follows security fixes. Where a build must be repeatable, give a digest:
# --build-arg NODE_IMAGE=node:24-slim@sha256:…
ARG NODE_IMAGE=node:24-slim


# dist/: with the compiler, and everything else that only building takes.
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY nest-cli.json tsconfig.json tsconfig.build.json mikro-orm.config.ts ./
COPY src ./src
RUN npm run build


# node_modules/: what runs in production, and nothing else.
# Not --omit=optional: that would leave out the binaries of sharp too, which are its own optional packages. And as long
# as the list has a development half, --omit=dev keeps the compiler, which packages we ship name as an optional peer.
# So both halves are taken off the list; npm ci still takes every version from the lock file.
FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm pkg delete devDependencies optionalDependencies \
 && npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && node -e "require('sharp')"


FROM ${NODE_IMAGE}

# tini is process 1: it passes signals on, and buries what has lost its parent. /data is for STORAGE_DRIVER=local only; a
# new named volume that is mounted there takes over its owner.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=node --group=node --mode=0750 /data

WORKDIR /app
# Without the limit, glibc keeps a heap for each thread, and what images leave in them is never given back.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    DATA_DIR=/data

# Belongs to root: the process cannot change its own code, also where the file system is not read-only.
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY scripts ./scripts
COPY --from=build /app/dist ./dist

# The user `node`, as a number: by a name alone, Kubernetes cannot tell that it is not root (runAsNonRoot).
USER 1000:1000
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "scripts/healthcheck.mjs"]
ENTRYPOINT ["/usr/bin/tini", "--"]
# As `npm start` has it; docs/operations.md says why, under "Memory".
CMD ["node", "--max-semi-space-size=8", "--heap-growing-percent=25", "--no-maglev", "dist/src/main.js"]

# Last, so that a new revision changes no layer.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Mediadock" \
      org.opencontainers.image.description="A media upload backend: signed URLs, verification, thumbnails, quota, deduplication" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
