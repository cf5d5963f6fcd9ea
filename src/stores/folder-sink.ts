/**
 * One file on its way into a folder. It takes these steps, and the sender is told `stored` only after the last one:
 *
 *   staged (private file, exclusive) → written → [size and digest compared by the caller] → mode and time set
 *   → fsync of the file → final name by link or rename → fsync of the folder
 *
 * Before the file has its final name, a crash leaves only the staging folder. From then on, the file is complete and
 * its content durable.
 */
import { join } from 'node:path'
import type { Directory } from '../disk/directory.js'
import { disk } from '../disk/disk.js'
import { type LocalAction, localError, shown } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import type { Header } from '../protocol/messages.js'
import { describe } from '../system-errors.js'
import { printable } from '../text.js'
import { FinalName, type IfExists } from './final-name.js'
import type { KeptFile } from './kept-file.js'
import { ReplacedFile } from './replaced-file.js'
import type { StagedFile } from './staged-file.js'
import { STAGING } from './staging.js'
import type { Content, Sink, StoredAs } from './store.js'

export interface FolderSinkOptions {
  /** The folder, as the user named it. */
  path: string
  ifExists: IfExists
  /** The permission bits that new files must not have. */
  umask: number
}

export class FolderSink implements Sink {
  readonly #options: FolderSinkOptions
  readonly #root: Directory
  readonly #staged: StagedFile
  readonly #header: Header
  readonly #name: FinalName
  /** Null for a file that is not kept if it breaks off. */
  readonly #kept: KeptFile | null
  #isOver = false

  constructor(options: FolderSinkOptions, root: Directory, staged: StagedFile | KeptFile, header: Header) {
    this.#options = options
    this.#root = root
    this.#kept = 'staged' in staged ? staged : null
    this.#staged = 'staged' in staged ? staged.staged : staged
    this.#header = header
    this.#name = new FinalName(root, this.#staged, options.ifExists)
  }

  get have(): number {
    return this.#kept?.have ?? 0
  }

  get hasChanged(): boolean {
    return this.#kept?.hasChanged ?? false
  }

  async readAt(buffer: Buffer, position: number): Promise<number> {
    try {
      return await disk.read(this.#staged.fd, buffer, 0, buffer.length, position)
    } catch (error) {
      throw this.#localError('cannot read', error)
    }
  }

  async openReplaced(): Promise<ReplacedFile | null> {
    return this.#options.ifExists === 'overwrite' ? await ReplacedFile.open(this.#root, this.#header.name) : null
  }

  write(bytes: Buffer, offset: number): boolean {
    try {
      return this.#staged.write(bytes, offset)
    } catch (error) {
      throw this.#localError('cannot write', error)
    }
  }

  async writeLater(bytes: Buffer, offset: number): Promise<void> {
    await this.#staged.writeLater(bytes, offset).catch((error) => {
      throw this.#localError('cannot write', error)
    })
  }

  async commit(content?: Content): Promise<StoredAs> {
    try {
      await this.#staged.setAttributes(this.#mode(), this.#header.mtime)
      await this.#staged.sync()
      const given = await this.#name.give(this.#header.name, content)
      const { name } = given
      try {
        await Promise.all([this.#root.sync(), this.#name.unlinked])
      } catch (error) {
        // A crash might now undo the name, so nothing may rely on it.
        throw (await this.#name.takeBack(name)) ? error : this.#notDurable(name, error)
      }
      await (given.reused ? this.#staged.discard() : this.#staged.close())
      await this.#kept?.remove()
      return { ...given, path: join(await this.#root.whereabouts(this.#options.path), name) }
    } catch (error) {
      await this.discard()
      throw this.#localError('cannot store', error)
    }
  }

  async keep(): Promise<string | null> {
    const path = this.#isOver ? null : await this.#kept?.keep()
    if (!path) await this.discard()
    this.#isOver = true
    return path ? join(this.#options.path, STAGING, path) : null
  }

  async discard(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    await this.#name.unlinked
    await this.#staged.discard()
    await this.#kept?.remove()
  }

  #localError(action: LocalAction, error: unknown): TransferError {
    return localError(action, join(this.#options.path, this.#header.name), error)
  }

  #notDurable(name: string, error: unknown): TransferError {
    const what = this.#options.ifExists === 'overwrite' ? 'replaced by the new file' : 'stored'
    return notDurable(this.#options.path, name, what, error)
  }

  /** The sender's permission bits, less set-id, sticky and the bits of the umask. The owner may always read. */
  #mode(): number {
    return ((this.#header.mode ?? 0o666) & 0o777 & ~this.#options.umask) | 0o400
  }
}

/**
 * The error for a file or directory that keeps its name although an fsync has failed. Both sides must hear of the name,
 * not only of the failure.
 */
export function notDurable(out: string, name: string, what: string, error: unknown): TransferError {
  const why = `but a crash may undo that, because the folder cannot be fsynced: ${describe(error)}`
  const path = join(out, name)
  return new TransferError('local-file', `${shown(path)} is ${what}, ${why}`, {
    reason: localError('cannot store', path, error).reason,
    peerMessage: `"${printable(name, 80)}" is ${what} there, ${why}`,
    cause: error,
  })
}
