/** The golden transcripts: the decoders read them as the messages below, and the encoder writes those as their bytes. */
import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import t from 'tap'
import {
  BLOCK_HEAD,
  encodeLane,
  LaneDecoder,
  type LaneMessage,
  writeBlockHead,
} from '../../dist/protocol/bundle-frames.js'
import { ReceiverDecoder, SenderDecoder } from '../../dist/protocol/decoder.js'
import { encode, writeFrameHeader } from '../../dist/protocol/encode.js'
import {
  BUNDLE,
  DIRECTORIES,
  KEPT,
  KEPT_DIRECTORIES,
  RESUME,
  RESUME_DIRECTORIES,
  type ReceiverMessage,
  type SenderMessage,
} from '../../dist/protocol/messages.js'
import { TreeDecoder } from '../../dist/protocol/tree-decoder.js'
import { encodeTree, type TreeMessage } from '../../dist/protocol/tree-messages.js'
import { bytewise, decode } from '../fixtures/decode.ts'
import { hex } from '../fixtures/literals.ts'
import { digest, frame, sha256 } from '../fixtures/peer-frames.ts'
import { type Line, readTranscript, transcriptNames } from '../fixtures/transcript.ts'

const greeting = { frame: 'greeting', version: 1, software: 'tcp-send-recv' } as const
/** The receiver's. */
const answer = { ...greeting, features: [DIRECTORIES, KEPT_DIRECTORIES, RESUME, RESUME_DIRECTORIES, BUNDLE] }
const heartbeat = { frame: 'heartbeat' } as const
const text = { type: 'text/plain', mtime: 1_700_000_000_000, mode: 0o644 }

const header = (name: string, size: number | null, more: object = text) =>
  ({ frame: 'header', kind: 'file', name, size, ...more }) as SenderMessage & { frame: 'header' }
const data = (content: string): SenderMessage => ({ frame: 'data', bytes: Buffer.from(content) })
/** The end of an entry, with the digest of the header's JSON as it stands in the transcript. */
const end = (content: string, { frame: _, kind, ...fields }: SenderMessage & { frame: 'header' }): SenderMessage => ({
  frame: 'end',
  bytes: content.length,
  blake3: digest(content),
  header: digest(JSON.stringify(kind === 'file' ? fields : { ...fields, '!kind': kind })),
})
/** All that is said of a file that is sent in one piece. */
const entry = (head: SenderMessage & { frame: 'header' }, content: string): SenderMessage[] => [
  head,
  ...(content === '' ? [] : [data(content)]),
  end(content, head),
]
const finished = (entries: number): SenderMessage => ({ frame: 'finished', entries })
const stored = (entry: number, name: string, content: string): ReceiverMessage => ({
  frame: 'stored',
  entry,
  name,
  bytes: content.length,
  blake3: digest(content),
})
const refused = (entry: number | null, reason: string, message: string): ReceiverMessage => ({
  frame: 'refused',
  entry,
  reason,
  message,
})

const chunk = '0123456789abcde\n'.repeat(64)
const rest = 'the last chunk may be short\n'
/** What is in the directory of the transcript, and the header of the directory itself. */
const attributes = { mtime: text.mtime, mode: 0o644 }
const tree: TreeMessage[] = [
  { frame: 'file', name: 'a.txt', size: 6, ...attributes, blake3: digest('hello\n') },
  { frame: 'data', bytes: Buffer.from('hello\n') },
  { frame: 'end', blake3: digest('hello\n') },
  { frame: 'symlink', name: 'latest', target: 'sub/empty', mtime: text.mtime },
  { frame: 'directory', name: 'sub', mtime: text.mtime, mode: 0o755 },
  { frame: 'file', name: 'empty', size: 0, ...attributes, blake3: digest('') },
  { frame: 'end', blake3: digest('') },
  { frame: 'leave' },
]
const photos = header('photos', null, { kind: 'directory', type: 'inode/directory', mtime: text.mtime, mode: 0o755 })

