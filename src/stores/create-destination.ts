/** Creates the destination for the path of a folder or for an output stream. */
import type { Writable } from 'node:stream'
import { FolderDestination, type FolderDestinationOptions } from './folder-destination.js'
import { OutputDestination } from './output-store.js'
import type { Destination } from './store.js'

export function createDestination(
  out: string | Writable,
  options: Omit<FolderDestinationOptions, 'path'>,
): Destination {
  return typeof out === 'string' ? new FolderDestination({ ...options, path: out }) : new OutputDestination(out)
}
