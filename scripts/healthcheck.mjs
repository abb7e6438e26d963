// The health check of the image, which has no curl: ends with 0 when the process in this container answers that it is
// alive, and otherwise with 1 and a line that `docker inspect` shows.
const TIMEOUT_MS = 3_000;

/** Where the process listens, by the same variables that it reads itself; empty ones count as absent. */
function liveUrl({ HOST, PORT }) {
  const listensOn = HOST?.trim() || '0.0.0.0';
  const host = ['0.0.0.0', '::'].includes(listensOn) ? '127.0.0.1' : listensOn;
  return `http://${host.includes(':') ? `[${host}]` : host}:${PORT?.trim() || '3000'}/health/live`;
}

try {
  const { ok, status } = await fetch(liveUrl(process.env), { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!ok) {
    throw new Error(`Answered with ${status}`);
  }
} catch (error) {
  process.stderr.write(`${error.cause?.message ?? error.message}\n`);
  process.exitCode = 1;
}
