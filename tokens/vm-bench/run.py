"""Measures the modules of build.sh in wasmtime: pip install wasmtime; python run.py FOLDER_OF_TEXTS MODULE.wasm…

As run.mjs: the modules take turns text by text, each text is new, the first tenth is not measured.
"""

import pathlib
import statistics
import sys
import time

import wasmtime

BYTES = 10_000
folder, *modules = sys.argv[1:]
store = wasmtime.Store(wasmtime.Engine())
vms = []
for file in modules:
    module = wasmtime.Module.from_file(store.engine, file)
    begin = time.perf_counter()
    exports = wasmtime.Instance(store, module, []).exports(store)
    start = 1000 * (time.perf_counter() - begin)
    vms.append((pathlib.Path(file).stem, exports["buffer"], exports["count"], exports["memory"]))
    print(f"{vms[-1][0]}: instance {start:.2f} ms")


def run(vm, encoding, text):
    _, buffer, count, memory = vm
    memory.write(store, text, buffer(store, len(text)))
    begin = time.perf_counter()
    count(store, encoding, len(text))
    return len(text) / (time.perf_counter() - begin) / 1e6


for file in sorted(pathlib.Path(folder).iterdir()):
    whole = file.read_bytes()
    texts, start = [], 0
    while start + BYTES < len(whole):
        end = start + BYTES
        while whole[end] & 0xC0 == 0x80:
            end += 1
        texts.append(whole[start:end])
        start = end
    for encoding in (0, 1):
        speeds = [[run(vm, encoding, text) for vm in vms] for text in texts][len(texts) // 10 :]
        columns = [f"{vm[0]} {statistics.median(column):.1f}" for vm, column in zip(vms, zip(*speeds))]
        print(f"{file.stem} {('cl100k', 'o200k')[encoding]}: MB/s", ", ".join(columns), flush=True)
for name, _, _, memory in vms:
    print(f"{name}: {memory.data_len(store) / 2**20:.2f} MiB at the end")
