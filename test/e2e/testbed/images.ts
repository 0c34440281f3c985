import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "./command.js";

/** What containers of the scenarios run, and sandboxes, which sleep until they are stopped. */
export const testImage = "localhost/busybox:test";

const applets = ["sh", "sleep", "cat", "echo", "true", "false", "kill", "ls", "test"];
const directories = ["bin", "dev", "etc", "proc", "sys", "tmp", "run"];

/** Writes the image as an OCI archive, as `ctr images import` takes it, made of nothing but a static busybox. */
export async function writeImage(busybox: string, directory: string): Promise<string> {
  const [rootfs, image] = [join(directory, "image/rootfs"), join(directory, "image/oci")];
  for (const name of directories) await mkdir(join(rootfs, name), { recursive: true });
  await copyFile(busybox, join(rootfs, "bin/busybox"));
  for (const name of applets) await symlink("busybox", join(rootfs, "bin", name));

  const blobs = join(image, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const addBlob = async (mediaType: string, file: string) => {
    const content = await readFile(file);
    const hex = createHash("sha256").update(content).digest("hex");
    await rename(file, join(blobs, hex));
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  };
  const addJson = async (mediaType: string, value: object) => {
    await writeFile(join(blobs, "new"), JSON.stringify(value));
    return addBlob(mediaType, join(blobs, "new"));
  };
  await pack(rootfs, join(blobs, "new"));
  const layers = [await addBlob("application/vnd.oci.image.layer.v1.tar", join(blobs, "new"))];
  const config = await addJson("application/vnd.oci.image.config.v1+json", {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Env: ["PATH=/bin"], Entrypoint: ["/bin/sleep", "2147483647"] },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = await addJson(mediaType, { schemaVersion: 2, mediaType, config, layers });
  const annotations = { "io.containerd.image.name": testImage, "org.opencontainers.image.ref.name": testImage };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  await writeFile(join(image, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(image, "index.json"), JSON.stringify(index));
  await pack(image, join(directory, "image.tar"));
  return join(directory, "image.tar");
}

async function pack(directory: string, archive: string): Promise<void> {
  await mustRun("tar", ["--create", "--owner=0", "--group=0", `--file=${archive}`, `--directory=${directory}`, "."]);
}
