import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { readMachine } from "../../src/cgroup/machine.js";
import { checkPrivilege } from "../../src/cgroup/privilege.js";
import { type View, Views } from "../../src/cgroup/view.js";
import { isAlive, until } from "../plugin/processes.js";
import { portableStarter, type Run, type RunInput, run as runToEnd, toInput } from "../plugin/spawners.js";
import { makeFolder } from "../support/places.js";

const privilege = await checkPrivilege();
const plugins = resolve(import.meta.dirname, "../../legacy-plugins");
const path = "/kubepods/burstable/pod1/abc";
const cgroup = `/sys/fs/cgroup/cpu${path}`;

if (!privilege.ok) console.warn(`skipped: captured views on real processes: ${privilege.reason}`);

const sh = (script: string, ...args: string[]): [string, string[]] => ["/bin/sh", ["-c", script, "sh", ...args]];
/** What a view could leave on the machine; other programs mount other things meanwhile. */
const mountPoints = (): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => /^\/(proc\/|sys\/fs\/cgroup|tmp\/nri-test-)/.test(point));

describe.skipIf(!privilege.ok)("a captured view", () => {
  const spawner = portableStarter();
  const views = new Views(readMachine());
  const before = mountPoints();
  const folder = makeFolder(afterAll);
  beforeAll(() => views.warm());
  afterAll(async () => {
    await views.close();
    await spawner.close();
    expect(mountPoints()).toEqual(before);
  });

  async function inView<T>(
    use: (view: View, run: (command: [string, string[]], stdin?: string) => Promise<Run>) => Promise<T>,
    request: Partial<Omit<Parameters<Views["open"]>[0], "files">> = {},
  ): Promise<T> {
    const view = await views.open({ cgroupsPath: path, place: { phase: "create", version: 2 }, ...request });
    try {
      return await use(view, ([file, args], stdin = "") => runIn(view, toInput({ path: file, args, stdin })));
    } finally {
      view.close();
    }
  }

  function runIn(view: View, options: RunInput): Promise<Run> {
    return runToEnd(spawner, view.command(options));
  }

  const changesOf = (script: string, ...args: string[]) =>
    inView(async (view, run) => {
      const result = await run(sh(script, ...args));
      return { ...view.collect(), exitCode: result.exitCode, stderr: result.lines };
    });

  it("shows a v1 tree with the container's values, and the same in /proc", async () => {
    const spec = { cpu: { shares: 512n, quota: 50_000n }, memory: { limit: 1n << 29n }, pids: { limit: 100n } };
    const script = `
      for f in cpu.shares cpu.cfs_quota_us cpu.cfs_period_us; do cat ${cgroup}/$f; done
      cat /sys/fs/cgroup/memory${path}/memory.limit_in_bytes /sys/fs/cgroup/pids${path}/pids.max
      cat ${cgroup}/cgroup.procs /sys/fs/cgroup/cpu,cpuacct${path}/tasks
      stat -f -c %T /sys/fs/cgroup; ls /sys/fs/cgroup; exec cat /proc/self/cgroup /proc/self/mountinfo`;
    const look = async (view: View, run: (command: [string, string[]]) => Promise<Run>) => {
      const { text, lines: stderr } = await run(sh(script));
      expect([stderr, view.startError(stderr)]).toEqual([[], undefined]);
      expect(view.collect()).toEqual({ resources: {}, files: [], errors: [], lost: [] });
      return text.split("\n").filter((line) => line !== "");
    };
    const lines = await inView(look, { spec, pid: 4711 });
    expect(lines.slice(0, 8)).toEqual(["512", "50000", "100000", "536870912", "100", "4711", "4711", "tmpfs"]);
    expect(lines).toEqual(expect.arrayContaining(["net_prio", "3:cpuset:/"]));
    expect(lines.join("\n")).toMatch(/ \/sys\/fs\/cgroup\/cpu,cpuacct .* - cgroup /);
  });

  it("captures the clearcfs script, and the compiled one", async () => {
    const binary = join(folder, "clearcfs");
    const compiler = spawnSync("cc", ["-O2", "-o", binary, join(plugins, "clearcfs.c")]);
    const request = JSON.stringify({
      version: "0.1",
      state: "create",
      id: "abc",
      spec: { resources: null, cgroupsPath: path, annotations: { "qos.class": "ls" } },
    });
    for (const plugin of [join(plugins, "clearcfs"), ...(compiler.status === 0 ? [binary] : [])]) {
      const use = async (view: View, run: (command: [string, string[]], stdin: string) => Promise<Run>) => {
        expect((await run([plugin, ["invoke"]], request)).text).toMatch(/^\{"plugin":"clearcfs".*"error":""\}\n$/);
        expect(view.collect()).toMatchObject({ resources: { cpu: { quota: -1n } }, errors: [] });
      };
      await inView(use, { spec: { cpu: { quota: 20_000n, period: 100_000n } } });
    }
  });

  it("keeps argv[0], the arguments, the environment and the working directory", async () => {
    const program = join(folder, "show");
    const source = `#include <stdio.h>
      #include <unistd.h>
      extern char **environ;
      int main(int c, char **v) { char d[99]; for (int i = 0; i < c; i++) printf("%d=%s\\n", i, v[i]);
      for (char **e = environ; *e; e++) puts(*e); printf("in %s\\n", getcwd(d, 99)); return 7; }`;
    writeFileSync(`${program}.c`, source);
    expect(spawnSync("cc", ["-o", program, `${program}.c`]).status).toBe(0);
    const args = ["invoke", "", "$(touch /tmp/x)", "a b", "'\"", "-e", "*"];
    const env = { PATH: "/usr/bin", LANG: "no_SUCH.locale", EMPTY: "", "not.a-name": "1", BASH_ENV: "/dev/stdin" };
    await inView(async (view) => {
      const options = { ...toInput({ path: program, args }), argv0: "my name", env };
      const result = await runIn(view, options);
      const lines = result.text.split("\n");
      expect(result.lines).toEqual([]);
      expect(result.exitCode).toBe(7);
      expect(lines.slice(0, 8)).toEqual(["my name", ...args].map((arg, index) => `${index}=${arg}`));
      // bash counts its depth down when it becomes another program, and so has a variable for it again.
      expect(new Set(lines.slice(8, -2))).toEqual(
        new Set([...Object.entries(env).map(([name, value]) => `${name}=${value}`), "SHLVL=0"]),
      );
      expect(lines.at(-2)).toBe("in /");
    });
  });

  it("gives the plugin the signals and descriptors of a plain run", async () => {
    const script = "grep -E '^(SigIgn|SigBlk|SigCgt)' /proc/self/status; ls /proc/$$/fd; ulimit -n";
    const plain = await runToEnd(spawner, toInput({ path: sh(script)[0], args: sh(script)[1] }));
    const captured = await inView((_, run) => run(sh(script)));
    expect(captured.text).toBe(plain.text);
  });

  it("reads the writes of Python, also without truncation", async (context) => {
    if (spawnSync("/usr/bin/env", ["python3", "--version"]).status !== 0)
      return void context.skip("there is no python3");
    const script = `
import os
def over(file, text):
    f = os.open(file, os.O_WRONLY); os.write(f, text); os.close(f)
open("${cgroup}/cpu.shares", "w").write("2048")
over("${cgroup}/cpu.cfs_quota_us", b"250000")
over("/sys/fs/cgroup/pids${path}/pids.max", b"5\\n")
over("/sys/fs/cgroup/memory${path}/memory.limit_in_bytes", b"1048576")
`;
    const changes = await inView(async (view, run) => {
      expect((await run(["/usr/bin/env", ["python3", "-c", script]])).lines).toEqual([]);
      return view.collect();
    });
    expect(changes.resources).toEqual({ cpu: { shares: 2048n, quota: 250_000n }, pids: { limit: 5n } });
    expect(changes.errors).toHaveLength(1);
    expect(changes.errors[0]).toMatch(/without truncating the file; the value can be any of 104857.*1048576/);
  });

  it("reports bad values, fields that are missing, and files of others", async () => {
    const changes = await changesOf(
      `echo many > ${cgroup}/cpu.shares; echo 1 > /sys/fs/cgroup/memory${path}/memory.oom_control
       echo FROZEN > /sys/fs/cgroup/freezer${path}/freezer.state; echo 5 > ${cgroup}/../cpu.shares
       mkdir ${cgroup}/inner; : > ${cgroup}/cpu.cfs_period_us`,
    );
    expect(changes.resources).toEqual({});
    expect(changes.errors).toEqual([
      `the plugin's write to ${cgroup}/cpu.shares has no effect: "many" is not an unsigned number`,
    ]);
    expect(changes.lost.map((text) => text.replace(`${path}/`, " "))).toEqual([
      expect.stringMatching(/ memory.oom_control has no effect: "1": neither NRI nor the cgroup takes this/),
      expect.stringMatching(/ freezer.state has no effect: "FROZEN": neither NRI nor the cgroup takes this/),
      expect.stringMatching(
        /pod1\/cpu.shares has no effect: the plugin made this path and 1 more; the bridge captures only/,
      ),
    ]);
  });

  it("holds what containerd/cgroups copies from a cpuset's parents, and reports a write there", async () => {
    const changes = await changesOf(
      'cat "$1"; echo 0 > "$1"; echo 0 > "$2"',
      ...["/sys/fs/cgroup/cpuset/kubepods/cpuset.cpus", `/sys/fs/cgroup/cpuset${path}/../cpuset.mems`],
    );
    expect(changes.resources).toEqual({});
    expect(changes.lost).toEqual([
      expect.stringMatching(/cpuset has no effect: the plugin wrote or removed a file above the container's cgroup/),
    ]);
  });

  it("is not led out of the tree", async () => {
    const secret = join(folder, "secret");
    writeFileSync(secret, "777\n");
    mkdirSync(join(folder, "out"));
    writeFileSync(join(folder, "out", "pids.max"), "7\n");
    const changes = await changesOf(
      `ln -sf "$1" ${cgroup}/cpu.shares; rm ${cgroup}/cpu.cfs_quota_us; mkfifo ${cgroup}/cpu.cfs_quota_us
       rm -r /sys/fs/cgroup/pids/kubepods; ln -s "$2" /sys/fs/cgroup/pids/kubepods; rm -r /sys/fs/cgroup/memory/*`,
      secret,
      join(folder, "out"),
    );
    expect(changes.resources).toEqual({});
    const noFile = "the plugin replaced the file with something that is not a file: write the value to the file itself";
    const removed = "the plugin removed this file or a folder above: let the plugin keep them, or set `cgroup: host`";
    expect(changes.errors).toEqual([
      `the plugin's write to /sys/fs/cgroup/memory${path} has no effect: ${removed}`,
      `the plugin's write to /sys/fs/cgroup/pids${path} has no effect: ${removed}`,
      `the plugin's write to ${cgroup}/cpu.shares has no effect: ${noFile}`,
      `the plugin's write to ${cgroup}/cpu.cfs_quota_us has no effect: ${noFile}`,
    ]);
    expect(changes.lost).toEqual([]);
    expect(readFileSync(secret, "utf8")).toBe("777\n");
  });

  it("lives on with a background process, and nothing is seen of it, and of what it mounts, outside", async () => {
    const pid = await inView(async (view, run) => {
      const script = `mount -t tmpfs tmpfs ${folder}; sleep 60 >/dev/null 2>&1 & echo $!; echo 9 > pids.max`;
      const { text } = await run(sh(`cd /sys/fs/cgroup/pids${path}; ${script}`));
      expect(view.collect().resources).toEqual({ pids: { limit: 9n } });
      return Number(text);
    });
    const seen = `/proc/${pid}/root/sys/fs/cgroup/pids${path}/pids.max`;
    expect(readFileSync(seen, "utf8")).toBe("9\n");
    expect(readlinkSync(`/proc/${pid}/ns/mnt`)).not.toBe(readlinkSync("/proc/self/ns/mnt"));
    expect(mountPoints()).toEqual(before);
    process.kill(pid, "SIGKILL");
  });

  it("says why a plugin cannot be executed", async () => {
    const link = join(folder, "nowhere");
    symlinkSync("/does/not/exist", link);
    const script = join(folder, "script");
    writeFileSync(script, "#!/no/interpreter\n", { mode: 0o755 });
    const busy = join(folder, "busy");
    copyFileSync("/bin/true", busy);
    chmodSync(busy, 0o755);
    const writer = openSync(busy, "r+");
    for (const [file, code] of [
      [link, "ENOENT"],
      [script, "ENOENT"],
      [folder, "EACCES"],
      [busy, "ETXTBSY"],
    ] as const) {
      await inView(async (view, run) => {
        const { exitCode, lines: stderr } = await run([file, []]);
        expect(exitCode).toBe(code === "ENOENT" ? 127 : 126);
        expect(view.startError(stderr)).toEqual({ code });
        // The same view serves another try.
        await run(sh("exit 126"));
        expect(view.startError([])).toBeUndefined();
      });
    }
    closeSync(writer);
  });

  it("says that a plugin did not get into it", async () => {
    await inView(async (view) => {
      const { args, ...command } = view.command(toInput({ path: "/bin/true", args: [] }));
      await runToEnd(spawner, { ...command, args: args.map((text) => (/mount$/.test(text) ? "/bin/false" : text)) });
      expect(view.startError([])?.detail).toMatch(/could not enter/);
    });
  });

  it("shows the container's cgroup of its process, and its own root", async () => {
    const container = spawn("sleep", ["60"], { stdio: "ignore" });
    onTestFinished(() => void container.kill("SIGKILL"));
    const pid = container.pid ?? 0;
    const script = sh("cat /proc/$1/cgroup; exec cat /proc/self/cgroup", `${pid}`);
    const { text, lines: stderr } = await inView((_, run) => run(script), { pid });
    expect(stderr).toEqual([]);
    const lines = text.trimEnd().split("\n");
    const own = lines.slice(lines.length / 2);
    expect(lines.slice(0, lines.length / 2)).toEqual(own.map((line) => `${line}${path.slice(1)}`));
    expect(lines).toContain(`2:cpu,cpuacct:${path}`);
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).not.toContain(path);
  });

  it("gives the plugin the whole of its stdin, and its end", async () => {
    const request = "x".repeat(299_999);
    const { text } = await inView((_, run) =>
      run(sh('read -r first; wc -c; echo "$' + '{#first}"'), `${request}\n\0\n`),
    );
    expect(text.trim().split(/\s+/)).toEqual(["2", "299999"]);
  });

  it("notices what came and went in a directory, although what was there is unwritten", async () => {
    const changes = await changesOf(`cd ${cgroup} && mv cpu.shares old && echo 300 >cpu.shares && rm tasks`);
    expect(changes.resources).toEqual({ cpu: { shares: 300n } });
    expect([...changes.errors, ...changes.lost]).toEqual([
      expect.stringMatching(/abc has no effect: the plugin removed this file/),
      expect.stringMatching(
        /old has no effect: the plugin made this path; the bridge captures only the container's own cgroup files/,
      ),
    ]);
  });

  it("takes all rules and lines, however they are written, and no change for none", async () => {
    const changes = await changesOf(
      `cd /sys/fs/cgroup/devices${path}; echo a >devices.deny; echo c 1:3 rwm >devices.allow; echo "c 5:*  r" >devices.allow
       cd /sys/fs/cgroup/blkio${path}; echo 500 >blkio.weight; printf '8:0 1048576\n8:16 0\n' >blkio.throttle.read_bps_device
       echo 8:0 100 >>blkio.throttle.write_iops_device; echo 0 >/sys/fs/cgroup/memory${path}/memory.failcnt
       echo 1024 >${cgroup}/cpu.shares; : >${cgroup}/cpu.cfs_quota_us`,
    );
    expect({ ...changes, exitCode: 0 }).toMatchObject({ errors: [], lost: [], files: [], stderr: [] });
    expect(changes.resources).toEqual({
      devices: [
        { allow: false, type: "a", access: "rwm" },
        { allow: true, type: "c", major: 1n, minor: 3n, access: "rwm" },
        { allow: true, type: "c", major: 5n, access: "r" },
      ],
      unified: { "io.max": "8:0 rbps=1048576 wiops=100\n8:16 rbps=max" },
    });
    const last = await changesOf(
      `cd /sys/fs/cgroup/devices${path}; echo b 8:0 r >devices.allow; sleep 0.02; echo b 8:0 rwm >devices.deny`,
    );
    expect(last.resources.devices?.map(({ allow }) => allow)).toEqual([true, false]);
    const none = await changesOf(`touch /sys/fs/cgroup/devices${path}/devices.allow`);
    expect([none.errors, none.lost]).toEqual([[], []]);
  });

  it("leaves nothing when the bridge is killed", async () => {
    // A bridge of its own: with a view in reserve and an open one.
    const bundle = join(folder, "view.mjs");
    const entryPoints = [resolve(import.meta.dirname, "../../src/cgroup/view.ts")];
    buildSync({ entryPoints, bundle: true, platform: "node", format: "esm", outfile: bundle, logLevel: "error" });
    const script = `
      import { Views } from ${JSON.stringify(bundle)};
      const machine = { cpus: [0], mems: [0], hugepages: [] };
      const views = new Views(machine);
      const view = await views.open({ cgroupsPath: "/a", place: {} });
      const other = await views.open({ cgroupsPath: "/b", place: {} });
      const keeperOf = (view) => /\\d+/.exec(view.command({ env: {}, args: [] }).args[0])[0];
      console.log(keeperOf(view), keeperOf(other));
      setInterval(() => {}, 1000);`;
    const bridge = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const keepers = await new Promise<string[]>((done) => {
      bridge.stdout.once("data", (chunk: Buffer) => done(chunk.toString().trim().split(" ")));
    });
    expect(keepers.map((pid) => existsSync(`/proc/${pid}/ns/mnt`))).toEqual([true, true]);
    bridge.kill("SIGKILL");
    // A zombie whose parent does not look has no namespace any more.
    expect(await until(() => !keepers.map(Number).some(isAlive))).toBe(true);
  });
});
