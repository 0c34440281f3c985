// Made by scripts/gen-readme.mjs from src/config/schema.ts; do not edit.
import type { ConfigKey } from "../config/keys.js";

export const generatedKeys: readonly ConfigKey[] = [
 {
  "path": "socketPath",
  "kind": "text",
  "choices": [],
  "nullable": false,
  "description": "the runtime's NRI socket",
  "defaultValue": "/var/run/nri/nri.sock"
 },
 {
  "path": "pluginName",
  "kind": "text",
  "choices": [],
  "nullable": false,
  "description": "the name to register under",
  "defaultValue": "v01-bridge"
 },
 {
  "path": "pluginIdx",
  "kind": "text",
  "choices": [],
  "nullable": false,
  "description": "the index to register under: the order among NRI plugins",
  "defaultValue": "10"
 },
 {
  "path": "confFile",
  "kind": "text",
  "choices": [],
  "nullable": false,
  "description": "the v0.1 configuration that lists the legacy plugins",
  "defaultValue": "/etc/nri/conf.json"
 },
 {
  "path": "pluginDirs",
  "kind": "list",
  "choices": [],
  "nullable": false,
  "description": "where legacy plugins are looked for",
  "defaultValue": [
   "/opt/nri/bin"
  ]
 },
 {
  "path": "lookup",
  "kind": "text",
  "choices": [
   "plugin-dirs-first",
   "path-first"
  ],
  "nullable": false,
  "description": "`path-first`: v0.1's exact order, PATH before the plugin directories",
  "defaultValue": "plugin-dirs-first"
 },
 {
  "path": "types",
  "kind": "text",
  "choices": [
   "any",
   "plugin-dirs"
  ],
  "nullable": false,
  "description": "`plugin-dirs`: no PATH, and no slash in a plugin's type",
  "defaultValue": "any"
 },
 {
  "path": "permissions",
  "kind": "text",
  "choices": [
   "strict",
   "trust"
  ],
  "nullable": false,
  "description": "`strict`: run only what root, or the bridge's user, alone can write; `trust`: do not look",
  "defaultValue": "strict"
 },
 {
  "path": "environment.pass",
  "kind": "list",
  "choices": [
   "all"
  ],
  "nullable": false,
  "description": "which of the bridge's own variables a plugin gets: `all`, or a list of names; never NRI_PLUGIN_*",
  "defaultValue": "all"
 },
 {
  "path": "environment.set",
  "kind": "mapping",
  "choices": [],
  "nullable": false,
  "description": "variables that a plugin gets besides",
  "defaultValue": {}
 },
 {
  "path": "request",
  "kind": "text",
  "choices": [
   "strict",
   "superset"
  ],
  "nullable": false,
  "description": "`strict`: what containerd 1.6 would have sent, byte for byte; `superset`: all that NRI v2 has besides",
  "defaultValue": "strict"
 },
 {
  "path": "annotations.oci",
  "kind": "list",
  "choices": [],
  "nullable": false,
  "description": "patterns of pod annotations that the runtime's pod_annotations let through; for when no bundle can be read",
  "defaultValue": []
 },
 {
  "path": "annotations.podToContainer",
  "kind": "switch",
  "choices": [],
  "nullable": false,
  "description": "containers get their pod's annotations too",
  "defaultValue": false
 },
 {
  "path": "annotations.alias",
  "kind": "text",
  "choices": [
   "auto",
   "never"
  ],
  "nullable": false,
  "description": "`auto`: on CRI-O, also containerd's names (io.kubernetes.cri.*) for the same facts",
  "defaultValue": "auto"
 },
 {
  "path": "phase",
  "kind": "text",
  "choices": [
   "start",
   "create"
  ],
  "nullable": false,
  "description": "when a container's create runs: `start`, with its process and cgroup there; `create`, before, so that results can change it",
  "defaultValue": "start"
 },
 {
  "path": "cgroup",
  "kind": "text",
  "choices": [
   "auto",
   "host",
   "capture"
  ],
  "nullable": false,
  "description": "what a plugin sees of cgroups: `host`, the node's; `capture`, a private cgroup v1 tree whose changes become the container's; `auto`, capture in phase create, host else",
  "defaultValue": "auto"
 },
 {
  "path": "results.annotate",
  "kind": "switch",
  "choices": [],
  "nullable": false,
  "description": "copies a result's metadata to annotations `v01.<plugin>/<key>` of the container",
  "defaultValue": false
 },
 {
  "path": "results.rename",
  "kind": "mapping",
  "choices": [],
  "nullable": false,
  "description": "metadata key to adjust key (without the prefix), for plugins that nobody will change",
  "defaultValue": {}
 },
 {
  "path": "states",
  "kind": "list",
  "choices": [],
  "nullable": false,
  "description": "which states a plugin is run for; containerd 1.6 never sent `update`",
  "defaultValue": [
   "create",
   "delete"
  ]
 },
 {
  "path": "exitStatus",
  "kind": "text",
  "choices": [
   "ignore",
   "strict"
  ],
  "nullable": false,
  "description": "`strict`: an exit status other than 0 is a failure; 1.6 ignored it",
  "defaultValue": "ignore"
 },
 {
  "path": "onFailure.create",
  "kind": "text",
  "choices": [
   "fail",
   "ignore",
   "continue"
  ],
  "nullable": false,
  "description": "a failed create: `fail` answers the error, `ignore` ends the chain and answers OK, `continue` runs the next plugin",
  "defaultValue": "fail"
 },
 {
  "path": "onFailure.update",
  "kind": "text",
  "choices": [
   "fail",
   "ignore",
   "continue"
  ],
  "nullable": false,
  "description": "the same for an update",
  "defaultValue": "fail"
 },
 {
  "path": "onFailure.delete",
  "kind": "text",
  "choices": [
   "fail",
   "ignore",
   "continue"
  ],
  "nullable": false,
  "description": "the same for a delete; never more than logged",
  "defaultValue": "ignore"
 },
 {
  "path": "synchronize",
  "kind": "text",
  "choices": [
   "adopt",
   "create",
   "ignore"
  ],
  "nullable": false,
  "description": "what is running at the first contact: `adopt` counts it as created, `create` sends a create, `ignore` forgets it",
  "defaultValue": "adopt"
 },
 {
  "path": "timeoutMs",
  "kind": "number",
  "choices": [],
  "nullable": true,
  "description": "limit of one plugin run in milliseconds; null: what is left of the call's deadline",
  "defaultValue": null
 },
 {
  "path": "replyMarginMs",
  "kind": "number",
  "choices": [],
  "nullable": false,
  "description": "the answer leaves so long before the call's deadline; at least 10 % of the call's time, at most a quarter",
  "defaultValue": 200
 },
 {
  "path": "killAfterMs",
  "kind": "number",
  "choices": [],
  "nullable": false,
  "description": "between SIGTERM and SIGKILL of a plugin's process group",
  "defaultValue": 100
 },
 {
  "path": "deleteTimeoutMs",
  "kind": "number",
  "choices": [],
  "nullable": false,
  "description": "limit of a delete's plugins together in milliseconds; its call is answered in the runtime's time, and they run on",
  "defaultValue": 10000
 },
 {
  "path": "killChildren",
  "kind": "switch",
  "choices": [],
  "nullable": false,
  "description": "end what a plugin left running after its normal end; under 1.6 it lived on",
  "defaultValue": false
 },
 {
  "path": "limits.stdoutBytes",
  "kind": "number",
  "choices": [],
  "nullable": false,
  "description": "a plugin that prints more is ended",
  "defaultValue": 4194304
 },
 {
  "path": "limits.stderrLinesPerRun",
  "kind": "number",
  "choices": [],
  "nullable": false,
  "description": "lines of stderr that reach the log; the rest is counted",
  "defaultValue": 200
 },
 {
  "path": "sandboxes",
  "kind": "text",
  "choices": [
   "auto",
   "always",
   "never"
  ],
  "nullable": false,
  "description": "who serves pod sandboxes: `auto` leaves them to a containerd that runs v0.1 plugins for sandboxes itself (2.x) from the same conf.json",
  "defaultValue": "auto"
 },
 {
  "path": "state",
  "kind": "text",
  "choices": [
   "memory"
  ],
  "nullable": false,
  "description": "`memory`: no journal; a crash of the bridge then loses what it remembers",
  "defaultValue": {
   "directory": "/var/lib/nri-v01-bridge"
  }
 },
 {
  "path": "state.directory",
  "kind": "text",
  "choices": [],
  "nullable": false,
  "description": "where the journal is kept, which makes sure that every create gets its delete; locked by one instance",
  "defaultValue": "/var/lib/nri-v01-bridge"
 },
 {
  "path": "log.level",
  "kind": "text",
  "choices": [
   "trace",
   "debug",
   "info",
   "warn",
   "error",
   "fatal",
   "silent"
  ],
  "nullable": false,
  "description": "the least level that is written",
  "defaultValue": "info"
 },
 {
  "path": "log.format",
  "kind": "text",
  "choices": [
   "json",
   "text"
  ],
  "nullable": false,
  "description": "`text`: for people, one line each",
  "defaultValue": "json"
 },
 {
  "path": "log.output",
  "kind": "text",
  "choices": [],
  "nullable": false,
  "description": "`auto`: stderr; where that is /dev/null (launched mode), the journal's socket, else a file",
  "defaultValue": "auto"
 },
 {
  "path": "metrics.listen",
  "kind": "text",
  "choices": [],
  "nullable": true,
  "description": "where metrics, /healthz and /readyz are served: `127.0.0.1:9464`, `unix:/path`, or null for nowhere",
  "defaultValue": null
 },
 {
  "path": "plugins",
  "kind": "mapping",
  "choices": [],
  "nullable": false,
  "description": "settings per plugin type, over the global ones",
  "defaultValue": {}
 }
];
