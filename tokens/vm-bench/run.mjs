// Measures the modules of build.sh in V8: node run.mjs FOLDER_OF_TEXTS MODULE.wasm…
// The modules take turns text by text, so that whatever else the machine does hits them alike. Each text is new; the first
// tenth warms up and is not measured.
import fs from "node:fs";
import path from "node:path";

const [folder, ...modules] = process.argv.slice(2);
const BYTES = 10_000;
const vms = modules.map((file) => {
  const bytes = fs.readFileSync(file);
  const module = new WebAssembly.Module(bytes);
  const begin = performance.now();
  const { buffer, count, memory } = new WebAssembly.Instance(module, {}).exports;
  const started = performance.now();
  const vm = {
    name: path.basename(file, ".wasm"),
    // Milliseconds and tokens of one text.
    run(encoding, text) {
      const at = buffer(text.length);
      new Uint8Array(memory.buffer).set(text, at);
      const begin = performance.now();
      const tokens = count(encoding, text.length);
      return [performance.now() - begin, tokens];
    },
  };
  vm.run(0, Buffer.from("first"));
  vm.run(1, Buffer.from("first"));
  const first = performance.now();
  const mib = () => (memory.buffer.byteLength / 2 ** 20).toFixed(2);
  const [start, counts] = [started - begin, first - started].map((ms) => ms.toFixed(2));
  console.log(`${vm.name}: ${(bytes.length / 1e6).toFixed(2)} MB, instance ${start} ms, first counts ${counts} ms, ${mib()} MiB`);
  vm.mib = mib;
  return vm;
});

for (const file of fs.readdirSync(folder).sort()) {
  const all = fs.readFileSync(path.join(folder, file));
  const texts = [];
  for (let from = 0, to; from + BYTES < all.length; from = to) {
    to = from + BYTES;
    while ((all[to] & 0xc0) === 0x80) to++;
    texts.push(all.subarray(from, to));
  }
  for (const encoding of [0, 1]) {
    const spent = vms.map(() => []);
    texts.forEach((text, at) => {
      let expected;
      vms.forEach((vm, which) => {
        const [ms, tokens] = vm.run(encoding, text);
        if (expected !== undefined && tokens !== expected) throw new Error(`${vm.name} counts ${tokens}, not ${expected}`);
        expected = tokens;
        if (at >= texts.length / 10) spent[which].push((text.length / ms) / 1000);
      });
    });
    const median = (speeds) => speeds.sort((a, b) => a - b)[speeds.length >> 1];
    const columns = vms.map((vm, which) => `${vm.name} ${median(spent[which]).toFixed(1)}`);
    console.log(`${path.basename(file, ".txt")} ${["cl100k", "o200k"][encoding]}: MB/s ${columns.join(", ")}`);
  }
}
for (const vm of vms) console.log(`${vm.name}: ${vm.mib()} MiB at the end`);
