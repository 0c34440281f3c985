// What is generated is written, or, with --check, compared with what there is.
import { readFileSync, writeFileSync } from "node:fs";

/** @param path from the root of the repository */
export function writeOrCheck(path, text) {
  const file = new URL(`../${path}`, import.meta.url);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) {
    console.error(`${path} is not up to date: npm run gen`);
    process.exitCode = 1;
  }
}
