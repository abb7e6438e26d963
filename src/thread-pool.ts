import { availableParallelism } from 'node:os';

// libuv reads this once, when its threads are first needed: imported before everything else. They serve files,
// signatures and images alike; an image has up to three steps at work at once, and must not keep the others waiting.
process.env['UV_THREADPOOL_SIZE'] ??= String(Math.max(6, 3 * availableParallelism()));
