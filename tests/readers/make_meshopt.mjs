// Makes tests/data/meshopt/streams.json: streams of meshoptimizer's encoder, and what its decoder makes of them.
// In a folder with npm's meshoptimizer (1.3.0 was used): node make_meshopt.mjs > streams.json
import { deflateRawSync } from "node:zlib";
import { MeshoptDecoder, MeshoptEncoder } from "meshoptimizer";

await Promise.all([MeshoptDecoder.ready, MeshoptEncoder.ready]);

let seed = 15;
const chance = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
const bytes = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const cases = [];

function keep(name, streams, count, stride, mode, filter = "NONE") {
  const decoded = streams.map((stream) => {
    const made = new Uint8Array(count * stride);
    MeshoptDecoder.decodeGltfBuffer(made, count, stride, stream, mode, filter);
    return Buffer.from(made);
  });
  if (!decoded.every((each) => each.equals(decoded[0]))) throw new Error(name);
  const values = deflateRawSync(decoded[0], { level: 9 }).toString("base64");
  const kept = streams.map((stream) => Buffer.from(stream).toString("base64"));
  cases.push({ name, count, stride, mode, filter, streams: kept, values });
}

function attributes(name, values, count, stride, level = 3, filter = "NONE") {
  const versions = [0, 1].map((version) =>
    MeshoptEncoder.encodeVertexBufferLevel(bytes(values), count, stride, level, version));
  keep(name, versions, count, stride, "ATTRIBUTES", filter);
}

for (const count of [1, 16, 17, 60]) {
  const wave = new Float32Array(count * 3).map((_, i) => Math.sin(i / 40) + (i % 3));
  attributes(`${count} positions`, wave, count, 12);
}
attributes("quantized places", new Uint16Array(130 * 4).map((_, i) => ((i >> 2) + (i & 3)) * 37), 130, 8);
attributes("noise", new Uint8Array(70 * 4).map(() => chance() * 256), 70, 4);
attributes("small steps", new Uint8Array(130 * 4).map((_, i) => (i >> 4) + chance() * 3), 130, 4);
attributes("rare steps", new Uint8Array(500 * 4).map(() => (chance() > 0.97 ? 255 : 0)), 500, 4);
attributes("one value", new Uint8Array(700 * 16).fill(9), 700, 16);
attributes("wide", new Uint8Array(34 * 256).map((_, i) => (i >> 8) * ((i & 31) === 5)), 34, 256);
attributes("blocks of 224", new Uint16Array(230 * 18).map((_, i) => Math.floor(i / 18) * (i % 6 === 1)), 230, 36);
const slow = new Float32Array(40 * 4).map((_, i) => Math.fround(100 + Math.cos(i / 90) * (i % 4)));
for (const level of [0]) attributes(`level ${level}`, slow, 40, 16, level);
attributes("turned words", new Uint32Array(90).map((_, i) => ((i * 2654435761) >>> 20) << 9), 90, 4);

const grid = [];
for (let y = 0; y < 4; y++)
  for (let x = 0; x < 20; x++) {
    const a = y * 21 + x;
    grid.push(a, a + 1, a + 21, a + 21, a + 1, a + 22);
  }
const far = grid.slice(0, 120).map((i) => i * 15000000);
const mixed = grid.map(() => Math.floor(chance() * 441));
for (const [name, indices] of [["grid", grid], ["far apart", far], ["mixed", mixed.slice(0, 150)]]) {
  const sorted = new Uint32Array(indices);
  if (name === "grid") MeshoptEncoder.reorderMesh(sorted, true, true);
  for (const [mode, encode] of [["TRIANGLES", "encodeIndexBuffer"], ["INDICES", "encodeIndexSequence"]])
    for (const stride of name === "far apart" ? [4] : [2, 4]) {
      const given = stride === 2 ? new Uint16Array(sorted) : sorted;
      keep(`${name}, ${mode}, ${stride}`, [MeshoptEncoder[encode](bytes(given), given.length, stride)], given.length, stride, mode);
    }
}
const twice = new Uint32Array([...grid.slice(0, 60), ...grid.slice(0, 60)]);
keep("from the start twice", [MeshoptEncoder.encodeIndexBuffer(bytes(twice), 120, 4)], 120, 4, "TRIANGLES");

const filtered = (name, encoded, count, stride, filter) =>
  attributes(name, encoded, count, stride, 3, filter);

const units = new Float32Array(40 * 4);
for (let i = 0; i < 40; i++) {
  const v = [chance() - 0.5, chance() - 0.5, chance() - 0.5, chance() - 0.5];
  const size = Math.hypot(...v.slice(0, 3));
  units.set([v[0] / size, v[1] / size, v[2] / size, i % 2 ? 1 : -1], 4 * i);
}
const turns = units.map((_, i) => units[i] / Math.hypot(...units.slice(i & ~3, (i & ~3) + 4)));
const shades = new Float32Array(40 * 4).map(() => chance());
const many = new Float32Array(40 * 3).map((_, i) => (chance() - 0.5) * 10 ** (i % 7));
for (const [stride, bits] of [[4, 8], [4, 5], [8, 16], [8, 10]]) {
  filtered(`octahedral ${stride} ${bits}`, MeshoptEncoder.encodeFilterOct(units, 40, stride, bits), 40, stride, "OCTAHEDRAL");
  filtered(`color ${stride} ${bits}`, MeshoptEncoder.encodeFilterColor(shades, 40, stride, bits), 40, stride, "COLOR");
}
for (const bits of [16, 9])
  filtered(`quaternion ${bits}`, MeshoptEncoder.encodeFilterQuat(turns, 40, 8, bits), 40, 8, "QUATERNION");
for (const mode of ["Separate", "SharedVector"])
  filtered(`exponential ${mode}`, MeshoptEncoder.encodeFilterExp(many, 40, 12, 15, mode), 40, 12, "EXPONENTIAL");

console.log("[\n" + cases.map((each) => JSON.stringify(each)).join(",\n") + "\n]");

// ext.glb and khr.glb beside it are tests/data/scene/scene.glb, by npm's gltfpack 1.3.0 in the same folder:
//   npx gltfpack -i scene.glb -o ext.glb -cc -kn -km
//   npx gltfpack -i scene.glb -o khr.glb -cz -ce khr -noq
