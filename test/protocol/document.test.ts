/** The protocol document against the code: its limits, frames and fields are those that the code has. */
import t from 'tap'
import { SMALLEST_WINDOW } from '../../dist/links/window.js'
import { laneFrameTypes } from '../../dist/protocol/bundle-frames.js'
import { chunkLengths, MAX_CUT } from '../../dist/protocol/cut.js'
import * as limits from '../../dist/protocol/limits.js'
import {
  BUNDLE,
  DELTA,
  DIRECTORIES,
  type FrameName,
  frameTypes,
  KEPT,
  KEPT_DIRECTORIES,
  RESUME,
  RESUME_DIRECTORIES,
  resumeWays,
} from '../../dist/protocol/messages.js'
import { parsers } from '../../dist/protocol/parsers.js'
import { breach } from '../fixtures/fields.ts'
import { someDigest, someToken } from '../fixtures/literals.ts'
import {
  codeWords,
  describedFields,
  documentSection,
  documentTable,
  documentTableBelow,
} from '../fixtures/protocol-document.ts'

const number = (text = '') => Number(text.replace(/,|\s*(bytes|ms)$/g, ''))

t.test('lists the limits that the code has', async (t) => {
  const rows = Object.fromEntries(documentTable('limit', 'value').map(({ limit, value }) => [limit, number(value)]))
  t.strictSame(rows, {
    version: limits.VERSION,
    chunk: limits.CHUNK,
    'data payload': limits.MAX_DATA,
    'control payload': limits.MAX_CONTROL,
    'nesting of a control payload': limits.MAX_NESTING,
    'commas of a control payload': limits.MAX_COMMAS,
    message: limits.MAX_MESSAGE,
    segment: limits.SEGMENT,
    'digests in a frame': limits.MAX_DIGESTS,
    'lengths in a frame': limits.MAX_LENGTHS,
    'samples of a file': limits.MAX_SAMPLES,
    sample: limits.SAMPLE,
    'files in a frame of a list': limits.MAX_LISTED,
    'ranges in a frame': limits.MAX_RANGES,
    'ranges of a file': limits.MAX_ALL_RANGES,
    'connections of a bundle': limits.MAX_CONNECTIONS,
    'room before the first `K`': SMALLEST_WINDOW,
    'blocks that wait for others': limits.MAX_HELD,
    'smallest file that is kept': limits.SMALLEST_KEPT,
    'header deadline': limits.HEADER_DEADLINE,
    'heartbeat interval': limits.HEARTBEAT_INTERVAL,
    'frames to skip, at once': limits.IDLE_FRAMES,
    'frames to skip, per second': limits.IDLE_FRAMES_PER_SECOND,
  })
})

t.test('describes the first bytes and the frame as the code writes them', async (t) => {
  const bytes = documentSection('Bytes')
  t.strictSame(codeWords(bytes).slice(0, 2), [limits.SENDER_MAGIC, limits.RECEIVER_MAGIC])
  const beforePayload = documentTable('bytes', 'content').slice(0, -1)
  t.equal(
    beforePayload.reduce((sum, row) => sum + Number(row.bytes), 0),
    limits.FRAME_HEADER,
  )
  const figures = [...bytes.matchAll(/at most\s([\d,]+)/g)].map(([, figure]) => number(figure))
  t.strictSame(figures, [limits.MAX_DATA, limits.MAX_CONTROL])
})

/** The rows of a direction's table of frames. */
const directions = [
  { side: 'sender', rows: documentTableBelow('Frames of the sender') },
  { side: 'receiver', rows: documentTableBelow('Frames of the receiver') },
] as const
/** Those of a connection in a bundle. */
const laneRows = documentTableBelow('Several connections')

t.test('gives every frame the letter that the code gives it, and knows no other', async (t) => {
  const described = directions.flatMap(({ rows }) => rows.map(({ type = '', name = '' }) => [name, codeWords(type)[0]]))
  t.strictSame(Object.fromEntries(described), { ...frameTypes })
  const ofLanes = laneRows.map(({ type = '', name = '' }) => [name, codeWords(type)[0]])
  t.strictSame(Object.fromEntries(ofLanes), { ...laneFrameTypes })
})

/** A right value for every field that the document knows. */
const values: Record<string, unknown> = {
  ...{ version: 1, software: 'x', name: 'a', size: 0, type: 'text/plain', mtime: 0, mode: 0, '!kind': 'file' },
  ...{ transfer: someToken, id: 0, source: someToken, edition: someToken, resume: 'compare' },
  ...{
    digests: [someDigest],
    lengths: [1],
    samples: [someDigest],
    offset: 0,
    ranges: [0, 1],
    changed: true,
    items: ['1 2 a'],
    more: true,
    reused: true,
  },
  ...{
    bytes: 0,
    blake3: someDigest,
    sha256: someDigest,
    header: someDigest,
    digest: 'sha256',
    entry: 0,
    reason: 'name',
    message: 'no',
    entries: 0,
    features: ['a-1'],
    ...{ bundle: someToken, join: someToken, rtt: 7, connections: 4, blocks: 5, limit: 6 },
  },
}

