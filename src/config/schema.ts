import * as z from "zod/mini";

/**
 * The bridge's own settings, key by key. This schema is the one place: the strict reader, the table of keys in the README and
 * the types come from it. A key appears here when its feature does.
 *
 * By zod's mini form: the whole library costs 20 ms of the start.
 */

/** A value with what it means, as the README says it. */
function means<T extends z.ZodMiniType>(schema: T, description: string): T {
  return schema.check(z.describe(description));
}

function numberBetween(least: number, most: number) {
  return z.int().check(z.minimum(least), z.maximum(most));
}

function textLike(pattern: RegExp, expected: string) {
  return z.string().check(z.regex(pattern, { error: expected }));
}

const hourMs = 3_600_000;
const failurePolicy = z.enum(["fail", "ignore", "continue"]);
const stateName = z.enum(["create", "update", "delete"]);
const absolutePath = textLike(/^\//, "an absolute path");

const onFailure = z.strictObject({
  create: means(
    failurePolicy,
    "a failed create: `fail` answers the error, `ignore` ends the chain and answers OK, `continue` runs the next plugin",
  ),
  update: means(failurePolicy, "the same for an update"),
  delete: means(failurePolicy, "the same for a delete; never more than logged"),
});

const limits = z.strictObject({
  stdoutBytes: means(numberBetween(1024, 1 << 30), "a plugin that prints more is ended"),
  stderrLinesPerRun: means(numberBetween(0, 1_000_000), "lines of stderr that reach the log; the rest is counted"),
});

/** execve(2) takes any; who reads a NUL finds the end there, and an "=" or a line break another variable. */
const variableName = textLike(/^[^=\0\r\n]+$/, 'a name of a variable: not empty, without "=", NUL and line break');
const variableValue = textLike(/^[^\0]*$/, "text without NUL");

const environment = z.strictObject({
  pass: means(
    z.union([z.literal("all"), z.array(variableName)]),
    "which of the bridge's own variables a plugin gets: `all`, or a list of names; never NRI_PLUGIN_*",
  ),
  set: means(z.record(variableName, variableValue), "variables that a plugin gets besides"),
});

/** The events that can be given a state of their own; the others have theirs. */
const extraEvents = [
  "PostCreateContainer",
  "PostStartContainer",
  "PostUpdateContainer",
  "RemoveContainer",
  "RemovePodSandbox",
  "UpdatePodSandbox",
  "PostUpdatePodSandbox",
] as const;

const results = z.strictObject({
  annotate: means(z.boolean(), "copies a result's metadata to annotations `v01.<plugin>/<key>` of the container"),
  rename: means(
    z.record(z.string(), z.string()),
    "metadata key to adjust key (without the prefix), for plugins that nobody will change",
  ),
  keep: means(
    z.boolean(),
    "answers the resources that a plugin set at a create to each later update, so that no other change undoes them, a wanted resize included",
  ),
});

/** What can be set for one plugin type, over the global value. */
const perPlugin = {
  phase: means(
    z.enum(["start", "create"]),
    "when a container's create runs: `start`, with its process and cgroup there; `create`, before, so that results can change it",
  ),
  cgroup: means(
    z.enum(["auto", "host", "capture"]),
    "what a plugin sees of cgroups: `host`, the node's; `capture`, a private cgroup v1 tree whose changes become the container's; `auto`, capture in phase create, host else",
  ),
  results: means(z.partial(results), "how a result asks for changes of the container; see docs/RESULTS.md"),
  states: means(
    z.array(stateName).check(z.minLength(1)),
    "which states a plugin is run for; containerd 1.6 never sent `update`",
  ),
  onFailure: means(z.partial(onFailure), "what a failure of a plugin costs"),
  timeoutMs: means(
    z.nullable(numberBetween(1, hourMs)),
    "limit of one plugin run in milliseconds; null: what is left of the call's deadline",
  ),
  exitStatus: means(z.enum(["ignore", "strict"]), "`strict`: an exit status other than 0 is a failure; 1.6 ignored it"),
  killChildren: means(z.boolean(), "end what a plugin left running after its normal end; under 1.6 it lived on"),
  limits: means(z.partial(limits), "what one plugin run may print"),
  environment: means(z.partial(environment), "the environment of a plugin"),
};

export const configSchema = z.strictObject({
  socketPath: means(absolutePath, "the runtime's NRI socket"),
  pluginName: means(textLike(/^[A-Za-z0-9_.+-]+$/, "letters, digits and _ . + -"), "the name to register under"),
  pluginIdx: means(
    textLike(/^[0-9]{2}$/, 'two digits in quotes, such as "10"'),
    "the index to register under: the order among NRI plugins",
  ),
  confFile: means(absolutePath, "the v0.1 configuration that lists the legacy plugins"),
  pluginDirs: means(z.array(absolutePath).check(z.minLength(1)), "where legacy plugins are looked for"),
  lookup: means(
    z.enum(["plugin-dirs-first", "path-first"]),
    "`path-first`: v0.1's exact order, PATH before the plugin directories",
  ),
  types: means(z.enum(["any", "plugin-dirs"]), "`plugin-dirs`: no PATH, and no slash in a plugin's type"),
  permissions: means(
    z.enum(["strict", "trust"]),
    "`strict`: run only what root, or the bridge's user, alone can write; `trust`: do not look",
  ),
  environment: perPlugin.environment,
  request: means(
    z.enum(["strict", "superset"]),
    "`strict`: what containerd 1.6 would have sent, byte for byte; `superset`: all that NRI v2 has besides",
  ),
  annotations: means(
    z.partial(
      z.strictObject({
        oci: means(
          z.array(z.string()),
          "patterns of pod annotations that the runtime's pod_annotations let through; for when no bundle can be read",
        ),
        podToContainer: means(z.boolean(), "containers get their pod's annotations too"),
        alias: means(
          z.enum(["auto", "never"]),
          "`auto`: on CRI-O, also containerd's names (io.kubernetes.cri.*) for the same facts",
        ),
      }),
    ),
    "which annotations a legacy plugin sees",
  ),
  phase: perPlugin.phase,
  cgroup: perPlugin.cgroup,
  results: perPlugin.results,
  states: perPlugin.states,
  exitStatus: perPlugin.exitStatus,
  onFailure: perPlugin.onFailure,
  synchronize: means(
    z.enum(["adopt", "create", "ignore"]),
    "what is running at the first contact: `adopt` counts it as created, `create` sends a create, `ignore` forgets it",
  ),
  timeoutMs: perPlugin.timeoutMs,
  replyMarginMs: means(
    numberBetween(0, hourMs),
    "the answer leaves so long before the call's deadline; at least 10 % of the call's time, at most a quarter",
  ),
  killAfterMs: means(numberBetween(0, hourMs), "between SIGTERM and SIGKILL of a plugin's process group"),
  deleteTimeoutMs: means(
    numberBetween(1, hourMs),
    "limit of a delete's plugins together in milliseconds; its call is answered in the runtime's time, and they run on",
  ),
  killChildren: perPlugin.killChildren,
  limits: perPlugin.limits,
  sandboxes: means(
    z.enum(["auto", "always", "never"]),
    "who serves pod sandboxes: `auto` leaves them to a containerd that runs v0.1 plugins for sandboxes itself (2.x) from the same conf.json",
  ),
  state: means(
    z.union([
      z.literal("memory"),
      z.strictObject({
        directory: means(
          absolutePath.check(z.maxLength(80)),
          "where the journal is kept, which makes sure that every create gets its delete; locked by one instance",
        ),
      }),
    ]),
    "`memory`: no journal; a crash of the bridge then loses what it remembers",
  ),
  log: means(
    z.partial(
      z.strictObject({
        level: means(
          z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]),
          "the least level that is written",
        ),
        format: means(z.enum(["json", "text"]), "`text`: for people, one line each"),
        output: means(
          textLike(/^(auto|stderr|\/.*)$/, "auto, stderr or an absolute path"),
          "`auto`: stderr; where that is /dev/null (launched mode), the journal's socket, else a file",
        ),
      }),
    ),
    "the log",
  ),
  metrics: means(
    z.partial(
      z.strictObject({
        listen: means(
          z.nullable(
            textLike(
              /^(unix:\/.+|(127(\.\d{1,3}){3}|localhost|\[::1\]):\d{1,5})$/,
              "a loopback address with a port (127.0.0.1:9464), or unix:/path",
            ),
          ),
          "where metrics, /healthz and /readyz are served: `127.0.0.1:9464`, `unix:/path`, or null for nowhere",
        ),
      }),
    ),
    "Prometheus metrics",
  ),
  plugins: means(
    z.record(
      z.string(),
      z.partial(
        z.strictObject({
          ...perPlugin,
          async: means(
            z.boolean(),
            "an observer: the event is answered at once, and the plugin runs on for up to its timeoutMs (10 s)",
          ),
          startAhead: means(
            numberBetween(0, 16),
            "so many processes of the plugin are started before they are needed and wait for their request; only for plugins that read it first: a new binary is watched for 2 s before one is used",
          ),
          breaker: means(
            z.nullable(
              z.strictObject({
                failures: means(numberBetween(1, 1000), "so many failures in a row stop it from being run"),
                pauseMs: means(numberBetween(100, hourMs), "until it is tried again"),
              }),
            ),
            "leave a plugin alone that keeps failing",
          ),
          events: means(
            z.partialRecord(z.enum(extraEvents), z.string().check(z.minLength(1))),
            "further events that the plugin is run for, with the state that it is then given",
          ),
        }),
      ),
    ),
    "settings per plugin type, over the global ones",
  ),
});

