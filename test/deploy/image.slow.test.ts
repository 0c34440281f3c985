import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { listenByHand } from "../support/hand-made-runtime.js";
import { makeFolder } from "../support/places.js";
import { buildImageRoot, lastStage, readDockerfile } from "./image-root.js";
import { executable, has, nodes, root, run, works } from "./support.js";

const instructions = readDockerfile();
const events = readFileSync(join(root, "fixtures/cases/basic-hostnet/events.jsonl"), "utf8").trimEnd().split("\n");

describe("the Dockerfile", () => {
  it("copies from this repository what is there, and what the dockerignore lets through", () => {
    const ignore = readFileSync(join(root, "deploy/image/Dockerfile.dockerignore"), "utf8").split("\n");
    const copied = instructions
      .filter(({ name, text }) => name === "COPY" && !text.includes("--from="))
      .flatMap(({ text }) => text.split(" ").slice(0, -1));
    expect(copied.length).toBeGreaterThan(4);
    for (const path of copied) {
      expect(existsSync(join(root, path)), path).toBe(true);
      expect(ignore).toContain(`!${path}`);
    }
  });

  it("names no registry, takes its base image as an argument, and runs the program as root with a PATH for plugins", () => {
    expect(instructions[0]).toEqual({ name: "ARG", text: `NODE_IMAGE=node:${nodes.newestLts}-bookworm-slim` });
    for (const { text } of instructions.filter(({ name }) => name === "FROM"))
      expect(text).toMatch(/^\$\{NODE_IMAGE\}/);
    const stage = Object.fromEntries(lastStage(instructions).map(({ name, text }) => [name, text]));
    expect(stage).toMatchObject({ USER: "0:0", ENTRYPOINT: expect.stringContaining("nri-v01-bridge.mjs") });
    expect(statSync(join(root, "deploy/image/nri-v01-bridge")).mode & 0o777).toBe(0o755);
    expect(stage.ENV).toContain("PATH=/usr/local/sbin:");
  });
});

const container = z.object({ securityContext: z.object({ capabilities: z.object({ add: z.array(z.string()) }) }) });
const daemonSet = z.object({
  spec: z.object({ template: z.object({ spec: z.object({ containers: z.tuple([container]) }) }) }),
});
const tools = ["unshare", "setpriv", "pivot_root", "ldd", "bash"].filter((tool) => !has(tool));
/** Why the image's root cannot be run here; the test's title says so. */
const reasons = [
  ...(process.getuid?.() === 0 ? [] : ["not root"]),
  ...tools.map((tool) => `no ${tool}`),
  ...(!works("unshare", "--mount", "true") ? ["no mount namespaces"] : []),
  ...(existsSync(executable) ? [] : ["no single executable: npm run build:sea"]),
];
const skipped = reasons.length === 0 ? "" : ` (not run: ${reasons.join(", ")})`;

/**
 * The image's root as the DaemonSet runs it: no Docker and no cluster here, so a mount namespace with this root stands in, with the
 * pod's capabilities as bounding set, and the directories that it mounts in place.
 */