for (const { side, rows } of [...directions, { side: 'lane', rows: laneRows }]) {
  for (const { name = '', fields: cell = '' } of rows) {
    if (name === 'data' || name === 'compressed') continue
    const fields = describedFields(cell)
    const parser = side === 'receiver' && name === 'greeting' ? 'receiverGreeting' : (name as keyof typeof parsers)
    const parse = (payload: object) => parsers[parser](Buffer.from(JSON.stringify(payload)))
    const whole = Object.fromEntries(fields.map((field) => [field.name, values[field.name]]))

    t.test(`describes the fields of a ${side}'s ${name} frame`, async (t) => {
      // On this side the mark is gone from what had to be understood and was.
      const understood = Object.fromEntries(Object.entries(whole).map(([key, value]) => [key.replace('!', ''), value]))
      t.strictSame(parse(whole), understood, 'the fields described are those that the code knows')
      for (const field of fields) {
        // It needs other fields (Going on).
        const { [field.name]: _, resume: _resume, ...without } = whole
        const absent = () => parse(without)
        if (field.isOptional) t.doesNotThrow(absent, `${field.name} may be absent`)
        else t.throws(absent, breach(/./), `${field.name} may not be absent`)
        const empty = () => parse({ ...without, [field.name]: null })
        if (field.isNullable) t.doesNotThrow(empty, `${field.name} may be null`)
        else t.throws(empty, breach(/./), `${field.name} may not be null`)
      }
    })
  }
}

t.test('says which frames only a sender or only a receiver has', async (t) => {
  const both = directions.map(({ rows }) => rows.map(({ name }) => name as FrameName))
  t.strictSame(
    both[0]?.filter((name) => both[1]?.includes(name)),
    ['greeting', 'bundle', 'heartbeat'],
  )
})

t.test('lists the features that the code has', async (t) => {
  const features = documentTable('feature', 'meaning').map(({ feature = '' }) => codeWords(feature)[0])
  t.strictSame(features, [
    ...[DIRECTORIES, KEPT_DIRECTORIES, RESUME, RESUME_DIRECTORIES, DELTA],
    ...[KEPT, 'zstd', 'brotli', BUNDLE],
  ])
})

t.test('lists the ways to ask, and says what a header needs for it', async (t) => {
  const ways = documentTable('`resume`').map((row) => codeWords(row['`resume`'] ?? '')[0])
  t.strictSame(ways, [...resumeWays])
  const parse = (fields: object) => () => parsers.header(Buffer.from(JSON.stringify(fields)))
  const file = { name: 'a', size: 5, source: someToken, edition: someToken }
  const [rule = ''] = documentTable('input').flatMap(({ input = '' }) =>
    input.includes('`resume` without') ? [input] : [],
  )
  t.strictSame(codeWords(rule).slice(2), ['source', 'edition', 'size', 'source'])
  for (const resume of ['offset', 'compare']) {
    const asking = { ...file, resume }
    t.doesNotThrow(parse(asking))
    t.doesNotThrow(parse({ ...asking, '!kind': 'file' }))
    for (const lack of [{ source: null }, { edition: null }, { size: null }, { '!kind': 'message' }]) {
      t.doesNotThrow(parse({ ...file, ...lack }))
      t.throws(parse({ ...asking, ...lack }), breach(/^the header frame has "resume", and lacks what that needs$/))
    }
  }
  const asking = { name: 'a', size: null, '!kind': 'directory', source: someToken, resume: 'list' }
  t.doesNotThrow(parse(asking))
  for (const lack of [{ source: null }, { '!kind': 'file' }, { '!kind': 'album' }, { resume: 'offset' }]) {
    t.throws(parse({ ...asking, ...lack }), breach(/^the header frame has "resume", and lacks what that needs$/))
  }
})

t.test('gives the numbers of what goes on', async (t) => {
  const text = documentSection('Going on')
  const figures = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, figure]) => number(figure))
  t.strictSame(figures(/segment\*\*\s+is ([\d,]+) bytes/g), [limits.SEGMENT])
  t.strictSame(figures(/up to ([\d,]+) in a\s+frame/g), [limits.MAX_DIGESTS])
  t.strictSame(figures(/at\s+most ([\d,]+) ranges/g), [limits.MAX_RANGES, limits.MAX_ALL_RANGES])
  const [usual, times, largest] = figures(
    /(?:usual\s+length\s+is|has\s+more\s+than|times\s+as\s+many\s+bytes,\s+up\s+to)\s+([\d,]+)/g,
  )
  t.strictSame([usual, largest], [chunkLengths(1).usual, chunkLengths(Number.MAX_SAFE_INTEGER).usual])
  t.equal(chunkLengths(Number(usual) * Number(times)).usual, usual)
  t.equal(chunkLengths(Number(usual) * Number(times) + 1).usual, 2 * Number(usual))
  t.equal(MAX_CUT, Number(times) * Number(largest))
  t.strictSame(figures(/at\s+least\s+([\d,]+) bytes/g), [limits.SMALLEST_KEPT])
})
