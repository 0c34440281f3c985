import * as z from "zod/mini";
import type { ConfigKey } from "./keys.js";
import { configSchema, defaultConfig } from "./schema.js";

const jsonSchema = z.looseObject({
  type: z.optional(z.string()),
  enum: z.optional(z.array(z.string())),
  const: z.optional(z.string()),
  description: z.optional(z.string()),
  get properties() {
    return z.optional(z.record(z.string(), jsonSchema));
  },
  get anyOf() {
    return z.optional(z.array(jsonSchema));
  },
});
type JsonSchema = z.infer<typeof jsonSchema>;

/**
 * Every key of the schema, nested ones by their dotted path; `plugins`, which holds keys again, is one. `npm run gen`
 * writes them to src/gen/config-keys.ts: deriving them at each start would cost 25 ms.
 */
export function deriveKeys(): readonly ConfigKey[] {
  const schema = jsonSchema.parse(z.toJSONSchema(configSchema, { io: "input" }));
  return keysOf(schema, "", defaultConfig);
}

function keysOf(schema: JsonSchema, prefix: string, defaults: unknown): readonly ConfigKey[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const path = `${prefix}${name}`;
    const defaultValue: unknown =
      typeof defaults === "object" && defaults !== null ? Reflect.get(defaults, name) : undefined;
    const nested = (property.anyOf ?? [property]).find((form) => form.properties !== undefined);
    const inner = nested === undefined ? [] : keysOf(nested, `${path}.`, defaultValue);
    // A key that takes a word or a mapping is both: the word's own key, and those of the mapping.
    const own = nested === undefined || property.anyOf !== undefined;
    return own ? [toKey(path, property, defaultValue), ...inner] : inner;
  });
}

function toKey(path: string, schema: JsonSchema, defaultValue: unknown): ConfigKey {
  const forms = schema.anyOf ?? [schema];
  const form = forms.find(({ type, properties }) => type !== "null" && properties === undefined) ?? schema;
  return {
    path,
    kind: kindOf(forms.find(({ type }) => type === "array")?.type ?? form.type),
    choices: form.enum ?? forms.flatMap(({ const: word }) => word ?? []),
    nullable: forms.some(({ type }) => type === "null"),
    description: schema.description ?? "",
    defaultValue,
  };
}

function kindOf(type: string | undefined): ConfigKey["kind"] {
  if (type === "integer" || type === "number") return "number";
  if (type === "boolean") return "switch";
  if (type === "array") return "list";
  return type === "object" ? "mapping" : "text";
}
