/** What a fuzzing sender says, and what of it a receiver may store by the protocol document. */
import zlib from 'node:zlib'
import { compressors } from '../../dist/net/compress.js'
import type { CompressedPiece } from '../../dist/protocol/compressed.js'
import { backupName } from '../../dist/stores/backup-name.js'
import { compressedFrame, digest, entryFrames, frame, senderOpening, sha256 } from '../fixtures/peer-frames.ts'
import { referenceDecode } from '../fixtures/reference-decoder.ts'
import { referenceTree } from '../fixtures/reference-tree.ts'
import { directoryFrames, tree, treeDigest } from '../fixtures/tree-frames.ts'
import { type Parts, partsOf, readCorpus } from './corpus.ts'
import { mutate } from './mutate.ts'
import type { Random } from './random.ts'

const corpus = readCorpus()
const seedsOf = (grammar: string) => corpus.filter((one) => one.grammar === grammar).map(partsOf)
export const senderSeeds: readonly Parts[] = seedsOf('sender')
export const receiverSeeds: readonly Parts[] = seedsOf('receiver')

const names: readonly string[] = [
  ...[
    'a.txt',
    'b.bin',
    'c',
    'photos',
    'taken',
    'taken.txt',
    'link',
    'link-out',
    'folder',
    'ü.txt',
    '漢字',
    '😀',
    'a b',
  ],
  ...['..', '.', '', '../canary/x', '/tmp/x', 'a/b', 'a\\b', '.hidden', '.tcp-recv', '.TCP-RECV', '.tcp-recv/1', '...'],
  ...[
    '\u202egnp.exe',
    'a\nb',
    'a\u0000b',
    '\u001b[2J',
    'con',
    'nul.txt',
    '-rf',
    '--help',
    'x'.repeat(255),
    'x'.repeat(256),
  ],
  ...[
    'é'.repeat(127),
    `${'y'.repeat(250)}.txt`,
    'a.tar.gz',
    '__proto__',
    '\ud800',
    '\u2028',
    '\ufeff',
    '~',
    '*',
    'a_bak.txt',
  ],
]

function content(random: Random): Buffer {
  const length = random.pick([0, 1, 5, 100, 1023, 1024, 1025, 3000, 3000, 70_000, 1_100_000 * random.below(2)])
  return Buffer.alloc(length, `${random.next()} `)
}

/** The items of a directory, in any order, and perhaps with names that no directory may have. */
function items(random: Random, depth = 0): Buffer[] {
  const count = random.below(5)
  const chosen = Array.from({ length: count }, () =>
    random.once(3) ? random.pick(names) : `i${random.below(20)}`,
  ).sort()
  return chosen.flatMap((name) => {
    const kind = random.below(6)
    if (kind === 0) return [tree.link(name, random.pick([...names, 'i1', '../i2', '../../x', './i3/..']))]
    if (kind === 1 && depth < 6) return [tree.open(name, { mode: 0o755 }), ...items(random, depth + 1), tree.close()]
    const more = random.once(3) ? { mode: random.below(0o10000), mtime: random.next() * 1000 } : {}
    return [random.once(2) ? tree.file(name, content(random), more) : tree.streamed(name, content(random), more)]
  })
}

/** Two entries: the beginning of a file, which is given up, and the rest of it. `number` is that of the first one. */
function resumed(random: Random, name: string, number: number): Buffer[][] {
  const token = digest(`${random.next()}`).slice(0, 32)
  const file = Buffer.alloc(1_048_576 + random.below(3000), `${random.next()} `)
  const header = { name, size: file.length, source: token, edition: token }
  const half = 1024 * (1 + random.below(1024))
  const abort = frame('A', { entry: number, reason: random.pick(['interrupted', 'changed']), message: 'later' })
  const isCompared = random.once(2)
  const start = isCompared ? 0 : half
  const digests = isCompared ? [frame('V', { digests: [digest(file)] })] : []
  const rest = [file.subarray(start, 1_048_576), file.subarray(1_048_576)].filter(({ length }) => length > 0)
  return [
    [frame('H', header), frame('D', file.subarray(0, half)), abort],
    [
      frame('H', { ...header, resume: isCompared ? 'compare' : 'offset' }),
      ...digests,
      ...(start > 0 && start < file.length ? [frame('P', { offset: start })] : []),
      ...rest.map((piece) => frame('D', piece)),
      frame('E', { bytes: file.length, blake3: digest(file) }),
    ],
  ]
}

