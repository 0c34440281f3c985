import { z } from "zod";

/**
 * The bridge's own settings, key by key. This schema is the one place: the strict reader, the flags, the table of keys in
 * the README and the types come from it. A key appears here when its feature does.
 */

const milliseconds = z.int().min(0).max(3_600_000);
const failurePolicy = z.enum(["fail", "ignore", "continue"]);
const stateName = z.enum(["create", "update", "delete"]);
const absolutePath = z.string().regex(/^\//, { error: "an absolute path" });

const onFailure = z.strictObject({
  create: failurePolicy.describe(
    "a failed create: `fail` answers the error, `ignore` ends the chain and answers OK, `continue` runs the next plugin",
  ),
  update: failurePolicy.describe("the same for an update"),
  delete: failurePolicy.describe("the same for a delete; never more than logged"),
});

const limits = z.strictObject({
  stdoutBytes: z
    .int()
    .min(1024)
    .max(1 << 30)
    .describe("a plugin that prints more is ended"),
  stderrLinesPerRun: z.int().min(0).max(1_000_000).describe("lines of stderr that reach the log; the rest is counted"),
});

const environment = z.strictObject({
  pass: z
    .union([z.literal("all"), z.array(z.string())])
    .describe("which of the bridge's own variables a plugin gets: `all`, or a list of names; never NRI_PLUGIN_*"),
  set: z.record(z.string(), z.string()).describe("variables that a plugin gets besides"),
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
  annotate: z.boolean().describe("copies a result's metadata to annotations `v01.<plugin>/<key>` of the container"),
  rename: z
    .record(z.string(), z.string())
    .describe("metadata key to adjust key (without the prefix), for plugins that nobody will change"),
});

/** What can be set for one plugin type, over the global value. */
const perPlugin = {
  phase: z
    .enum(["start", "create"])
    .describe(
      "when a container's create runs: `start`, with its process and cgroup there; `create`, before, so that results can change it",
    ),
  results: results.partial().describe("how a result asks for changes of the container; see docs/RESULTS.md"),
  states: z.array(stateName).min(1).describe("which states a plugin is run for; containerd 1.6 never sent `update`"),
  onFailure: onFailure.partial().describe("what a failure of a plugin costs"),
  timeoutMs: milliseconds
    .min(1)
    .nullable()
    .describe("limit of one plugin run in milliseconds; null: what is left of the call's deadline"),
  exitStatus: z
    .enum(["ignore", "strict"])
    .describe("`strict`: an exit status other than 0 is a failure; 1.6 ignored it"),
  killChildren: z.boolean().describe("end what a plugin left running after its normal end; under 1.6 it lived on"),
  limits: limits.partial().describe("what one plugin run may print"),
  environment: environment.partial().describe("the environment of a plugin"),
};

export const configSchema = z.strictObject({
  socketPath: absolutePath.describe("the runtime's NRI socket"),
  pluginName: z
    .string()
    .regex(/^[A-Za-z0-9_.+-]+$/, { error: "letters, digits and _ . + -" })
    .describe("the name to register under"),
  pluginIdx: z
    .string()
    .regex(/^[0-9]{2}$/, { error: 'two digits in quotes, such as "10"' })
    .describe("the index to register under: the order among NRI plugins"),
  confFile: absolutePath.describe("the v0.1 configuration that lists the legacy plugins"),
  pluginDirs: z.array(absolutePath).min(1).describe("where legacy plugins are looked for"),
  lookup: z
    .enum(["plugin-dirs-first", "path-first"])
    .describe("`path-first`: v0.1's exact order, PATH before the plugin directories"),
  types: z.enum(["any", "plugin-dirs"]).describe("`plugin-dirs`: no PATH, and no slash in a plugin's type"),
  permissions: z
    .enum(["strict", "trust"])
    .describe("`strict`: run only what root, or the bridge's user, alone can write; `trust`: do not look"),
  environment: perPlugin.environment,
  request: z
    .enum(["strict", "superset"])
    .describe("`strict`: what containerd 1.6 would have sent, byte for byte; `superset`: all that NRI v2 has besides"),
  annotations: z
    .strictObject({
      oci: z
        .array(z.string())
        .describe(
          "patterns of pod annotations that the runtime's pod_annotations let through; for when no bundle can be read",
        ),
      podToContainer: z.boolean().describe("containers get their pod's annotations too"),
      alias: z
        .enum(["auto", "never"])
        .describe("`auto`: on CRI-O, also containerd's names (io.kubernetes.cri.*) for the same facts"),
    })
    .partial()
    .describe("which annotations a legacy plugin sees"),
  phase: perPlugin.phase,
  results: perPlugin.results,
  states: perPlugin.states,
  exitStatus: perPlugin.exitStatus,
  onFailure: perPlugin.onFailure,
  synchronize: z
    .enum(["adopt", "create", "ignore"])
    .describe(
      "what is running at the first contact: `adopt` counts it as created, `create` sends a create, `ignore` forgets it",
    ),
  timeoutMs: perPlugin.timeoutMs,
  replyMarginMs: milliseconds.describe(
    "the answer leaves so long before the call's deadline; at least 10 % of the call's time, at most a quarter",
  ),
  killAfterMs: milliseconds.describe("between SIGTERM and SIGKILL of a plugin's process group"),
  killChildren: perPlugin.killChildren,
  limits: perPlugin.limits,
  sandboxes: z
    .enum(["auto", "always", "never"])
    .describe(
      "who serves pod sandboxes: `auto` leaves them to a containerd that runs v0.1 plugins for sandboxes itself (2.x) from the same conf.json",
    ),
  state: z
    .union([
      z.literal("memory"),
      z.strictObject({
        directory: absolutePath
          .max(80)
          .describe(
            "where the journal is kept, which makes sure that every create gets its delete; locked by one instance",
          ),
      }),
    ])
    .describe("`memory`: no journal; a crash of the bridge then loses what it remembers"),
  log: z
    .strictObject({
      level: z
        .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
        .describe("the least level that is written"),
      format: z.enum(["json", "text"]).describe("`text`: for people, one line each"),
      output: z
        .string()
        .regex(/^(auto|stderr|\/.*)$/, { error: "auto, stderr or an absolute path" })
        .describe(
          "`auto`: stderr; where that is /dev/null (launched mode), the journal's or syslog's socket, else a file",
        ),
    })
    .partial()
    .describe("the log"),
  metrics: z
    .strictObject({
      listen: z
        .string()
        .regex(/^(unix:\/.+|(127(\.\d{1,3}){3}|localhost|\[::1\]):\d{1,5})$/, {
          error: "a loopback address with a port (127.0.0.1:9464), or unix:/path",
        })
        .nullable()
        .describe(
          "where metrics, /healthz and /readyz are served: `127.0.0.1:9464`, `unix:/path`, or null for nowhere",
        ),
    })
    .partial()
    .describe("Prometheus metrics"),
  plugins: z
    .record(
      z.string(),
      z
        .strictObject({
          ...perPlugin,
          async: z
            .boolean()
            .describe(
              "an observer: the event is answered at once, and the plugin runs on for up to its timeoutMs (10 s)",
            ),
          breaker: z
            .strictObject({
              failures: z.int().min(1).max(1000).describe("so many failures in a row stop it from being run"),
              pauseMs: milliseconds.min(100).describe("until it is tried again"),
            })
            .nullable()
            .describe("leave a plugin alone that keeps failing"),
          events: z
            .partialRecord(z.enum(extraEvents), z.string().min(1))
            .describe("further events that the plugin is run for, with the state that it is then given"),
        })
        .partial(),
    )
    .describe("settings per plugin type, over the global ones"),
});

export const partialConfigSchema = configSchema.partial();

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

export type FailurePolicy = z.infer<typeof failurePolicy>;
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
  results: { annotate: false, rename: {} },
  states: ["create", "delete"],
  exitStatus: "ignore",
  onFailure: { create: "fail", update: "fail", delete: "ignore" },
  synchronize: "adopt",
  timeoutMs: null,
  replyMarginMs: 200,
  killAfterMs: 100,
  killChildren: false,
  limits: { stdoutBytes: 4 * 1024 * 1024, stderrLinesPerRun: 200 },
  sandboxes: "auto",
  state: { directory: "/var/lib/nri-v01-bridge" },
  log: { level: "info", format: "json", output: "auto" },
  metrics: { listen: null },
  plugins: {},
};
