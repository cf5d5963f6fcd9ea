/**
 * One directory on its way into a folder. It grows as a whole in the staging folder:
 *
 *   staged (private) → every item in it → [digests compared by the caller] → times and modes set → everything durable
 *   → final name by one rename → fsync of the folder
 *
 * Before the rename, a crash leaves only the staging folder. From then on, the directory is complete and durable. If
 * the name is taken and `--if-exists` gives no backup names, the files are moved one by one instead (merge-tree.ts).
 */
import { join } from 'node:path'
import type { Directory } from '../disk/directory.js'
import { syncTree } from '../disk/sync-tree.js'
import type { Header } from '../protocol/messages.js'
import type { About } from './about.js'
import { FinalTreeName, storedInPart } from './final-tree-name.js'
import { notDurable } from './folder-sink.js'
import { KeptTree, There } from './kept-tree.js'
import { type FolderTreeOptions, type Level, StagedTree } from './staged-tree.js'
import { STAGING } from './staging.js'
import type { StoredAs, TreeSink } from './store.js'

/** The permissions that a directory must have to get its final name. */
const OWNER = 0o700

export class FolderTree extends StagedTree implements TreeSink {
  readonly #root: Directory
  readonly #staging: Directory
  #isOver = false

  private constructor(
    options: FolderTreeOptions,
    { root, staging }: { root: Directory; staging: Directory },
    header: Header,
    kept: KeptTree,
    there: There | null,
  ) {
    super(options, staging, header, kept, there)
    this.#root = root
    this.#staging = staging
  }

  static async begin(
    options: FolderTreeOptions,
    folders: { root: Directory; staging: Directory },
    header: Header,
  ): Promise<FolderTree> {
    const { name, source = '' } = header
    const about: About = { kind: 'directory', owner: options.owner, name, source, size: null, edition: '' }
    const kept = await KeptTree.open(folders.staging, about)
    try {
      return new FolderTree(options, folders, header, kept, kept.isResumed ? await There.of(kept.directory) : null)
    } catch (error) {
      await kept.directory.close()
      await kept.remove()
      throw error
    }
  }

  async commit(): Promise<StoredAs> {
    const { directory, attributes, there } = this.levels[0] as Level
    const mode = this.mode(attributes.mode ?? 0o777)
    const name = new FinalTreeName(this.#root, this.#staging, this.kept.staged, this.options.ifExists)
    try {
      await there?.clearRest()
      await directory.setAttributes(mode | OWNER, attributes.mtime)
      await syncTree(directory, this.files)
      const stored = await name.give(this.header.name)
      try {
        await this.#root.sync()
        // A directory without write permission cannot be moved to another folder.
        if ((mode & OWNER) !== OWNER && !name.isMerged) await directory.setAttributes(mode, attributes.mtime)
      } catch (error) {
        stored.skipped?.close()
        throw (await name.takeBack(stored.name)) ? error : notDurable(this.options.path, stored.name, 'stored', error)
      }
      // What was merged has left directories and skipped files behind.
      if (name.isMerged) await this.discard()
      else await this.#remove()
      await this.kept.forget()
      return { ...stored, path: join(await this.#root.whereabouts(this.options.path), stored.name) }
    } catch (error) {
      await this.discard()
      throw name.isMerged
        ? storedInPart(this.options.path, this.header.name, error)
        : this.localError('cannot store', error)
    }
  }

  async keep(): Promise<string | null> {
    if (this.#isOver) return null
    const path = await this.#keep().catch(() => null)
    await (path ? this.#close() : this.discard())
    return path && join(this.options.path, STAGING, path)
  }

  async #keep(): Promise<string | null> {
    if (this.hasLeftover || this.options.keepPartial === 0) return null
    // Only its owner may look into it. It need not be durable (kept-file.ts).
    await this.kept.directory.setAttributes(0o700, null)
    return await this.kept.keep(this.options.keepPartial)
  }

  async discard(): Promise<void> {
    if (!this.#isOver) await this.#remove()
  }

  async #remove(): Promise<void> {
    await this.#close()
    await this.kept.remove()
  }

  async #close(): Promise<void> {
    this.#isOver = true
    await this.kept.close()
    for (const { directory } of this.levels.splice(0)) await directory.close()
  }
}