/** A whole conversation whose digests are right, though its names may not be. */
function made(random: Random): Buffer {
  const entries: Buffer[][] = []
  for (let count = random.few(5); count > 0; count--) {
    const name = random.pick(names)
    if (random.once(10)) entries.push(...resumed(random, name, entries.length))
    else entries.push(anyEntry(random, name))
  }
  const frames = random.once(3) ? entries.flat().map((one) => packed(one, random)) : entries.flat()
  return Buffer.concat([senderOpening, ...frames, frame('F', { entries: entries.length })])
}

/** The frame, or the same data compressed. */
function packed(one: Buffer, random: Random): Buffer {
  if (one[0] !== 0x44 || random.once(3)) return one
  const data = one.subarray(5)
  const params = { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 }
  return compressedFrame(zlib.brotliCompressSync(data, { params }), data.length)
}

type Inflate = (bytes: Buffer, options: object) => { buffer: Buffer; engine: { bytesWritten: number } }

/** The data of a compressed piece; null if it is damaged. */
function inflated({ compressor, length, bytes }: CompressedPiece): Buffer | null {
  const inflate = (zlib as unknown as Record<string, Inflate>)[`${compressor}DecompressSync`] as Inflate
  try {
    const { buffer, engine } = inflate(bytes, { maxOutputLength: length, info: true })
    return buffer.length === length && engine.bytesWritten === bytes.length ? buffer : null
  } catch {
    return null
  }
}

function anyEntry(random: Random, name: string): Buffer[] {
  if (random.once(5)) return directoryFrames(name, items(random))
  const more = random.pick([
    {},
    {},
    { '!kind': 'message' },
    { type: 'image/png' },
    { mode: 0o7777, mtime: 1e12 },
    { size: null },
  ])
  return entryFrames(name, content(random), more)
}

/** What one sender says. */
export function conversation(random: Random): Buffer {
  const valid = { grammar: 'sender' as const, bytes: made(random) }
  if (random.once(3)) return valid.bytes
  const parts = random.once(2) ? partsOf(valid) : random.pick(senderSeeds)
  return mutate(parts, random.pick(senderSeeds), random)
}

/** An entry that was sent whole. */
export interface Whole {
  number: number
  name: string
  kind: string
  /** Of the bytes as they were sent. */
  bytes: number
  blake3: string
  /** True if a digest was right and none was wrong. */
  isVerified: boolean
  content: Buffer
  /** The digest of each file in a directory, by its path. */
  files: ReadonlyMap<string, string>
}

