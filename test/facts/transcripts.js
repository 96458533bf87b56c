/** Recorded nvidia-smi runs (transcripts.json) and readers for the tables they print. */
import { readFileSync } from 'node:fs';
const file = JSON.parse(readFileSync(new URL('./transcripts.json', import.meta.url), 'utf8'));
export const transcripts = file.transcripts;
export function transcript(id) {
    const found = transcripts.find(entry => entry.id === id);
    if (!found)
        throw new Error(`no transcript ${id}`);
    return found;
}
const numbers = (line) => (line.match(/\d+(\.\d+)?/g) ?? []).map(Number);
/** `nvidia-smi mig -lgip`: two lines a profile. */
export function gpuInstanceProfiles(output) {
    const rows = [];
    const lines = output.split('\n');
    lines.forEach((line, i) => {
        const first = /^\|\s+\d+\s+MIG (\S+)\s+(\d+)\s+(\d+)\/(\d+)\s+([\d.]+)\s+No\s+(\d+)\s+(\d+)\s+(\d+)\s+\|$/.exec(line);
        if (!first)
            return;
        const [id, free, total, memoryGiB, multiprocessors, decoder, encoder] = first.slice(2).map(Number);
        const [copy, jpeg, opticalFlow] = numbers(lines[i + 1] ?? '');
        rows.push({
            name: first[1],
            id,
            free,
            total,
            memoryGiB,
            multiprocessors,
            decoder,
            encoder,
            copy,
            jpeg,
            opticalFlow
        });
    });
    return rows;
}
/** `nvidia-smi mig -lgipp`: one line a profile. */
export function possiblePlacements(output) {
    return [...output.matchAll(/Profile ID\s+(\d+) Placements?\s*: \{([\d,]+)\}:(\d+)/g)].map(([, id, starts, size]) => ({
        id: Number(id),
        starts: starts.split(',').map(Number),
        size: Number(size)
    }));
}
/** `nvidia-smi mig -lcip`: one list per table printed, in order. */
export function computeInstanceProfiles(output) {
    return output
        .split('Compute instance profiles:')
        .slice(1)
        .map(table => {
        const lines = table.split('\n');
        return lines.flatMap((line, i) => {
            const first = /^\|\s+\d+\s+(\d+)\s+MIG (\S+)\s+(\d+)\*?\s+(\d+)\/(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+\|$/.exec(line);
            if (!first)
                return [];
            const [gpuInstance] = [Number(first[1])];
            const [id, free, total, multiprocessors, decoder, encoder, opticalFlow] = first.slice(3).map(Number);
            const [copy, jpeg] = numbers(lines[i + 1] ?? '');
            return [
                { gpuInstance, name: first[2], id, free, total, multiprocessors, decoder, encoder, opticalFlow, copy, jpeg }
            ];
        });
    });
}
/** `nvidia-smi mig -lgi`. */
export function gpuInstances(output) {
    return [...output.matchAll(/^\|\s+(\d+)\s+MIG \S+\s+(\d+)\s+(\d+)\s+(\d+):(\d+)\s+\|$/gm)].map(row => {
        const [gpu, profileId, id, start, size] = row.slice(1).map(Number);
        return { gpu, profileId, id, start, size };
    });
}
/** `nvidia-smi mig -lci`. */
export function computeInstances(output) {
    return [...output.matchAll(/^\|\s+\d+\s+(\d+)\s+MIG \S+\s+(\d+)\s+(\d+)\s+(\d+):(\d+)\s+\|$/gm)].map(row => {
        const [gpuInstance, profileId, id, start, size] = row.slice(1).map(Number);
        return { gpuInstance, profileId, id, start, size };
    });
}
