import { readFileSync } from "node:fs";
import protobuf from "protobufjs";

/** The schema as protobufjs reads it: the independent reader and writer that our own is compared with. */
export function loadSchema(): protobuf.Root {
  const text = readFileSync(new URL("../../../proto/nri.proto", import.meta.url), "utf8");
  const { root } = protobuf.parse(text, { keepCase: true });
  root.resolveAll();
  return root;
}

export function messageType(root: protobuf.Root, name: string): protobuf.Type {
  return root.lookupType(`nri.pkg.api.v1alpha1.${name}`);
}