/** The nested frames. A file whose header has the digest needs no end. */
const treeFrames = tree.flatMap((message) => {
  if (message.frame === 'end') return []
  if (message.frame === 'data') return [frame('D', message.bytes)]
  if (message.frame === 'ancillary') throw new Error('no peer sends such a frame')
  const { frame: name, ...fields } = message
  return [(encodeTree[name] as (fields: object) => Buffer)(fields)]
})
const treeBytes = Buffer.concat(treeFrames)
const treeDigest = digest(`${digest('hello\n')}  ./a.txt\n${digest('')}  ./sub/empty\n`)

const numbers = header('numbers.txt', null, { ...text, mtime: null, mode: null })

/** Of a file that goes on, each side greets with more. */
const named = { ...greeting, transfer: '7c9e6679f0a4c25b1d3e8f60a2b4c6d8' }
const keeping = { ...answer, features: [...answer.features.slice(0, -1), KEPT, BUNDLE] }
/** The file: as many whole chunks, and the rest. */
const longFile = (chunks: number) => chunk.repeat(chunks) + rest
const [resumedFile, damagedFile] = [longFile(1025), longFile(16 * 1024 + 1)]
const asking = (content: string, more: object) =>
  header('numbers.txt', content.length, {
    ...text,
    source: '0f1e2d3c4b5a69788796a5b4c3d2e1f0',
    edition: '00112233445566778899aabbccddeeff',
    ...more,
  })
const askingBytes = asking(resumedFile, { resume: 'offset' })
const askingDamaged = asking(damagedFile, { resume: 'offset' })
const comparing = asking(damagedFile, { id: 0, resume: 'compare' })
/** The receiver inflates, and a part of the file is compressed: so, by a version of Brotli. */
const inflating = { ...answer, features: [DIRECTORIES, 'brotli', ...answer.features.slice(1)] }
const packedFile = longFile(4)
const packed = hex(`
  8b ff 07 00 80 aa aa aa ea ff 2e b7 d3 b2 df 8e 2b 1c c0 c5 af 14 9b a2 0f 07 c0 99 90 48 2c 6a 1e 59 3d 7b 0f 37 ea
  01 80 01
`)
const piece: SenderMessage = { frame: 'compressed', compressor: 'brotli', length: 4096, bytes: packed }
const packedHeader = header('numbers.txt', packedFile.length)
const position = (offset: number): SenderMessage => ({ frame: 'position', offset })
const SEGMENT = 16_777_216