/** All entries of a stream that a receiver may store. */
export function wholeEntries(stream: Buffer): Whole[] {
  const found: Whole[] = []
  const headers = partsOf({ grammar: 'sender', bytes: stream }).frames.filter(({ letter }) => letter === 0x48)
  let number = -1
  let current: { header: Record<string, unknown>; bytes: Buffer } | null = null
  let place = 0
  /** What came of a file that was given up, by what it is known by. */
  const kept = new Map<string, Buffer>()
  const keyOf = ({ name, size, source, edition }: Record<string, unknown>) => [name, size, source, edition].join('\0')
  let usesSha256 = false
  for (const message of referenceDecode('sender', stream, compressors).messages) {
    const fields = message as unknown as Record<string, unknown>
    if (message.frame === 'greeting') usesSha256 = fields.digest === 'sha256'
    if (message.frame === 'header') {
      const before = message.resume === undefined ? undefined : kept.get(keyOf(fields))
      current = { header: fields, bytes: before ?? Buffer.alloc(0) }
      place = 0
      number++
    }
    if (message.frame === 'position') place = message.offset
    if (message.frame === 'data' || message.frame === 'compressed') {
      const piece = message.frame === 'data' ? message.bytes : inflated(message)
      // It ends the connection.
      if (!piece || !current) break
      current.bytes = placed(current.bytes, piece, place)
      place += piece.length
    }
    if (message.frame === 'abort' && current) kept.set(keyOf(current.header), current.bytes)
    if (message.frame !== 'end' || !current) continue
    const { header, bytes } = current
    current = null
    const payload = headers[number]?.payload as Buffer
    const one = {
      number,
      name: header.name as string,
      kind: header.kind as string,
      bytes: bytes.length,
      content: bytes,
    }
    const isComplete = fields.bytes === bytes.length && (header.size === null || header.size === bytes.length)
    if (!isComplete || header.unsupported !== undefined) continue
    if (header.kind === 'directory') {
      const files = filesOf(bytes)
      const right = files && { blake3: treeDigest(bytes), header: headerDigest(payload, bytes) }
      if (!files || !right || fields.blake3 !== right.blake3 || fields.header !== right.header) continue
      found.push({ ...one, files, blake3: right.blake3, isVerified: true })
      continue
    }
    const right = { blake3: digest(bytes), sha256: sha256(bytes) }
    if (fields.blake3 !== null && fields.blake3 !== right.blake3) continue
    if (usesSha256 && fields.sha256 !== undefined && fields.sha256 !== right.sha256) continue
    const ofHeader = fields.blake3 === null ? sha256(payload) : digest(payload)
    if (fields.header !== undefined && fields.header !== ofHeader) continue
    const isVerified = fields.blake3 !== null || (usesSha256 && fields.sha256 !== undefined)
    found.push({ ...one, blake3: right.blake3, isVerified, files: new Map() })
  }
  return found
}

/** The same bytes with others at a place, and zeros where there are none. */
function placed(bytes: Buffer, piece: Buffer, place: number): Buffer {
  const all = Buffer.alloc(Math.max(bytes.length, place + piece.length))
  bytes.copy(all)
  piece.copy(all, place)
  return all
}

function headerDigest(payload: Buffer, data: Buffer): string {
  const parts = partsOf({ grammar: 'tree', bytes: data })
  const frames = parts.frames.filter(({ letter }) => letter !== 0x44 && letter < 0x61)
  return digest(Buffer.concat([payload, ...frames.map((one) => frame(String.fromCharCode(one.letter), one.payload))]))
}

/** The files of a directory; null if it breaks the rules. */
function filesOf(data: Buffer): Map<string, string> | null {
  const { messages, reason, isWhole } = referenceTree(data)
  if (reason !== null || !isWhole) return null
  const files = new Map<string, string>()
  const path: string[] = []
  let pieces: Buffer[] = []
  for (const message of messages) {
    if (message.frame === 'directory') path.push(message.name)
    if (message.frame === 'leave') path.pop()
    if (message.frame === 'file') path.push(message.name)
    if (message.frame === 'file') pieces = []
    if (message.frame === 'data') pieces.push(message.bytes)
    if (message.frame !== 'end') continue
    const blake3 = digest(Buffer.concat(pieces))
    if (blake3 !== message.blake3) return null
    files.set(path.join('/'), blake3)
    path.pop()
  }
  return files
}

/** True if a receiver may store something that was offered as `name` under the name `final`. */
export function mayBecome(name: string, final: string): boolean {
  if (name === final) return true
  return Array.from({ length: 60 }, (_, number) => backupName(name, number + 1)).includes(final)
}
