import { Metrics } from '../../src/common/metrics.js';
import { InProcessQueue } from '../../src/queue/in-process-queue.js';
import { describeJobQueue } from './job-queue.contract.js';

describeJobQueue(InProcessQueue.name, async (options) => {
  const queue = new InProcessQueue(new Metrics(), options);
  return { queue, release: () => queue.close(0) };
});