/** What each side says in each transcript. A side that does not get as far as a message is looked at by itself. */
const conversations: Record<string, { sender?: SenderMessage[]; receiver?: ReceiverMessage[] }> = {
  'one-small-file': {
    sender: [greeting, ...entry(header('hello.txt', 6), 'hello\n'), finished(1)],
    receiver: [answer, stored(0, 'hello.txt', 'hello\n')],
  },
  'second-refused': {
    sender: [greeting, ...entry(header('a.txt', 6), 'first\n'), ...entry(header('b.txt', 7), 'second\n'), finished(2)],
    receiver: [answer, stored(0, 'a.txt', 'first\n'), refused(1, 'exists', 'it has "b.txt" already')],
  },
  'aborted-entry': {
    sender: [
      greeting,
      header('app.log', 7),
      data('line 1\n'),
      { frame: 'abort', entry: 0, reason: 'changed', message: 'the file changed while it was sent' },
      ...entry(header('hello.txt', 6), 'hello\n'),
      finished(2),
    ],
    receiver: [answer, stored(1, 'hello.txt', 'hello\n')],
  },
  'standard-input': {
    sender: [greeting, numbers, data(chunk), heartbeat, data(rest), end(chunk + rest, numbers), finished(1)],
    receiver: [answer, heartbeat, stored(0, 'numbers.txt', chunk + rest)],
  },
  'empty-file': {
    sender: [greeting, ...entry(header('empty', 0, { ...text, type: 'application/octet-stream' }), ''), finished(1)],
    receiver: [answer, stored(0, 'empty', '')],
  },
  message: {
    sender: [
      greeting,
      ...entry(
        header('message', 17, { kind: 'message', type: 'text/plain', mtime: null, mode: null }),
        'build 17 is ready',
      ),
      finished(1),
    ],
    receiver: [answer, stored(0, '', 'build 17 is ready')],
  },
  directory: {
    sender: [
      greeting,
      photos,
      { frame: 'data', bytes: treeBytes },
      {
        frame: 'end',
        bytes: treeBytes.length,
        blake3: treeDigest,
        header: digest(Buffer.concat([write(photos).subarray(5), ...treeFrames.filter(([letter]) => letter !== 0x44)])),
      },
      finished(1),
    ],
    receiver: [answer, { frame: 'stored', entry: 0, name: 'photos', bytes: treeBytes.length, blake3: treeDigest }],
  },
  resumed: {
    sender: [
      named,
      askingBytes,
      position(1_048_576),
      data(resumedFile.slice(1_048_576)),
      end(resumedFile, askingBytes),
      finished(1),
    ],
    receiver: [
      keeping,
      { frame: 'wanted', entry: 0, ranges: [1_048_576, 1_049_628] },
      stored(0, 'numbers.txt', resumedFile),
    ],
  },
  damaged: {
    sender: [
      named,
      askingDamaged,
      position(SEGMENT + 1024),
      data(rest),
      end(damagedFile, askingDamaged),
      comparing,
      { frame: 'digests', digests: [digest(damagedFile.slice(0, SEGMENT)), digest(damagedFile.slice(SEGMENT))] },
      position(SEGMENT),
      data(damagedFile.slice(SEGMENT)),
      end(damagedFile, comparing),
      finished(2),
    ],
    receiver: [
      keeping,
      { frame: 'wanted', entry: 0, ranges: [SEGMENT + 1024, SEGMENT + 1052] },
      refused(0, 'damaged', 'what was kept of "numbers.txt" is damaged'),
      { frame: 'wanted', entry: 1, ranges: [SEGMENT, SEGMENT + 1052] },
      stored(1, 'numbers.txt', damagedFile),
    ],
  },
  compressed: {
    sender: [greeting, packedHeader, piece, data(rest), end(packedFile, packedHeader), finished(1)],
    receiver: [inflating, stored(0, 'numbers.txt', packedFile)],
  },
  sha256: {
    receiver: [answer, { ...stored(0, 'hello.txt', 'hello\n'), sha256: sha256('hello\n') } as ReceiverMessage],
  },
  'without-digest': {
    receiver: [
      answer,
      refused(
        0,
        'unverifiable',
        'the sender sent no digest that this side computes (BLAKE3, or SHA-256 announced in the greeting)',
      ),
    ],
  },
  'version-refused': {
    receiver: [
      { ...answer, features: [] },
      refused(null, 'version', 'the sender speaks version 2 of the protocol, this side version 1'),
    ],
  },
  extensions: {
    receiver: [
      answer,
      refused(0, 'field', 'the header frame needs the kind "album", which this side (version 1) does not know'),
      stored(1, 'hello.txt', 'hello\n'),
    ],
  },
  'magic-mismatch': {},
  bundle: {},
}

/** One message as the bytes that the encoder makes of it. */
function write(message: SenderMessage | ReceiverMessage): Buffer {
  if (message.frame === 'greeting') {
    if ('features' in message) return encode.receiverOpening(message.features)
    const { frame: _frame, version: _version, software: _software, ...names } = message
    return encode.senderOpening(names)
  }
  if (message.frame === 'heartbeat') return encode.heartbeat()
  if (message.frame === 'data') {
    const head = Buffer.alloc(5)
    writeFrameHeader(head, 'data', message.bytes.length)
    return Buffer.concat([head, message.bytes])
  }
  if (message.frame === 'ancillary') throw new Error('no peer sends such a frame')
  const { frame, ...fields } = message
  return (encode[frame] as (fields: object) => Buffer)(fields)
}

/** What reads a sender to which the receiver has named Brotli. */
function senderDecoder(): SenderDecoder {
  const decoder = new SenderDecoder()
  decoder.allow(['brotli'])
  return decoder
}

t.test('compressed: the piece holds the first chunks of the file', async (t) => {
  t.equal(brotliDecompressSync(packed).toString(), packedFile.slice(0, 4096))
})

t.test('there is a transcript for every conversation, and one of each is told of', async (t) => {
  t.strictSame(transcriptNames, Object.keys(conversations).sort())
  const contents = readFileSync(new URL('../../fixtures/transcripts/README.md', import.meta.url), 'utf8')
  t.strictSame([...contents.matchAll(/^\| \[(.+)\.hex\]\(\1\.hex\)/gm)].map(([, name]) => name).sort(), transcriptNames)
})

