import type { LinuxResources } from "../../src/v01/resources.js";
import type { Request, Result } from "../../src/v01/types.js";

/** A request as this reader, which shares no code with the formatter, takes it apart. */
export interface ReadRequest {
  readonly request: Request;
  readonly results: readonly Result[];
  /** The text of `conf`. */
  readonly conf: string | undefined;
}

export function readRequest(text: string): ReadRequest {
  const fields = readJsonExactly(text);
  const { version, state, id, sandboxID = "", pid = 0n, spec, labels = {}, results = [] } = fields;
  const resources: LinuxResources | null = spec.resources;
  const { namespaces = {}, cgroupsPath = "", annotations = {} } = spec;
  return {
    request: {
      version,
      state,
      id,
      sandboxID,
      pid: Number(pid),
      spec: { resources, namespaces, cgroupsPath, annotations },
      labels,
    },
    results: results.map(({ metadata = {}, ...rest }) => ({ ...rest, metadata })),
    conf: "conf" in fields ? text.slice('{"conf":'.length, text.indexOf(',"version":')) : undefined,
  };
}

/** JSON with integers as bigint: each number outside of strings is made a string before JSON.parse sees it. */
function readJsonExactly(text: string) {
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : `{"$number":"${token}"}`,
  );
  return JSON.parse(marked, (_, value) => {
    const spelling = value?.$number;
    if (typeof spelling !== "string") return value;
    return /^-?\d+$/.test(spelling) ? BigInt(spelling) : Number(spelling);
  });
}