describe.skipIf(skipped !== "")(`the image's root, with the DaemonSet's capabilities${skipped}`, () => {
  const folder = makeFolder(afterAll);
  const image = join(folder, "root");
  let running: ChildProcess | undefined;

  beforeAll(async () => {
    await buildImageRoot(image);
    for (const path of ["run/nri", "opt/nri/bin", "etc/nri", "etc/nri-v01-bridge", "var/lib/nri-v01-bridge"]) {
      mkdirSync(join(image, path), { recursive: true });
    }
    const plugins = [{ type: "look" }, { type: "captured" }];
    writeFileSync(join(image, "etc/nri/conf.json"), JSON.stringify({ version: "0.1", plugins }));
    const config = readFileSync(join(root, "deploy/kustomize/base/config.yaml"), "utf8");
    // The recorded sandbox has no cgroup here to make a view of: only the container's create is looked at.
    const captured = "plugins: {captured: {phase: create, cgroup: capture, onFailure: {create: ignore}}}\n";
    writeFileSync(join(image, "etc/nri-v01-bridge/config.yaml"), config + captured);
    const answer = `cat >/dev/null; echo '{"plugin":"x","version":"0.1","error":""}'`;
    plugin("look", `grep CapEff /proc/self/status >/tmp/look; ${answer}`);
    plugin("captured", `cat /proc/$$/mountinfo >/tmp/captured; ${answer}`);
  }, 120_000);

  afterAll(() => running?.kill("SIGKILL"));

  function plugin(name: string, text: string) {
    writeFileSync(join(image, "opt/nri/bin", name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  /** Starts a program in the root. Its mounts are in a namespace of its own: nothing of them is seen, or left, outside. */
  function start(...command: string[]): ChildProcess {
    const parsed = daemonSet.parse(parse(readFileSync(join(root, "deploy/kustomize/base/daemonset.yaml"), "utf8")));
    const [{ securityContext }] = parsed.spec.template.spec.containers;
    const bounding = ["-all", ...securityContext.capabilities.add.map((name) => `+${name.toLowerCase()}`)].join(",");
    const mounts = ["/proc", "/sys", "/dev"].map((path) => `mount --rbind ${path} ${image}${path}`);
    // As runtimes do: the root is a mount of its own, and the old one is gone.
    const enter = [
      `mount --bind ${image} ${image}`,
      ...mounts,
      `cd ${image} && mkdir -p .old && pivot_root . .old && umount -l /.old`,
      `exec setpriv --bounding-set ${bounding} --inh-caps -all "$@"`,
    ].join(" && ");
    return spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", enter, "sh", ...command], {
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  it("holds the program, in both forms, and it runs", async () => {
    for (const program of [
      ["node", "/opt/nri-v01-bridge/nri-v01-bridge.mjs"],
      ["/opt/nri-v01-bridge/nri-v01-bridge"],
      // As `kubectl exec POD -- nri-v01-bridge`.
      ["nri-v01-bridge"],
    ]) {
      expect(await outputOf(start(...program, "version"))).toContain("nri-v01-bridge");
    }
  });

  it("looks at the node from the pod, through the root of one of its processes", async () => {
    const node = join(folder, "node");
    mkdirSync(join(node, "bin"), { recursive: true });
    writeFileSync(join(node, "conf.json"), '{"version":"0.1","plugins":[{"type":"there"},{"type":"open"}]}');
    for (const name of ["there", "open"]) writeFileSync(join(node, "bin", name), "#!/bin/sh\n", { mode: 0o755 });
    chmodSync(join(node, "bin/open"), 0o777);
    // The pod has hostPID, and the node's first process; here it is this one.
    const place = ["--root", `/proc/${process.pid}/root`];
    const where = [...place, "--conf", join(node, "conf.json"), "--bin-dir", join(node, "bin")];
    const config = ["--config", "/etc/nri-v01-bridge/config.yaml"];
    const output = await outputOf(start("nri-v01-bridge", "doctor", "--json", ...where, ...config));
    const { node: about, findings } = JSON.parse(output);
    expect(about).toMatchObject({
      conf: { plugins: ["there", "open"] },
      bridge: { config: "/etc/nri-v01-bridge/config.yaml" },
    });
    const ofPlugins = findings.filter(({ where: at }: { where: string }) => at.startsWith(node));
    expect(ofPlugins).toMatchObject([{ id: "plugin-writable", fix: `chmod go-w ${join(node, "bin/open")}` }]);
  });

  it("registers, runs plugins with the pod's capabilities, captures cgroup views, and answers the probes", async () => {
    const runtime = await listenByHand(join(image, "run/nri/nri.sock"), { version: "v2.1.9" });
    try {
      const config = ["--config", "/etc/nri-v01-bridge/config.yaml"];
      const bridge = start("node", "/opt/nri-v01-bridge/nri-v01-bridge.mjs", "run", ...config);
      running = bridge;
      const log = outputOf(bridge);
      await Promise.race([
        runtime.accept(),
        log.then((text) => {
          throw new Error(`it has ended: ${text}`);
        }),
      ]);
      for (const { method, payloadBase64 } of events.map((line) => JSON.parse(line))) {
        expect((await runtime.call(method, Buffer.from(payloadBase64, "base64"))).error, method).toBe("");
      }
      for (const [path, text] of [
        ["healthz", "ok"],
        ["readyz", "ready;"],
        ["metrics", "nri_v01_bridge"],
      ] as const) {
        const answer = await fetch(`http://127.0.0.1:19464/${path}`);
        expect(answer.status).toBe(200);
        expect(await answer.text()).toContain(text);
      }
      bridge.kill("SIGTERM");
      const text = await log;
      // SYS_ADMIN, SYS_CHROOT, SYS_PTRACE, DAC_OVERRIDE, DAC_READ_SEARCH, KILL: no more.
      expect(readFileSync(join(image, "tmp/look"), "utf8")).toMatch(/^CapEff:\s+00000000002c0026$/m);
      // A captured view says that the cgroups are version 1.
      expect(readFileSync(join(image, "tmp/captured"), "utf8")).toMatch(/ - cgroup /);
      expect(text).toContain('"nri-v01-bridge stopped"');
      expect(text).not.toContain("not through libc");
    } finally {
      runtime.close();
    }
  }, 60_000);

  it("copies itself to the node", async () => {
    mkdirSync(join(image, "node/nri-v01-bridge"), { recursive: true });
    // Up to where it would enter the node's namespaces: here that would be this machine's.
    writeFileSync(join(image, "usr/bin/nsenter"), '#!/bin/sh\necho "$@"\n');
    const home = "/opt/nri-v01-bridge";
    const args = ["run", "--config", `${home}/config.yaml`];
    const output = await outputOf(start(`${home}/on-the-node.sh`, "/node/nri-v01-bridge", ...args));
    expect(output).toContain(`--target 1 --mount --cgroup -- ${home}/nri-v01-bridge ${args.join(" ")}`);
    const copied = readFileSync(join(image, "node/nri-v01-bridge/nri-v01-bridge"));
    expect(copied.equals(readFileSync(executable))).toBe(true);
    expect(existsSync(join(image, "node/nri-v01-bridge/config.yaml"))).toBe(true);
    expect((await run("sh", ["-n", join(root, "deploy/image/on-the-node.sh")])).code).toBe(0);
  });
});

/** All that a program prints, once it has ended. */
async function outputOf(child: ChildProcess): Promise<string> {
  const texts = [child.stdout, child.stderr].map((stream) => (stream === null ? "" : readAll(stream)));
  return (await Promise.all(texts)).join("");
}
