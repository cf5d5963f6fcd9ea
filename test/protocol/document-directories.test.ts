/** What the protocol document says of directories against the code: its frames, fields, states, and what is refused. */
import t, { type Test } from 'tap'
import { defaults } from '../../dist/defaults.js'
import { CHUNK } from '../../dist/protocol/limits.js'
import { DIRECTORIES, entryKinds, KEPT_DIRECTORIES } from '../../dist/protocol/messages.js'
import { MAX_NAME, MAX_PATH, MAX_TARGET } from '../../dist/protocol/names.js'
import { TreeDecoder } from '../../dist/protocol/tree-decoder.js'
import { parseTree, treeFrameTypes } from '../../dist/protocol/tree-messages.js'
import { decode } from '../fixtures/decode.ts'
import { startReceiver } from '../fixtures/ends.ts'
import { breach } from '../fixtures/fields.ts'
import { treeOf } from '../fixtures/folder.ts'
import { brokenDirectory, HostileSender } from '../fixtures/hostile-directory.ts'
import { someDigest } from '../fixtures/literals.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest, frame, senderOpening } from '../fixtures/peer-frames.ts'
import {
  codeWords,
  describedFields,
  documentSection,
  documentTable,
  documentTableBelow,
} from '../fixtures/protocol-document.ts'
import { directoryFrames, tree } from '../fixtures/tree-frames.ts'

t.test('names the feature and the kinds of entries that the code has', async (t) => {
  const features = documentTable('feature', 'meaning').map(({ feature = '' }) => codeWords(feature)[0])
  t.strictSame(features.slice(0, 2), [DIRECTORIES, KEPT_DIRECTORIES])
  const kinds = /`!kind` is the kind of the entry: (.*?)\./.exec(documentSection('Frames of the sender'))?.[1]
  t.strictSame(codeWords(kinds ?? '').sort(), entryKinds.toSorted())
})

const rows = documentTableBelow('Directories')

t.test('gives every nested frame the letter that the code gives it, and knows no other', async (t) => {
  const described = rows.map(({ type = '', name = '' }) => [name, codeWords(type)[0]])
  t.strictSame(Object.fromEntries(described), { ...treeFrameTypes })
})

/** A right value for every field that the document knows. */
const values: Record<string, unknown> = {
  name: 'a',
  target: 'b',
  size: 0,
  mtime: 0,
  mode: 0,
  blake3: someDigest,
  digests: [someDigest],
}

for (const { name = '', fields: cell = '' } of rows) {
  if (name === 'data') continue
  t.test(`describes the fields of a ${name} frame in a directory`, async (t) => {
    const fields = describedFields(cell)
    const parse = (payload: object) => parseTree[name as keyof typeof parseTree](Buffer.from(JSON.stringify(payload)))
    const whole = Object.fromEntries(fields.map((field) => [field.name, values[field.name]]))
    t.strictSame(parse(whole), whole, 'the fields described are those that the code knows')
    for (const field of fields) {
      const { [field.name]: _, ...without } = whole
      if (field.isOptional) t.doesNotThrow(() => parse(without), `${field.name} may be absent`)
      else t.throws(() => parse(without), breach(/./), `${field.name} may not be absent`)
      const empty = () => parse({ ...whole, [field.name]: null })
      if (field.isNullable) t.doesNotThrow(empty, `${field.name} may be null`)
      else t.throws(empty, breach(/./), `${field.name} may not be null`)
    }
  })
}

const states = documentTable('nested state', 'allowed', 'next state')

/** How the content of a directory comes into each state. */
const ways: Record<string, Buffer> = {
  between: tree.open('a'),
  file: Buffer.concat([tree.open('a'), frame('H', { name: 'a', size: 3000 }), frame('D', Buffer.alloc(2000))]),
}

