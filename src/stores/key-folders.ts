/** A folder for each key: what comes with the key `alice` is stored in `alice`, below the folder that the user named. */
import { join } from 'node:path'
import { TransferError } from '../errors.js'
import { FolderDestination, type FolderDestinationOptions } from './folder-destination.js'
import type { Destination, Store } from './store.js'

export class KeyFolders {
  readonly #options: FolderDestinationOptions
  readonly #folders = new Map<string, KeyFolder>()

  constructor(options: FolderDestinationOptions) {
    this.#options = options
  }

  /** Throws a usage error unless every key has a name and `path` is a folder. */
  static below(
    { path, ...options }: Omit<FolderDestinationOptions, 'path'> & { path: unknown },
    names: readonly (string | null)[] = [null],
  ): KeyFolders {
    if (typeof path === 'string' && !names.includes(null)) return new KeyFolders({ path, ...options })
    throw new TransferError('usage', 'a folder for each key needs keys with names, and a folder to be in')
  }

  /** The folder for the key of that name. */
  of(name: string): Destination {
    let folder = this.#folders.get(name)
    if (!folder) {
      folder = new KeyFolder({ ...this.#options, path: join(this.#options.path, name) })
      this.#folders.set(name, folder)
    }
    return folder
  }

  /** Removes the temporary files of this receiver. Never throws. */
  async close(): Promise<void> {
    for (const folder of this.#folders.values()) await folder.close()
  }
}

/** A folder that is created when its first file comes, because a key may be added at any time. */
class KeyFolder extends FolderDestination {
  #preparing: Promise<unknown> | undefined

  /** What a receiver has left behind that was killed is kept by the preparation. */
  override async hasKept(owner: string): Promise<boolean> {
    if (await this.exists()) await this.#prepareOnce().catch(() => {})
    return await super.hasKept(owner)
  }

  override async open(signal: AbortSignal, owner: string): Promise<Store> {
    await this.#prepareOnce()
    return await super.open(signal, owner)
  }

  /** Once for all transfers: it removes what is staged under its name. */
  async #prepareOnce(): Promise<void> {
    // Nobody hears its warnings: the user has been warned about the folder above, which is on the same file system.
    this.#preparing ??= this.prepare().catch((error) => {
      this.#preparing = undefined
      throw error
    })
    await this.#preparing
  }
}
