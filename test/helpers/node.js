import { open } from '../../lib/index.js';
import { simulate } from '../../lib/simulator/index.js';
export async function openNode(t, request, { mig = false } = {}) {
    const node = await simulate(request);
    t.teardown(() => node.close());
    const nvml = await open({ library: node.library, root: node.root });
    t.teardown(() => nvml.close());
    if (mig)
        for (const gpu of nvml.gpus)
            await gpu.setMigMode(true);
    return { node, nvml };
}
