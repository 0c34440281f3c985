// Builds dist/nri-v01-bridge_VERSION_ARCHITECTURE.deb: the single executable of build-sea.mjs, the unit, the man page and an
// empty configuration, for nodes of Debian and Ubuntu with systemd.
//
//   node scripts/build-deb.mjs [--out FOLDER]
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

const project = new URL("../", import.meta.url).pathname;
const read = (path) => readFileSync(join(project, path), "utf8");
const { values: options } = parseArgs({ options: { out: { type: "string", default: join(project, "dist") } } });
const name = "nri-v01-bridge";
// A pre-release is older than its release: `~` sorts before the end.
const version = JSON.parse(read("package.json")).version.replace("-", "~");
// The package's files have their own place for programs; how to install by hand is of no use there.
const unit = read("deploy/systemd/nri-v01-bridge.service")
  .replace(/^# Install, from the repository[\s\S]*?^# (?=\/etc)/m, "# ")
  .replace("ExecStart=/usr/local/bin/", "ExecStart=/usr/bin/");
const licences = ["LICENSE", "dist/THIRD_PARTY_LICENSES.txt", "dist/NODE_LICENSE.txt"]
  .map(read)
  .join(`\n${"-".repeat(78)}\n`);

const program = readFileSync(join(project, "dist", name));
/** Path in the package, without the first slash, to what it holds. */
const files = {
  // Not stripped: that would take away what Node finds the program by.
  [`usr/bin/${name}`]: program,
  [`usr/lib/systemd/system/${name}.service`]: unit,
  [`etc/${name}/config.yaml`]: read("deploy/deb/config.yaml"),
  [`usr/share/man/man1/${name}.1.gz`]: gzipSync(read(`docs/man/${name}.1`), { level: 9 }),
  [`usr/share/doc/${name}/copyright`]: licences,
  [`usr/share/doc/${name}/changelog.gz`]: gzipSync(read("CHANGELOG.md"), { level: 9 }),
  [`usr/share/doc/${name}/examples/plugins-that-only-watch.conf`]: read("deploy/systemd/plugins-that-only-watch.conf"),
};
const values = {
  VERSION: version,
  ARCHITECTURE: execFileSync("dpkg", ["--print-architecture"], { encoding: "utf8" }).trim(),
  MAINTAINER: `${process.env.DEBFULLNAME ?? name} <${process.env.DEBEMAIL ?? "root@localhost"}>`,
  SIZE: Math.ceil(Object.values(files).reduce((sum, content) => sum + content.length, 0) / 1024),
};
const control = {
  control: read("deploy/deb/control.in").replaceAll(/@([A-Z]+)@/g, (_, key) => values[key]),
  conffiles: `/etc/${name}/config.yaml\n`,
  md5sums: Object.entries(files)
    .map(([path, content]) => `${createHash("md5").update(content).digest("hex")}  ${path}\n`)
    .join(""),
};

const folder = mkdtempSync(join(tmpdir(), "bridge-deb-"));
try {
  chmodSync(folder, 0o755);
  for (const [path, content] of Object.entries(files)) put(path, content, path.startsWith("usr/bin/") ? 0o755 : 0o644);
  for (const [file, content] of Object.entries(control)) put(`DEBIAN/${file}`, content, 0o644);
  for (const script of ["postinst", "prerm", "postrm"]) put(`DEBIAN/${script}`, read(`deploy/deb/${script}`), 0o755);
  mkdirSync(options.out, { recursive: true });
  const out = join(options.out, `${name}_${version}_${values.ARCHITECTURE}.deb`);
  execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "-z1", "--build", folder, out], { stdio: "pipe" });
  console.log(`${out}: ${Math.round(statSync(out).size / 2 ** 20)} MiB`);
} finally {
  rmSync(folder, { recursive: true });
}

function put(path, content, mode) {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  writeFileSync(file, content);
  chmodSync(file, mode);
}
