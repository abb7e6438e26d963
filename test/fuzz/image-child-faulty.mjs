// Stands in for the program that processes images, and fails in the way that a file's text asks for: so that those who
// watch it can be seen to notice.
function answer(id, outcome) {
  process.send({ id, outcome, ms: 1, peakMegabytes: 1 });
}

const failures = {
  crash: () => process.abort(),
  exit: () => process.exit(3),
  hang: () => {},
  block: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  throw: (id) => answer(id, { kind: 'error', detail: 'TypeError: a mistake' }),
};

process.on('message', ({ id, bytes }) => {
  const failure = failures[bytes.toString()];
  if (failure === undefined) {
    setTimeout(() => answer(id, { kind: 'failed', code: 'unreadable', detail: 'as expected' }), 50);
  } else {
    failure(id);
  }
});
