// The counters in V8: node --no-liftoff v8.mjs TEXTS HOSTILE MODULE.wasm…, started by main.rs; measures as tokens/tools/speeds.rs does.
import fs from "node:fs";
import path from "node:path";

const [texts, hostile, ...modules] = process.argv.slice(2);
const [BYTES, BLOCK, BLOCKS, STARTS] = [10_000, 20, 7, 50];
const FIRST = Buffer.from("first");
// Milliseconds that this process has spent on a processor: what else the machine does is not measured.
const now = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

class Vm {
  constructor(name, module) {
    this.name = name;
    this.exports = new WebAssembly.Instance(module, {}).exports;
  }
  // Milliseconds and tokens; copying the text is not measured.
  count(encoding, text) {
    const { buffer, count, memory } = this.exports;
    const at = buffer(text.length);
    new Uint8Array(memory.buffer).set(text, at);
    const begin = now();
    const tokens = count(encoding, text.length);
    return [now() - begin, tokens];
  }
}

console.log("\n| V8 | instance, ms | then the first count of cl100k | then of o200k | memory, MB |\n| --- | --- | --- | --- | --- |");
const vms = modules.map((file) => {
  const name = path.basename(file, ".wasm");
  const module = new WebAssembly.Module(fs.readFileSync(file));
  const times = [[], [], []];
  let vm;
  for (let start = 0; start < (name.startsWith("tokenstile") ? STARTS : 2); start++) {
    const steps = [() => (vm = new Vm(name, module)), ...[0, 1].map((encoding) => () => vm.count(encoding, FIRST))];
    steps.forEach((step, at) => {
      const begin = now();
      step();
      times[at].push(now() - begin);
    });
  }
  const mb = (vm.exports.memory.buffer.byteLength / 1e6).toFixed(2);
  console.log(`| ${name} | ${times.map((all) => median(all).toFixed(3)).join(" | ")} | ${mb} |`);
  return vm;
});

function cut(all) {
  const parts = [];
  for (let from = 0, to; from + BYTES < all.length; from = to) {
    to = from + BYTES;
    while ((all[to] & 0xc0) === 0x80) to++;
    parts.push(all.subarray(from, to));
  }
  return parts;
}

// Each text is new to every counter at its first turn, and seen before at its second.
const TURNS = ["new", "seen before"];
const logarithms = TURNS.map(() => vms.map(() => []));
for (const encoding of [0, 1]) {
  console.log(`\n| V8, ${["cl100k", "o200k"][encoding]}, MB/s | ${vms.map((vm) => vm.name).join(" | ")} |`);
  console.log(`| --- |${" --- |".repeat(vms.length)}`);
  for (const file of fs.readdirSync(texts).sort()) {
    const parts = cut(fs.readFileSync(path.join(texts, file)));
    const speeds = TURNS.map(() => vms.map(() => []));
    for (let round = 0; round <= BLOCKS && (round + 1) * BLOCK <= parts.length; round++) {
      // Nobody has two turns in a row, which would find the processor's caches as it left them.
      const order = vms.map((_, which) => (which + round) % vms.length);
      let expected;
      for (const which of order) {
        let sum = 0n;
        for (const text of parts.slice(round * BLOCK, (round + 1) * BLOCK)) {
          const turns = TURNS.map(() => vms[which].count(encoding, text));
          sum += turns[0][1];
          if (round) turns.forEach(([ms], turn) => speeds[turn][which].push(text.length / ms / 1000));
        }
        if (sum !== (expected ??= sum)) throw new Error(`${vms[which].name} counts otherwise`);
      }
    }
    TURNS.forEach((turn, at) => {
      const [ours, ...others] = speeds[at].map(median);
      const columns = others.map((speed) => ` ${speed.toFixed(1)} (x ${(ours / speed).toFixed(1)}) |`);
      console.log(`| ${file.slice(2)}, ${turn} | ${ours.toFixed(1)} |${columns.join("")}`);
      if (/letters|rulers/.test(file)) return;
      others.forEach((speed, which) => logarithms[at][which + 1].push(Math.log(ours / speed)));
    });
  }
}
TURNS.forEach((turn, at) => {
  for (let which = 1; which < vms.length; which++) {
    const all = logarithms[at][which];
    const mean = Math.exp(all.reduce((sum, each) => sum + each, 0) / all.length);
    console.log(`\nV8: ${mean.toFixed(1)} x ${vms[which].name}, geometric mean over what users write, ${turn}`);
  }
});

console.log(`\n| V8, ${vms[0].name}, o200k, one hostile text, MB/s | 10 KB | 100 KB | 1 MB |\n| --- | --- | --- | --- |`);
for (const kind of fs.readdirSync(hostile)) {
  const all = fs.readFileSync(path.join(hostile, kind));
  const columns = [10_000, 100_000, 1_000_000].map((bytes) => {
    let end = bytes;
    while ((all[end] & 0xc0) === 0x80) end++;
    const text = all.subarray(0, end);
    return median(Array.from({ length: 5 }, () => bytes / vms[0].count(1, text)[0] / 1000)).toFixed(1);
  });
  console.log(`| ${kind} | ${columns.join(" | ")} |`);
}