for (const [name, { sender, receiver }] of Object.entries(conversations)) {
  const transcript = readTranscript(name)

  if (sender) {
    t.test(`${name}: a receiver reads the sender's bytes as these messages`, async (t) => {
      t.strictSame(decode(senderDecoder(), [transcript.sender]), { messages: sender, error: null })
      t.strictSame(decode(senderDecoder(), bytewise(transcript.sender)), { messages: sender, error: null })
    })
    t.test(`${name}: a sender writes these messages as the transcript's bytes`, async (t) => {
      t.strictSame(Buffer.concat(sender.map((message) => write(message))), transcript.sender)
    })
  }
  if (receiver) {
    t.test(`${name}: a sender reads the receiver's bytes as these messages`, async (t) => {
      t.strictSame(decode(new ReceiverDecoder(), [transcript.receiver]), { messages: receiver, error: null })
      t.strictSame(decode(new ReceiverDecoder(), bytewise(transcript.receiver)), { messages: receiver, error: null })
    })
    t.test(`${name}: a receiver writes these messages as the transcript's bytes`, async (t) => {
      t.strictSame(Buffer.concat(receiver.map((message) => write(message))), transcript.receiver)
    })
  }

  t.test(`${name}: the comments say what the bytes are`, async (t) => {
    for (const line of transcript.turns.flatMap(({ lines }) => lines)) t.ok(isTrue(line), line.comment)
  })
}

t.test('without-digest: a receiver reads what was left out as not known', async (t) => {
  t.strictSame(decode(new SenderDecoder(), [readTranscript('without-digest').sender]), {
    messages: [
      { frame: 'greeting', version: 1 },
      header('hello.txt', 6, { type: 'application/octet-stream', mtime: null, mode: null }),
      data('hello\n'),
      { frame: 'end', bytes: 6, blake3: null },
      finished(1),
    ],
    error: null,
  })
})

t.test('sha256: a receiver reads which digest the sender computes, and what it covers', async (t) => {
  const head = '{"name":"hello.txt","size":6}'
  t.strictSame(decode(new SenderDecoder(), [readTranscript('sha256').sender]), {
    messages: [
      { frame: 'greeting', version: 1, digest: 'sha256' },
      header('hello.txt', 6, { type: 'application/octet-stream', mtime: null, mode: null }),
      data('hello\n'),
      { frame: 'end', bytes: 6, blake3: null, sha256: sha256('hello\n'), header: sha256(head) },
      finished(1),
    ],
    error: null,
  })
})

t.test('extensions: a receiver skips a lower-case frame, and knows which entry it must refuse', async (t) => {
  const album = { name: 'photos', size: 0, '!kind': 'album' }
  const { '!kind': _, ...others } = album
  const file = header('hello.txt', 6)
  t.strictSame(decode(new SenderDecoder(), [readTranscript('extensions').sender]), {
    messages: [
      greeting,
      {
        ...header('photos', 0, { ...others, type: 'application/octet-stream', mtime: null, mode: null }),
        unsupported: 'the header frame needs the kind "album", which this side (version 1) does not know',
      },
      { frame: 'end', bytes: 0, blake3: digest(''), header: digest(JSON.stringify(album)) },
      ...entry(file, 'hello\n'),
      finished(2),
    ],
    error: null,
  })
})

t.test('directory: the data of the entry are these frames, and are written as they stand there', async (t) => {
  const { messages } = decode(new SenderDecoder(), [readTranscript('directory').sender])
  const data = messages.find((message) => message.frame === 'data')
  for (const pieces of [[data?.bytes as Buffer], bytewise(data?.bytes as Buffer)]) {
    const decoder = new TreeDecoder()
    const { messages, error } = decode(decoder, pieces)
    t.strictSame({ messages: messages.map(withoutPayload), error }, { messages: tree, error: null })
    t.doesNotThrow(() => decoder.finish())
  }
})

