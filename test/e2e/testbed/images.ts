import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeTar, type TarEntry } from "./tar.js";

/** What containers of the scenarios run. */
export const busyboxImage = "localhost/busybox:test";
/** What sandboxes run until they are stopped. */
export const pauseImage = "localhost/pause:test";

const applets = ["sh", "sleep", "cat", "echo", "true", "false", "kill", "ls", "test"];
const directories = ["bin/", "dev/", "etc/", "proc/", "sys/", "tmp/", "run/"];

/** Writes the two images as OCI archives, made of nothing but a static busybox, and returns their files. */
export async function writeImages(busybox: string, directory: string): Promise<string[]> {
  const rootfs: TarEntry[] = [
    ...directories.map((path) => ({ path, directory: true }) as const),
    { path: "bin/busybox", content: await readFile(busybox), mode: 0o755 },
    ...applets.map((name) => ({ path: `bin/${name}`, linkTo: "busybox" })),
  ];
  const layer = encodeTar(rootfs);
  const pause = ["/bin/sleep", "2147483647"];
  const images = [
    { name: busyboxImage, file: join(directory, "busybox.tar"), entrypoint: [] },
    { name: pauseImage, file: join(directory, "pause.tar"), entrypoint: pause },
  ];
  for (const { name, file, entrypoint } of images) await writeFile(file, encodeImage(name, layer, entrypoint));
  return images.map(({ file }) => file);
}

/** An OCI image archive with one uncompressed layer, as `ctr images import` takes it. */
function encodeImage(name: string, layer: Buffer, entrypoint: readonly string[]): Buffer {
  const blobs: TarEntry[] = [];
  const addBlob = (mediaType: string, content: Buffer) => {
    const hex = createHash("sha256").update(content).digest("hex");
    if (!blobs.some(({ path }) => path.endsWith(hex))) blobs.push({ path: `blobs/sha256/${hex}`, content });
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  };
  const addJson = (mediaType: string, value: unknown) => addBlob(mediaType, Buffer.from(JSON.stringify(value)));

  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const layers = [addBlob("application/vnd.oci.image.layer.v1.tar", layer)];
  const config = addJson("application/vnd.oci.image.config.v1+json", {
    architecture,
    os: "linux",
    config: { Env: ["PATH=/bin"], Entrypoint: entrypoint },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = addJson(mediaType, { schemaVersion: 2, mediaType, config, layers });
  const annotations = { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  return encodeTar([
    { path: "oci-layout", content: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
    { path: "index.json", content: Buffer.from(JSON.stringify(index)) },
    ...blobs,
  ]);
}
