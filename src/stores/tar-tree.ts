/**
 * A directory that goes to an output as a tar archive (POSIX pax format), so that `tcp-recv --out - | tar -x` works. The
 * bytes are passed on as they come. Everything is verified at the end.
 */
import { type HeaderData, Header as TarHeader } from 'tar/header'
import { Pax } from 'tar/pax'
import type { Header } from '../protocol/messages.js'
import type { DirectoryItem, FileItem, SymlinkItem } from '../protocol/tree-messages.js'
import type { Sink, StoredAs, TreeFileSink, TreeSink } from './store.js'

/** The unit of an archive, in bytes. */
const BLOCK = 512

interface Facts {
  path: string
  type: 'File' | 'Directory' | 'SymbolicLink'
  mode: number | null
  mtime: number | null
  size?: number
  linkpath?: string
}

export class TarTree implements TreeSink {
  readonly isResumed = false
  readonly #output: Pick<Sink, 'writeLater' | 'commit'>
  readonly #header: Header
  /** The path of the current directory in the archive, with a slash at its end. */
  #prefix = ''
  /** True if a file has ended too early. What follows would be taken for the rest of that file. */
  #isBroken = false

  constructor(output: Pick<Sink, 'writeLater' | 'commit'>, header: Header) {
    this.#output = output
    this.#header = header
  }

  /** What was passed on is not there any more. */
  async *list(): AsyncGenerator<string> {}

  async adopt(): Promise<boolean> {
    return false
  }

  async open(path: string): Promise<number> {
    throw new Error(`${path} is not there`)
  }

  async drop(): Promise<void> {}

  /** Writes the entry of the directory itself. */
  async start(): Promise<this> {
    await this.enter(this.#header)
    return this
  }

  async enter({ name, mode, mtime }: DirectoryItem): Promise<void> {
    this.#prefix += `${name}/`
    await this.#write(entry({ path: this.#prefix, type: 'Directory', mode, mtime }))
  }

  async leave(): Promise<void> {
    this.#prefix = this.#prefix.replace(/[^/]*\/$/, '')
  }

  async symlink({ name, target, mtime }: SymlinkItem): Promise<void> {
    const path = this.#prefix + name
    await this.#write(entry({ path, type: 'SymbolicLink', mode: 0o777, mtime, linkpath: target }))
  }

  async file(item: FileItem, bytes: Buffer): Promise<void> {
    await this.#write(Buffer.concat([this.#fileEntry(item), bytes, padding(item.size)]))
  }

  async begin(item: FileItem): Promise<TreeFileSink> {
    await this.#write(this.#fileEntry(item))
    return {
      write: () => false,
      writeLater: (bytes) => this.#write(bytes),
      commit: () => this.#write(padding(item.size)),
      discard: async () => {
        this.#isBroken = true
      },
    }
  }

  #fileEntry({ name, mode, mtime, size }: FileItem): Buffer {
    return entry({ path: this.#prefix + name, type: 'File', mode, mtime, size })
  }

  async #write(bytes: Buffer): Promise<void> {
    if (bytes.length > 0 && !this.#isBroken) await this.#output.writeLater(bytes, 0)
  }

  /** An archive ends with two blocks of zeros. */
  async commit(): Promise<StoredAs> {
    await this.#write(Buffer.alloc(2 * BLOCK))
    return await this.#output.commit()
  }

  async keep(): Promise<null> {
    return null
  }

  /** Bytes that were passed on cannot be taken back. */
  async discard(): Promise<void> {}
}

/** The blocks that stand before the content of an entry. A pax header comes first if the old format has no room. */
function entry({ mode, mtime, ...facts }: Facts): Buffer {
  const data = {
    ...facts,
    size: facts.size ?? 0,
    mode: (mode ?? (facts.type === 'Directory' ? 0o755 : 0o644)) & 0o777,
    uid: 0,
    gid: 0,
    ...(mtime === null ? {} : { mtime: new Date(mtime) }),
  }
  // The old format has whole seconds.
  const seconds = mtime === null ? {} : { mtime: new Date(1000 * Math.floor(mtime / 1000)) }
  const [block, needsPax] = encode({ ...data, ...seconds })
  if (!needsPax && (mtime ?? 0) % 1000 === 0) return block
  const body = Buffer.from(new Pax(data).encodeBody())
  const [head] = encode({ path: 'PaxHeader', type: 'ExtendedHeader', size: body.length, mode: 0o644, ...seconds })
  return Buffer.concat([head, body, padding(body.length), block])
}

/** A header in the old format, and whether something had no room in it. */
function encode(data: HeaderData): [block: Buffer, needsPax: boolean] {
  const block = Buffer.alloc(BLOCK)
  const needsPax = new TarHeader(data).encode(block)
  return [block, needsPax]
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
}
