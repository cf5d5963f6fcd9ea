/**
 * A folder to store in, from the start of a receiver to its end. It is created and checked before the first connection,
 * and left without temporary files.
 */
import { constants } from 'node:fs'
import { Blocking } from '../disk/blocking.js'
import { Directory } from '../disk/directory.js'
import { disk } from '../disk/disk.js'
import { localError, shown } from '../disk/local-error.js'
import { makeFolder } from '../disk/make-folder.js'
import type { IfExists } from './final-name.js'
import { FolderStore } from './folder-store.js'
import { hasKept, rescue } from './kept.js'
import { cleanKept } from './kept-list.js'
import { newReceiverId } from './receiver-id.js'
import { cleanStaging, openStaging, removeReceiver } from './staging.js'
import type { Destination, Store, Warning } from './store.js'

export interface FolderDestinationOptions {
  /** The folder, as the user named it. */
  path: string
  ifExists: IfExists
  /** How long what was not completed is kept, in milliseconds. 0 keeps nothing. */
  keepPartial: number
}

export class FolderDestination implements Destination {
  readonly hasNames = true
  readonly isOnce = false
  readonly isUsed = false
  readonly replaces: boolean
  readonly #options: FolderDestinationOptions
  /** Shared by all files, because they are on the same disk. */
  readonly #blocking = new Blocking()
  #receiverId = ''

  constructor(options: FolderDestinationOptions) {
    this.#options = options
    this.replaces = options.ifExists === 'overwrite'
  }

  /** Creates the folder if it is missing, cleans its staging folder, and checks that files can be staged. */
  async prepare(): Promise<Warning[]> {
    this.#receiverId = await newReceiverId()
    return await prepareFolder(this.#options, this.#receiverId)
  }

  /** True if the folder is there. Never throws. */
  async exists(): Promise<boolean> {
    return await inFolder(this.#options.path, async () => true).catch(() => false)
  }

  async hasKept(owner: string): Promise<boolean> {
    const { path, keepPartial } = this.#options
    return keepPartial > 0 && (await inFolder(path, (root) => hasKept(root, owner)).catch(() => false))
  }

  async open(_signal: AbortSignal, owner: string): Promise<Store> {
    const [receiverId, umask, blocking] = [this.#receiverId, process.umask(), this.#blocking]
    return await FolderStore.open({ ...this.#options, receiverId, umask, blocking, owner })
  }

  /** A folder that was not prepared, or was removed in the meantime, needs no cleaning. */
  async close(): Promise<void> {
    if (this.#receiverId === '') return
    await inFolder(this.#options.path, (root) => removeReceiver(root, this.#receiverId)).catch(() => {})
  }
}

/** Throws a local-file error if the receiver cannot stage files in the folder. Returns warnings for the user. */
export async function prepareFolder(
  { path, keepPartial }: Pick<FolderDestinationOptions, 'path' | 'keepPartial'>,
  receiverId: string,
): Promise<Warning[]> {
  await makeFolder(path)
  try {
    await disk.access(path, constants.W_OK | constants.X_OK)
    return await inFolder(path, async (root) => {
      await cleanStaging(root, (own) => rescue(own, keepPartial))
      await cleanKept(root, keepPartial)
      try {
        return await tryStaging(root, receiverId, path)
      } finally {
        await removeReceiver(root, receiverId)
      }
    })
  } catch (error) {
    throw localError('cannot store in', path, error)
  }
}

/** Creates the private staging folder. Warns if the file system gives other users access to it. */
async function tryStaging(root: Directory, receiverId: string, path: string): Promise<Warning[]> {
  const staging = await openStaging(root, receiverId, path)
  try {
    return (await staging.isOpenToOthers()) ? [noPermissions(path)] : []
  } finally {
    await staging.close()
  }
}

function noPermissions(path: string): Warning {
  const message =
    `the file system of ${shown(path)} keeps no permissions: ` +
    'other users of this machine may be able to read and change what is being received'
  return { reason: 'no-permissions', message }
}

async function inFolder<T>(path: string, work: (root: Directory) => Promise<T>): Promise<T> {
  const root = await Directory.open(path)
  try {
    return await work(root)
  } finally {
    await root.close()
  }
}