/** Reads one direction of a connection that becomes one of a bundle: before that, and then. */
function readLane(decoder: SenderDecoder | ReceiverDecoder, bytes: Buffer) {
  const before: (SenderMessage | ReceiverMessage)[] = []
  for (const message of decoder.push(bytes)) {
    before.push(message)
    if (message.frame === 'bundle') break
  }
  const { messages: after, error } = decode(new LaneDecoder(), [decoder.takeRest()])
  t.equal(error, null)
  return { before, after }
}

/** One message of a connection in a bundle as bytes. */
function writeLane(message: LaneMessage): Buffer {
  if (message.frame === 'data') {
    const buffer = Buffer.concat([Buffer.alloc(BLOCK_HEAD), message.bytes])
    return buffer.subarray(writeBlockHead(buffer, message.offset, message.length))
  }
  const { frame, ...fields } = message
  return (encodeLane[frame as keyof typeof encodeLane] as (fields: object) => Buffer)(fields)
}

t.test('bundle: both sides read and write a conversation in blocks', async (t) => {
  const name = '5d2c1b0a99887766f0e1d2c3b4a59687'
  const conversation = conversations['one-small-file'] as { sender: SenderMessage[]; receiver: ReceiverMessage[] }
  const { sender, receiver } = readTranscript('bundle')
  const inner = { ...answer, features: answer.features.slice(0, -1) }
  const expected = [
    {
      bytes: sender,
      ...readLane(new SenderDecoder(), sender),
      opening: [
        { ...greeting, bundle: name },
        { frame: 'bundle', connections: 2 },
      ],
      frames: ['data', 'received', 'ended'],
      inside: new SenderDecoder(),
      said: conversation.sender,
    },
    {
      bytes: receiver,
      ...readLane(new ReceiverDecoder(), receiver),
      opening: [answer, { frame: 'bundle' }],
      frames: ['data', 'received', 'data', 'ended'],
      inside: new ReceiverDecoder(),
      said: [inner, ...conversation.receiver.slice(1)],
    },
  ]
  for (const { bytes, before, after, opening, frames, inside, said } of expected) {
    t.strictSame(before, opening)
    t.strictSame(
      after.map(({ frame }) => frame),
      frames,
    )
    const blocks = after.filter((message) => message.frame === 'data')
    const stream = Buffer.concat(blocks.map((block) => block.bytes))
    t.strictSame(decode<SenderMessage | ReceiverMessage>(inside, [stream]), { messages: said, error: null })
    t.strictSame(after.at(-1), { frame: 'ended', bytes: stream.length })
    t.strictSame(Buffer.concat([...before.map(write), ...after.map(writeLane)]), bytes)
  }
})

function withoutPayload({ payload: _, ...message }: TreeMessage & { payload?: Buffer }) {
  return message
}

t.test('version-refused: a receiver refuses the sender with the reason of the transcript', async (t) => {
  const { messages, error } = decode(new SenderDecoder(), [readTranscript('version-refused').sender])
  t.strictSame(messages, [])
  const reason = 'the sender speaks version 2 of the protocol, this side version 1'
  t.match(error, { reason: 'version', peerMessage: reason })
})

t.test('magic-mismatch: neither side takes the other for one of its kind', async (t) => {
  const { sender, receiver } = readTranscript('magic-mismatch')
  const { messages, error } = decode(new SenderDecoder(), [sender])
  t.strictSame(messages, [])
  t.match(error, {
    reason: 'magic',
    peerMessage: /^the other side is an HTTP client \(its first bytes are "GET \/ HT"\)$/,
  })
  t.match(receiver.toString(), /^This is tcp-recv,[ -~]+\n$/, 'the answer is one line of plain text')
  t.match(decode(new ReceiverDecoder(), [receiver]).error, { reason: 'magic' }, 'which nobody takes for a receiver')
})

/** A comment shows the line's bytes as text, or names the frame that the line begins, with its length. */
function isTrue({ bytes, comment }: Line): boolean {
  if (comment.startsWith('|')) return comment === `|${bytes.toString('latin1').replace(/[^ -~]/g, '.')}|`
  const [, letter, length] = /^([A-Za-z]) [a-z]+, (\d+) bytes$/.exec(comment) ?? []
  return bytes.length === 5 && bytes.toString('latin1', 0, 1) === letter && bytes.readUInt32BE(1) === Number(length)
}
