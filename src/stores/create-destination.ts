/** Creates the destination for the path of a folder or for an output stream. */
import type { Writable } from 'node:stream'
import type { IfExists } from './final-name.js'
import { FolderDestination } from './folder-destination.js'
import { OutputDestination } from './output-store.js'
import type { Destination } from './store.js'

export function createDestination(out: string | Writable, ifExists: IfExists): Destination {
  return typeof out === 'string' ? new FolderDestination({ path: out, ifExists }) : new OutputDestination(out)
}
