import { join } from "node:path";
import type { NodeFiles } from "../../../host/node-files.js";
import { isPluginIndex } from "../../../nri/identity.js";
import { type NriSettings, nriDefaults } from "./runtime-config.js";

/** A file in the directory of plugins that the runtime launches. */
export interface LaunchedFacts {
  readonly path: string;
  /** Of `NN-name`; undefined for one that is named otherwise. */
  readonly index: string | undefined;
  readonly executable: boolean;
  /** It starts a bridge. */
  readonly bridge: boolean;
  /** It starts the Go adapter for v0.1 plugins. */
  readonly adapter: boolean;
  /** Programs that it starts and that are not there, with only the system's default PATH. */
  readonly missingPrograms: readonly string[];
  readonly configFile: string | undefined;
}

/** Where execvp looks without a PATH (confstr(3), _CS_PATH): a runtime gives the plugins that it launches none. */
const pathlessDirs = ["/bin", "/usr/bin"] as const;

/** As much of a file as tells what it starts. */
const headBytes = 64 * 1024;

/** The files in the directory of plugins that the runtime launches. */
export function readLaunched(
  files: NodeFiles,
  nri: Pick<NriSettings, "pluginPath" | "pluginConfigPath"> = nriDefaults,
): readonly LaunchedFacts[] {
  return files.list(nri.pluginPath).flatMap((file) => {
    const path = join(nri.pluginPath, file);
    const stats = files.stat(path);
    if (stats?.isDirectory() === true) return [];
    const [, index, name] = /^([^-]*)-(.+)$/s.exec(file) ?? [];
    const isNamed = index !== undefined && isPluginIndex(index);
    const head = stats === undefined ? "" : (files.readBytes(path)?.subarray(0, headBytes).toString("latin1") ?? "");
    const configs = isNamed ? [`${file}.conf`, `${name}.conf`] : [`${file}.conf`];
    return [
      {
        path,
        index: isNamed ? index : undefined,
        // compat: NRI's discoverPlugins asks lstat, for which a link is always executable.
        executable: files.link(path) !== undefined || files.isExecutable(path),
        bridge: file.includes("v01-bridge") || head.includes("nri-v01-bridge"),
        adapter: file.includes("v010-adapter"),
        missingPrograms: stats === undefined ? [files.link(path) ?? path] : missingPrograms(files, head),
        configFile: configs
          .map((config) => join(nri.pluginConfigPath, config))
          .find((config) => files.stat(config) !== undefined),
      },
    ];
  });
}

/** What a script starts and cannot: its interpreter, and what it hands over to by `exec`. */
function missingPrograms(files: NodeFiles, script: string): readonly string[] {
  const [, interpreter, argument] = /^#![ \t]*(\S+)[ \t]*(?:-S[ \t]+)?(\S*)/.exec(script) ?? [];
  if (interpreter === undefined) return [];
  const missing: string[] = [];
  if (!files.isExecutable(interpreter)) missing.push(interpreter);
  if (interpreter.endsWith("/env") && argument !== undefined && argument !== "") {
    if (!isStartable(files, argument)) missing.push(argument);
  }
  for (const [, command = ""] of script.matchAll(/^[ \t]*exec[ \t]+(.+)$/gm)) {
    const words = command.split(/[ \t]+/).map((word) => word.replace(/^["']|["']$/g, ""));
    const program = words.find((word) => !word.includes("="));
    if (program !== undefined && /^[\w./-]+$/.test(program) && !isStartable(files, program)) missing.push(program);
    missing.push(...words.filter((word) => /^\/[\w./-]+\.(m?js|cjs)$/.test(word) && files.stat(word) === undefined));
  }
  return [...new Set(missing)];
}

function isStartable(files: NodeFiles, program: string): boolean {
  if (program.startsWith("/")) return files.isExecutable(program);
  return pathlessDirs.some((directory) => files.isExecutable(join(directory, program)));
}
