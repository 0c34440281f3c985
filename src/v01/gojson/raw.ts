/** A JSON value kept as the text that it will be written as: white space removed, `<` `>` `&` escaped as Go does. */
export type RawJson = string & { readonly rawJson: unique symbol };

/**
 * Marks a text as one that {@link compact} wrote. The one cast of the JSON code: a brand has no run-time form, and
 * nothing but `compact` calls this.
 */
export function brandRawJson(text: string): RawJson {
  return text as RawJson;
}