export const partialConfigSchema = z.partial(configSchema);

/** What one layer (a file, the flags) may say. */
export type PartialConfig = z.infer<typeof partialConfigSchema>;

type Full<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };

/** The merged settings: every key has a value. */
export interface Config
  extends Omit<
    Full<z.infer<typeof configSchema>>,
    "onFailure" | "limits" | "environment" | "annotations" | "results" | "log" | "metrics"
  > {
  readonly onFailure: z.infer<typeof onFailure>;
  readonly limits: z.infer<typeof limits>;
  readonly environment: z.infer<typeof environment>;
  readonly annotations: Full<NonNullable<PartialConfig["annotations"]>>;
  readonly results: z.infer<typeof results>;
  readonly log: Full<NonNullable<PartialConfig["log"]>>;
  readonly metrics: Full<NonNullable<PartialConfig["metrics"]>>;
}

export type StateName = z.infer<typeof stateName>;

/** Right for a node as they are: an empty file is a valid configuration. */
export const defaultConfig: Config = {
  socketPath: "/var/run/nri/nri.sock",
  pluginName: "v01-bridge",
  pluginIdx: "10",
  confFile: "/etc/nri/conf.json",
  pluginDirs: ["/opt/nri/bin"],
  lookup: "plugin-dirs-first",
  types: "any",
  permissions: "strict",
  environment: { pass: "all", set: {} },
  request: "strict",
  annotations: { oci: [], podToContainer: false, alias: "auto" },
  phase: "start",
  cgroup: "auto",
  results: { annotate: false, rename: {}, keep: false },
  states: ["create", "delete"],
  exitStatus: "ignore",
  onFailure: { create: "fail", update: "fail", delete: "ignore" },
  synchronize: "adopt",
  timeoutMs: null,
  replyMarginMs: 200,
  killAfterMs: 100,
  deleteTimeoutMs: 10_000,
  killChildren: false,
  limits: { stdoutBytes: 4 * 1024 * 1024, stderrLinesPerRun: 200 },
  sandboxes: "auto",
  state: { directory: "/var/lib/nri-v01-bridge" },
  log: { level: "info", format: "json", output: "auto" },
  metrics: { listen: null },
  plugins: {},
};

/** Every key, nested ones by their dotted path; `plugins`, which holds keys again, is one. `state` takes a word or a mapping. */
export const configPaths: readonly string[] = pathsOf(defaultConfig).flatMap((path) =>
  path === "state.directory" ? ["state", path] : [path],
);

function pathsOf(value: object): readonly string[] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    const nested = typeof inner === "object" && inner !== null && !Array.isArray(inner) ? pathsOf(inner) : [];
    return nested.length === 0 ? [name] : nested.map((path) => `${name}.${path}`);
  });
}
