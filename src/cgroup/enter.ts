import { spawnSync } from "node:child_process";

import { cgroupRoot } from "./mountinfo.js";
import { findTool, toolEnvironment } from "./tools.js";

/** A process to start, as the legacy room's SpawnOptions have it. */
export interface Command {
  /** The executable, absolute. */
  readonly path: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A way into a view: a program that enters the namespace, puts its own /proc files in place and becomes the plugin. */
export interface Entrance {
  readonly name: "perl" | "shell";
  /** Whether the plugin gets argv[0] as it was asked for, and not its path. */
  readonly exactArgv0: boolean;
  /** `keeper`: the pid that holds the namespace; `pid`: the container's, whose /proc/<pid>/cgroup is shown too. */
  wrap(command: Command, keeper: number, pid?: number): Command;
}

const view = `${cgroupRoot}/.view`;

/**
 * Numbers of setns and mount by process.arch, from the kernel's syscall tables. There are more architectures; the shell
 * serves them.
 */
const syscalls: Readonly<Record<string, readonly [setns: number, mount: number]>> = {
  x64: [308, 165],
  arm64: [268, 40],
  riscv64: [268, 40],
  loong64: [268, 40],
  ppc64: [350, 21],
  s390x: [339, 21],
};

/**
 * The way by Perl: one start of a program, and three system calls. 0x20000 is CLONE_NEWNS, 4096 MS_BIND. An exec that fails
 * leaves its error number in the view; a file that is being written is tried again, as a run without a view does it.
 */
const perlScript = `
my ($setns, $mount, $keeper, $pid, $keep, $path, @command) = @ARGV;
sub fail { print STDERR "captured cgroup view: $_[0]: $!\\n"; exit 125 }
sub bind { syscall($mount + 0, my $from = "${view}/$_[0]", my $to = $_[1], 0, 4096, 0) == 0 }
open(my $ns, "<", "/proc/$keeper/ns/mnt") or fail("namespace");
syscall($setns + 0, fileno($ns), 0x20000) == 0 or fail("setns");
close($ns);
&bind("mountinfo", "/proc/$$/mountinfo") or fail("mountinfo");
&bind("cgroup", "/proc/$$/cgroup") or fail("cgroup");
&bind("container-cgroup", "/proc/$pid/cgroup") if $pid;
delete $ENV{PERL_BADLANG} unless $keep;
open(my $start, ">", "${view}/start") or fail("start");
for (1 .. 20) { exec { $path } @command; last if $! != 26; select(undef, undef, undef, 0.005) }
print $start $! + 0;
close($start);
exit 125;
`;

/**
 * The way by util-linux and a shell, for machines without Perl. nsenter has entered the namespace. mount runs once for all,
 * reading its table from the view. $$ is the plugin's pid, because exec keeps it.
 */
const shellScript = [
  `{ echo "${view}/mountinfo /proc/$$/mountinfo none bind 0 0"; echo "${view}/cgroup /proc/$$/cgroup none bind 0 0"; } >${view}/fstab`,
  `if [ -e "/proc/$1/cgroup" ]; then echo "${view}/container-cgroup /proc/$1/cgroup none bind,nofail 0 0" >>${view}/fstab; fi`,
  `PATH=${toolEnvironment.PATH} "$2" -n -a -T ${view}/fstab || exit 125`,
  `: >${view}/start || exit 125`,
  // What bash puts into the environment of what it becomes; its `_` and SHLVL cannot be kept out.
  "unset -v $3",
  "shift 3",
].join("\n");
/** Variables that a shell exports although it was not given them. */
const shellVariables = ["PWD", "OLDPWD"] as const;
const shellExec = 'path=$1; argv0=$2; shift 2; exec -a "$argv0" "$path" "$@"';
const plainExec = 'path=$1; shift 2; exec "$path" "$@"';

/** Ways into a view on this machine, the best one first. */
export function findEntrances(): Entrance[] {
  return [perlEntrance(), shellEntrance()].filter((entrance) => entrance !== undefined);
}

export function perlEntrance(): Entrance | undefined {
  const perl = findTool("perl");
  const numbers = syscalls[process.arch];
  if (perl === undefined || numbers === undefined) return undefined;
  const [setns, mount] = numbers;
  return {
    name: "perl",
    exactArgv0: true,
    wrap: ({ path, argv0, args, env }, keeper, pid) => ({
      path: perl,
      argv0: "perl",
      args: ["-e", perlScript, setns, mount, keeper, pid ?? 0, "PERL_BADLANG" in env ? 1 : 0, path, argv0, ...args].map(
        String,
      ),
      // Else Perl complains on the plugin's stderr of a locale that is not installed. The script takes it out again.
      env: "PERL_BADLANG" in env ? env : { ...env, PERL_BADLANG: "0" },
    }),
  };
}

export function shellEntrance(): Entrance | undefined {
  const nsenter = findTool("nsenter");
  const mount = findTool("mount");
  if (nsenter === undefined || mount === undefined) return undefined;
  const naming = ["/bin/sh", "/bin/bash", "/usr/bin/bash"].find(canNameItself);
  const shell = naming ?? "/bin/sh";
  const script = `${shellScript}\n${naming === undefined ? plainExec : shellExec}`;
  return {
    name: "shell",
    exactArgv0: naming !== undefined,
    wrap: ({ path, argv0, args, env }, keeper, pid) => ({
      path: nsenter,
      argv0: "nsenter",
      args: [`--mount=/proc/${keeper}/ns/mnt`, "--", shell, "-c", script, "sh", `${pid ?? ""}`, mount]
        .concat(shellVariables.filter((name) => !(name in env)).join(" "), path, argv0)
        .concat(args),
      env,
    }),
  };
}

/** bash, busybox and ksh take `exec -a`; dash does not. */
function canNameItself(shell: string): boolean {
  const probe = spawnSync(shell, ["-c", 'exec -a "$0" /bin/sh -c \'echo "$0"\'', "a name"], {
    env: toolEnvironment,
    encoding: "utf8",
    timeout: 5_000,
  });
  return probe.status === 0 && probe.stdout === "a name\n";
}
