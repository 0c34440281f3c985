import type { core } from "zod/mini";
import * as z from "zod/mini";

// The schema of the bridge's configuration. The strict parser, the table of keys in docs/CONFIG.md and the types come from it. It
// uses zod/mini, since loading the whole zod library adds 20 ms to the bridge's start.

/** Adds to a schema its description for docs/CONFIG.md. */
function means<T extends z.ZodMiniType>(schema: T, description: string): T {
  return schema.check(z.describe(description));
}

function numberBetween(least: number, most: number) {
  return z.int().check(z.minimum(least), z.maximum(most));
}

/** A mapping in which a layer (a file, the flags) may leave out any key. */
function mapping<T extends core.$ZodLooseShape>(shape: T) {
  return z.partial(z.strictObject(shape));
}

function textLike(pattern: RegExp, expected: string) {
  return z.string().check(z.regex(pattern, { error: expected }));
}

const hourMs = 3_600_000;
const failurePolicy = z.enum(["fail", "ignore", "continue"]);
const stateName = z.enum(["create", "update", "delete"]);
const absolutePath = textLike(/^\//, "an absolute path");

const onFailure = mapping({
  create: means(
    failurePolicy,
    "a failed create: `fail` answers the error, `ignore` ends the chain and answers OK, `continue` runs the next plugin",
  ),
  update: means(failurePolicy, "the same for an update"),
  delete: means(failurePolicy, "the same for a delete; never more than logged"),
});

const limits = mapping({
  stdoutBytes: means(
    numberBetween(1024, 1 << 30),
    "a plugin that prints more bytes on stdout is killed, and has failed",
  ),
  stderrLinesPerRun: means(
    numberBetween(0, 1_000_000),
    "lines of stderr that reach the log; the bridge leaves out further ones",
  ),
});

/**
 * execve(2) accepts any bytes, but a program ends a variable at a NUL, and an "=" or a line break in a name can look like another
 * variable.
 */
const variableName = textLike(/^[^=\0\r\n]+$/, 'a name of a variable: not empty, without "=", NUL and line break');
const variableValue = textLike(/^[^\0]*$/, "text without NUL");

const environment = mapping({
  pass: means(
    z.union([z.literal("all"), z.array(variableName)]),
    "which of the bridge's own variables a plugin gets: `all`, or a list of names; never NRI_PLUGIN_*",
  ),
  set: means(z.record(variableName, variableValue), "further variables that a plugin gets"),
});

/**
 * The events for which a plugin's `events` setting can name a state. The bridge already sends a v0.1 state for the other events.
 */
export const extraEvents = z.enum([
  "PostCreateContainer",
  "PostStartContainer",
  "PostUpdateContainer",
  "RemoveContainer",
  "RemovePodSandbox",
  "UpdatePodSandbox",
  "PostUpdatePodSandbox",
]);

const results = mapping({
  annotate: means(z.boolean(), "copies a result's metadata to annotations `v01.<plugin>/<key>` of the container"),
  rename: means(
    z.record(z.string(), z.string()),
    "maps a metadata key of a result to an adjust key without its prefix, for plugins that stay as they are",
  ),
  keep: means(
    z.boolean(),
    "answers each later update with the resources that a plugin set at the create, so that no other change undoes them, not even a wanted resize",
  ),
});

/** The settings that one plugin type can have of its own; they win over the global ones. */
const perPlugin = {
  phase: means(
    z.enum(["start", "create"]),
    "when a plugin runs for the create of a container: `start`, when its process and cgroup exist; `create`, before the container exists, so that results can change it",
  ),
  cgroup: means(
    z.enum(["auto", "host", "capture"]),
    "what a plugin sees of cgroups: `host`, the node's; `capture`, a private cgroup v1 tree whose changes become the container's; `auto`, capture in phase create, host else",
  ),
  lostWrites: means(
    z.enum(["fail", "warn"]),
    "what follows when a plugin changes a file of a captured view, and neither NRI nor the container's cgroup can take the value: `fail`, the plugin failed; `warn`, a line in the log, as always for a sandbox's create and a delete",
  ),
  results: means(results, "how a result asks for changes of the container; see docs/RESULTS.md"),
  states: means(z.array(stateName).check(z.minLength(1)), "the states a plugin is run for; 1.6 never sent `update`"),
  onFailure: means(onFailure, "what a failure of a plugin costs"),
  timeoutMs: means(
    z.nullable(numberBetween(1, hourMs)),
    "limit of one plugin run in milliseconds; null: what is left of the call's deadline",
  ),
  exitStatus: means(z.enum(["ignore", "strict"]), "`strict`: an exit status other than 0 is a failure; 1.6 ignored it"),
  killChildren: means(z.boolean(), "end what a plugin left running after its normal end; under 1.6 it lived on"),
  limits: means(limits, "what one plugin run may print"),
  environment: means(environment, "the environment of a plugin"),
};

export const configSchema = z.strictObject({
  ...perPlugin,
  socketPath: means(absolutePath, "the runtime's NRI socket"),
  pluginName: means(textLike(/^[A-Za-z0-9_.+-]+$/, "letters, digits and _ . + -"), "the name to register under"),
  pluginIdx: means(textLike(/^[0-9]{2}$/, 'two digits in quotes, such as "10"'), "the order among NRI plugins"),
  confFile: means(absolutePath, "the v0.1 configuration that lists the legacy plugins"),
  pluginDirs: means(z.array(absolutePath).check(z.minLength(1)), "where legacy plugins are looked for"),
  lookup: means(z.enum(["plugin-dirs-first", "path-first"]), "`path-first`: v0.1's order, PATH before pluginDirs"),
  types: means(
    z.enum(["any", "plugin-dirs"]),
    "`plugin-dirs`: plugins are looked for in pluginDirs alone, not in PATH, and a type is a name without a slash",
  ),
  permissions: means(
    z.enum(["strict", "trust"]),
    "`strict`: run only what root, or the bridge's user, alone can write; `trust`: no check",
  ),
  request: means(
    z.enum(["strict", "superset"]),
    "`strict`: what containerd 1.6 would have sent, byte for byte; `superset`: all that NRI v2 has besides",
  ),
  annotations: means(
    mapping({
      pod: means(
        z.array(z.string()),
        "patterns of a pod's annotations that it and its containers show, as containerd's `pod_annotations`: needed where no bundle is, as in phase create",
      ),
      container: means(
        z.array(z.string()),
        "the same of a container's own annotations, as containerd's `container_annotations`",
      ),
      alias: means(z.enum(["auto", "never"]), "`auto`: on CRI-O, containerd's names (io.kubernetes.cri.*) as well"),
    }),
    "which annotations a legacy plugin sees",
  ),
  synchronize: means(
    z.enum(["adopt", "create", "ignore"]),
    "pods and containers that ran before the bridge registered: `adopt` counts them as created, `create` runs their create, `ignore` forgets them",
  ),
  replyMarginMs: means(
    numberBetween(0, hourMs),
    "the bridge answers this many ms before the call's deadline; at least 10 % of the call's time, at most a quarter",
  ),
  killAfterMs: means(numberBetween(0, hourMs), "milliseconds between SIGTERM and SIGKILL to a plugin's process group"),
  deleteTimeoutMs: means(
    numberBetween(1, hourMs),
    "limit of a delete's plugins together in milliseconds; the bridge answers its call in the runtime's time, and they run on",
  ),
  sandboxes: means(
    z.enum(["auto", "always", "never"]),
    "who runs plugins for pod sandboxes: `auto` leaves them to a containerd that runs v0.1 plugins for sandboxes itself (2.x) from the same conf.json",
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
    mapping({
      level: means(
        z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]),
        "the lowest level that is written",
      ),
      format: means(z.enum(["json", "text"]), "`text`: for people, one line each"),
      output: means(
        textLike(/^(auto|stderr|\/.*)$/, "auto, stderr or an absolute path"),
        "`auto`: stderr; where that is /dev/null (launched mode), the journal's socket, else a file",
      ),
    }),
    "the log",
  ),
  metrics: means(
    mapping({
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
    "Prometheus metrics",
  ),
  plugins: means(
    z.record(
      z.string(),
      mapping({
        ...perPlugin,
        async: means(
          z.boolean(),
          "`true` makes the plugin an observer: the bridge answers the event at once, and the plugin runs on, for timeoutMs or 10 s",
        ),
        startAhead: means(
          numberBetween(0, 16),
          "processes of the plugin that are started before they are needed and wait for their request; only for plugins that read it first: a new binary is watched for 2 s before one is used",
        ),
        breaker: means(
          z.nullable(
            z.strictObject({
              failures: means(numberBetween(1, 1000), "failures in a row that stop it from being run"),
              pauseMs: means(numberBetween(100, hourMs), "until it is tried again"),
            }),
          ),
          "for a plugin that keeps failing: after `failures` in a row, the bridge does not run it for `pauseMs`",
        ),
        events: means(
          z.partialRecord(extraEvents, z.string().check(z.minLength(1))),
          `further events that the plugin is run for, with the state that it is then given: ${extraEvents.options.join(", ")}. An error of UpdatePodSandbox blocks the in-place resize`,
        ),
      }),
    ),
    "settings per plugin type, over the global ones",
  ),
});

export const partialConfigSchema = z.partial(configSchema);

/** The settings of one layer (a file, the flags). */
export type PartialConfig = z.infer<typeof partialConfigSchema>;
export type StateName = z.infer<typeof stateName>;

type Settings = z.infer<typeof configSchema>;
type Full<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };
type Nested = "onFailure" | "limits" | "environment" | "annotations" | "results" | "log" | "metrics";

/** The merged settings: every key has a value. */
export type Config = Omit<Settings, Nested> & { readonly [K in Nested]: Full<Settings[K]> };

/** The defaults suit a node without changes: an empty file is a valid configuration. */
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
  annotations: { pod: [], container: [], alias: "auto" },
  phase: "start",
  cgroup: "auto",
  lostWrites: "fail",
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

/**
 * Every key, nested keys by their dotted path. `plugins`, which holds keys again, counts as one key. `state` takes a word or a
 * mapping.
 */
export const configPaths: readonly string[] = pathsOf(defaultConfig).flatMap((path) =>
  path === "state.directory" ? ["state", path] : [path],
);

function pathsOf(value: object): readonly string[] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    const nested = typeof inner === "object" && inner !== null && !Array.isArray(inner) ? pathsOf(inner) : [];
    return nested.length === 0 ? [name] : nested.map((path) => `${name}.${path}`);
  });
}
