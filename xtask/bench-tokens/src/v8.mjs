// The counters in V8: node v8.mjs TEXTS HOSTILE MODULE.wasm…, started by main.rs; measures as tokens/tools/speeds.rs does.
import fs from "node:fs";
import path from "node:path";

const [texts, hostile, ...modules] = process.argv.slice(2);
const [BYTES, BLOCK, BLOCKS, STARTS] = [10_000, 20, 7, 50];
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
    const begin = performance.now();
    const tokens = count(encoding, text.length);
    return [performance.now() - begin, tokens];
  }
  first() {
    for (const encoding of [0, 1]) this.count(encoding, Buffer.from("first"));
  }
}

console.log("\n| V8 | instance, ms | then the first count of each encoding, ms | memory, MB |\n| --- | --- | --- | --- |");
const vms = modules.map((file) => {
  const name = path.basename(file, ".wasm");
  const module = new WebAssembly.Module(fs.readFileSync(file));
  const [instances, firsts] = [[], []];
  let vm;
  for (let start = 0; start < (name.startsWith("tokenstile") ? STARTS : 2); start++) {
    const begin = performance.now();
    vm = new Vm(name, module);
    const started = performance.now();
    vm.first();
    instances.push(started - begin);
    firsts.push(performance.now() - started);
  }
  const mb = (vm.exports.memory.buffer.byteLength / 1e6).toFixed(2);
  console.log(`| ${name} | ${median(instances).toFixed(3)} | ${median(firsts).toFixed(3)} | ${mb} |`);
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

const logarithms = vms.map(() => []);
for (const encoding of [0, 1]) {
  console.log(`\n| V8, ${["cl100k", "o200k"][encoding]}, MB/s | ${vms.map((vm) => vm.name).join(" | ")} |`);
  console.log(`| --- |${" --- |".repeat(vms.length)}`);
  for (const file of fs.readdirSync(texts).sort()) {
    const parts = cut(fs.readFileSync(path.join(texts, file)));
    const speeds = vms.map(() => []);
    for (let round = 0; round <= BLOCKS && (round + 1) * BLOCK <= parts.length; round++) {
      const order = vms.map((_, which) => which);
      if (round % 2) order.reverse();
      let expected;
      for (const which of order) {
        let sum = 0n;
        for (const text of parts.slice(round * BLOCK, (round + 1) * BLOCK)) {
          const [ms, tokens] = vms[which].count(encoding, text);
          sum += tokens;
          if (round) speeds[which].push(text.length / ms / 1000);
        }
        if (sum !== (expected ??= sum)) throw new Error(`${vms[which].name} counts otherwise`);
      }
    }
    const [ours, ...others] = speeds.map(median);
    const columns = others.map((speed) => ` ${speed.toFixed(1)} (x ${(ours / speed).toFixed(1)}) |`);
    console.log(`| ${file.slice(2)} | ${ours.toFixed(1)} |${columns.join("")}`);
    if (!/letters|rulers/.test(file)) others.forEach((speed, at) => logarithms[at + 1].push(Math.log(ours / speed)));
  }
}
vms.slice(1).forEach((vm, at) => {
  const sum = logarithms[at + 1].reduce((sum, each) => sum + each, 0);
  console.log(`\nV8: ${Math.exp(sum / logarithms[at + 1].length).toFixed(1)} x ${vm.name}, geometric mean over what users write`);
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
