/** The corpus as cases: streams of bytes, and the grammar by which each is read. `fixtures/corpus/README.md` describes it. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export const grammars = ['sender', 'receiver', 'tree', 'lane'] as const

/** A sender's direction, a receiver's direction, the content of a directory, or a direction of a connection in a bundle. */
export type GrammarName = (typeof grammars)[number]

export interface Case {
  grammar: GrammarName
  bytes: Buffer
}

export interface CorpusCase extends Case {
  /** The file name without its extension. */
  name: string
}

export const corpusFolder = fileURLToPath(new URL('../../fixtures/corpus', import.meta.url))

export function readCorpus(): CorpusCase[] {
  return grammars.flatMap((grammar) => {
    const folder = `${corpusFolder}/${grammar}`
    const names = readdirSync(folder).sort()
    return names.map((name) => ({ ...readCase(`${folder}/${name}`), name: name.replace('.bin', '') }))
  })
}

/** A case in a file. The name of its folder is that of its grammar. */
export function readCase(path: string): Case {
  const grammar = grammars.find((name) => name === basename(dirname(path)))
  if (!grammar) throw new Error(`${path} is in no folder that is called ${grammars.join(', ')}`)
  return { grammar, bytes: readFileSync(path) }
}

/** A frame before it is bytes. */
export interface RawFrame {
  letter: number
  payload: Buffer
}

/** A stream in its parts. */
export interface Parts {
  grammar: GrammarName
  magic: Buffer
  frames: RawFrame[]
  /** What follows the last whole frame. */
  rest: Buffer
}

export function partsOf({ grammar, bytes }: Case): Parts {
  const hasMagic = grammar === 'sender' || grammar === 'receiver'
  const start = hasMagic ? Math.min(8, bytes.length) : 0
  const frames: RawFrame[] = []
  let at = start
  while (bytes.length - at >= 5) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    if (end > bytes.length) break
    frames.push({ letter: bytes.readUInt8(at), payload: bytes.subarray(at + 5, end) })
    at = end
  }
  return { grammar, magic: bytes.subarray(0, start), frames, rest: bytes.subarray(at) }
}

export function join({ magic, frames, rest }: Pick<Parts, 'magic' | 'frames' | 'rest'>): Buffer {
  const length = frames.reduce((sum, { payload }) => sum + 5 + payload.length, magic.length + rest.length)
  const bytes = Buffer.allocUnsafe(length)
  let at = magic.copy(bytes)
  for (const { letter, payload } of frames) {
    bytes[at] = letter
    bytes.writeUInt32BE(payload.length, at + 1)
    at += 5 + payload.copy(bytes, at + 5)
  }
  rest.copy(bytes, at)
  return bytes
}