/** A frame of every type with nothing wrong in it but perhaps its place. */
const forms: Record<string, Buffer> = {
  O: tree.open('b'),
  C: tree.close(),
  L: tree.link('b', 'c'),
  H: frame('H', { name: 'b', size: 2000 }),
  D: frame('D', Buffer.alloc(1000)),
  E: frame('E', { blake3: someDigest }),
  A: frame('A', {}),
  K: frame('K', { name: 'b', size: 2 }),
  V: frame('V', { digests: [someDigest] }),
  'a–z': Buffer.concat([...'abcdefghijklmnopqrstuvwxyz'].map((letter) => frame(letter, { later: 1 }))),
}

const formsOf = (cell: string) => {
  const named = cell.includes('`a`–`z`') ? ['a–z'] : []
  return Object.keys(forms).filter((form) => [...codeWords(cell), ...named].includes(form))
}

/** The forms that may come after these bytes. An end is tried behind the last byte of the file. */
function takenAfter(said: Buffer): string[] {
  const rest = (form: string) => (form === 'E' ? [forms.D as Buffer] : [])
  const isTaken = ([form, bytes]: [string, Buffer]) =>
    decode(new TreeDecoder(), [said, ...rest(form), bytes]).error === null
  return Object.entries(forms)
    .filter(isTaken)
    .map(([form]) => form)
}

t.test('says what may come in each state of a directory, and what state follows', async (t) => {
  t.strictSame(
    states.map((row) => row['nested state']),
    Object.keys(ways),
  )
  for (const row of states) {
    const said = ways[row['nested state'] as string] as Buffer
    t.strictSame(takenAfter(said), formsOf(row.allowed?.split(';')[0] ?? ''), `in the state ${row['nested state']}`)
    for (const form of takenAfter(said)) {
      const clauses = (row['next state'] ?? '').split('; ')
      const clause = clauses.find((one) => formsOf(one).includes(form)) ?? clauses.at(-1) ?? ''
      const before = form === 'E' ? [forms.D as Buffer] : []
      const decoder = new TreeDecoder()
      decode(decoder, [said, ...before, forms[form] as Buffer])
      const isBetween = decode(decoder, [tree.link('z', 'x')]).error === null
      t.equal(isBetween ? 'between' : 'file', clause.split(' ').at(-1), `after ${form}`)
    }
  }
})

t.test('lets a file whose header has the digest end with its last byte', async (t) => {
  const isBetween = (...frames: Buffer[]) => decode(new TreeDecoder(), [...frames, tree.link('z', 'x')]).error === null
  const header = (size: number) => frame('H', { name: 'a', size, blake3: someDigest })
  t.ok(isBetween(header(0)))
  t.ok(isBetween(header(2), frame('D', Buffer.alloc(2))))
  t.notOk(isBetween(header(2)))
  t.ok(isBetween(header(2), frame('A', {})))
  t.notOk(isBetween(header(2), frame('E', { blake3: someDigest })))
})

const whole = [tree.file('a', 'x'), tree.streamed('b', 'y')]
const deep = (depth: number) => [
  ...Array.from({ length: depth }, () => tree.open('d')),
  ...Array.from({ length: depth }, () => tree.close()),
]
const unfinished = frame('H', { name: 'a', size: 3000 })

