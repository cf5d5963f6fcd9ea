/** What is beside this source in the package. The single executable has it in itself (`scripts/executable/package.js`). */
import { createRequire } from 'node:module'

/** Loads a package that this one depends on. Throws if it is not there. */
export const packageRequire: (name: string) => unknown = createRequire(import.meta.url)

/** The version of this package. */
export function packageVersion(): string {
  // By its own name it is found from a bundle, too.
  return (packageRequire('tcp-send-recv/package.json') as { version: string }).version
}