/** Entries for each row of the table of refusals, in its order. */
const refused: Buffer[][][] = [
  [[frame('X', {})], [frame('C', Buffer.alloc(0))], [frame('O', Buffer.alloc(65_537, ' '))], [tree.close()]].map(
    (parts) => brokenDirectory('d', parts),
  ),
  [frame('O', { name: 1 }), frame('H', { name: 'a', size: -1 }), frame('L', { name: 'a', target: '\ud800' })].map(
    (part) => brokenDirectory('d', [part]),
  ),
  [brokenDirectory('d', [tree.open('a', { '!later': 1 })])],
  [
    [tree.file('b', ''), tree.file('a', '')],
    [tree.file('a', ''), tree.open('a')],
  ].map((parts) => brokenDirectory('d', parts)),
  [
    [frame('H', { name: 'a', size: 0 }), frame('D', Buffer.alloc(1))],
    [frame('H', { name: 'a', size: 1 }), frame('E', { blake3: someDigest })],
  ].map((parts) => brokenDirectory('d', parts)),
  [brokenDirectory('d', [unfinished, frame('D', Buffer.alloc(1023))])],
  [[tree.open('a')], [unfinished], [tree.open('a').subarray(0, 3)]].map((parts) => brokenDirectory('d', parts)),
  [brokenDirectory('d', [unfinished, frame('A', {})])],
  ['..', 'a/b', 'x'.repeat(256)].map((name) => brokenDirectory('d', [tree.file(name, '')])),
  [tree.file('a\r', ''), tree.open('a\u202e'), tree.link('a', '\u001b')].map((part) => brokenDirectory('d', [part])),
  [brokenDirectory('d', [...Array.from({ length: 12 }, () => tree.open('x'.repeat(255))), tree.file('y', '')])],
  [tree.link('l', '..'), tree.link('l', 'x'.repeat(4096))].map((part) => brokenDirectory('d', [part])),
  [brokenDirectory('d', deep(33))],
  // A transfer with too many items takes no entry after it: test/hostile/directory-limits-and-cuts.test.ts.
  [],
  [brokenDirectory('d', [tree.file('a', 'x'.repeat(5001))])],
  [brokenDirectory('d', [tree.file('a.png', 'x')])],
  [
    tree.file('a', 'x', { blake3: someDigest }),
    Buffer.concat([frame('H', { name: 'a', size: 0 }), frame('E', { blake3: someDigest })]),
  ].map((part) => brokenDirectory('d', [part])),
  [{ blake3: null }, { header: null }, { blake3: someDigest }, { header: digest('') }].map((end) =>
    directoryFrames('d', whole, end),
  ),
  [directoryFrames('d', whole, { bytes: 1 })],
]

t.test('tells the reason of each refusal that a receiver gives', async (t: Test) => {
  const rows = documentTable('in a directory', 'reason')
  t.equal(rows.length, refused.length)
  const options = { maxSize: 5000, accept: ['application/octet-stream', 'text/plain'] }
  const sender = await HostileSender.start(t, options)
  for (const [index, row] of rows.entries()) {
    const reason = codeWords(row.reason ?? '')[0] as string
    const code =
      { protocol: 'incomplete', field: 'incomplete', size: 'incomplete', digest: 'digest-mismatch' }[reason] ??
      'refused'
    for (const entry of refused[index] ?? []) {
      await t.test(row['in a directory'] as string, (t) => sender.refused(t, entry, { reason, code }))
    }
  }
  await sender.stop(t)
})

t.test('has the numbers of the code', async (t) => {
  const text = documentTable('in a directory', 'reason')
    .map((row) => row['in a directory'])
    .join('; ')
  const figures = [...text.matchAll(/\b\d[\d,]*/g)].map(([figure]) => Number(figure.replaceAll(',', '')))
  t.strictSame(figures, [CHUNK, MAX_NAME, MAX_PATH, MAX_TARGET, defaults.maxDepth, defaults.maxFiles])
})

t.test('counts the bytes of the files in a heartbeat, and all nested frames in the answer', async (t) => {
  t.match(
    documentSection('Directories'),
    '`bytes` in a heartbeat of the receiver counts the bytes of the files instead',
  )
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const peer = await Peer.dial(t, receiver.port)
  const [header, data, end] = directoryFrames('d', whole) as [Buffer, Buffer, Buffer]
  await peer.write(senderOpening, header, data)
  const heard = async (): Promise<unknown> => {
    const { fields } = await peer.next('B')
    return Number(fields.bytes ?? 0) < 2 ? await heard() : fields
  }
  t.strictSame(await heard(), { entry: 0, bytes: 2 })
  peer.finish(end, frame('F', { entries: 1 }))
  t.match((await peer.next('S')).fields, { entry: 0, name: 'd', bytes: data.length - 5 })
  await peer.closed
  await receiver.stop()
  t.strictSame(treeOf(out), { 'd/a': 'x', 'd/b': 'y' })
})
