/** The state table of the protocol document against the decoders: every frame in every state, and the state it leads to. */
import t from 'tap'
import { LaneDecoder } from '../../dist/protocol/bundle-frames.js'
import { ReceiverDecoder, SenderDecoder } from '../../dist/protocol/decoder.js'
import { decode } from '../fixtures/decode.ts'
import { breach } from '../fixtures/fields.ts'
import { someDigest, someToken } from '../fixtures/literals.ts'
import { frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { codeWords, documentSection, documentTable, documentTableBelow } from '../fixtures/protocol-document.ts'

/** What a sender has said so far. */
interface Said {
  parts: Buffer[]
  headers: number
}

const header = frame('H', { name: 'a', size: null })

/** How a sender comes into each state. */
const ways: Record<string, Said> = {
  greeting: { parts: [Buffer.from('tcp-send')], headers: 0 },
  idle: { parts: [senderOpening], headers: 0 },
  entry: { parts: [senderOpening, header], headers: 1 },
  over: { parts: [senderOpening, frame('F', { entries: 0 })], headers: 0 },
}

/** A frame of every type with nothing wrong in it but perhaps its place; an abort in both of its forms. */
function framesAfter(headers: number): Record<string, Buffer> {
  const why = { reason: 'changed', message: 'it changed' }
  return {
    G: frame('G', { version: 1 }),
    H: header,
    D: frame('D', Buffer.alloc(1024)),
    Z: frame('Z', Buffer.from([0x62, 0, 0, 4, 0, 1])),
    V: frame('V', { digests: [someDigest] }),
    P: frame('P', { offset: 4096 }),
    E: frame('E', { bytes: 0, blake3: someDigest }),
    'A(this)': frame('A', { entry: Math.max(0, headers - 1), ...why }),
    'A(null)': frame('A', { entry: null, ...why }),
    F: frame('F', { entries: headers }),
    U: frame('U', { connections: 2 }),
    S: frame('S', { entry: 0, name: 'a', bytes: 0, blake3: someDigest }),
    R: frame('R', { entry: null, ...why }),
    W: frame('W', { entry: 0, ranges: [] }),
    I: frame('I', { entry: 0, items: [] }),
    B: frame('B', {}),
    'a–z': Buffer.concat([...'abcdefghijklmnopqrstuvwxyz'].map((letter) => frame(letter, { later: 1 }))),
  }
}

const allForms = Object.keys(framesAfter(0))

/** The forms of frames that a cell names: "`E`, `A` of this entry". A plain `A` is either form; "`a`–`z`" is one. */
function formsOf(cell: string): string[] {
  const named = [...cell.matchAll(/`([A-Z])`(\(null\)| of this entry)?/g)].flatMap(([, letter = '', which]) => {
    if (letter !== 'A') return [letter]
    return which === undefined ? ['A(this)', 'A(null)'] : [which === '(null)' ? 'A(null)' : 'A(this)']
  })
  if (cell.includes('`a`–`z`')) named.push('a–z')
  return allForms.filter((form) => named.includes(form))
}

/** The state that the cell "`H`: entry; `F`, `A`: over; else idle" tells for a frame. */
function stateAfter(form: string, cell: string): string {
  const clauses = cell.split('; ')
  const clause = clauses.find((one) => formsOf(one).includes(form)) ?? clauses.at(-1) ?? ''
  return clause.split(' ').at(-1) as string
}

/** The forms of frames that a receiver takes after what was said. A bundle has a test of its own. */
function takenAfter({ parts, headers }: Said): string[] {
  const frames = Object.entries(framesAfter(headers))
  const take = (bytes: Buffer) => {
    const decoder = new SenderDecoder()
    decoder.allow(['brotli'])
    return decode(decoder, [...parts, bytes])
  }
  return frames.filter(([form, bytes]) => form !== 'U' && take(bytes).error === null).map(([form]) => form)
}

const states = documentTable('state', 'allowed', 'next state')
/** What is allowed in each state, also if the header does not ask. */
const allowedIn = Object.fromEntries(states.map((row) => [row.state, formsOf(row.allowed?.split(';')[0] ?? '')]))

t.test('has the states that the code has', async (t) => {
  t.strictSame(Object.keys(allowedIn), Object.keys(ways))
})

for (const { state = '', 'next state': next = '' } of states) {
  t.test(`says what may come in the state ${state}, and what state follows`, async (t) => {
    const said = ways[state] as Said
    t.strictSame(takenAfter(said), allowedIn[state], 'these frames may come and no others')
    for (const form of takenAfter(said)) {
      const bytes = framesAfter(said.headers)[form] as Buffer
      const then = { parts: [...said.parts, bytes], headers: said.headers + (form === 'H' ? 1 : 0) }
      const following = stateAfter(form, next)
      // No two states allow the same frames, so these tell which one it is.
      t.strictSame(takenAfter(then), allowedIn[following], `${form} leads to ${following}`)
    }
  })
}

t.test('lets a receiver say what its table has, after its greeting', async (t) => {
  const letters = documentTableBelow('Frames of the receiver').map(({ type = '' }) => codeWords(type)[0])
  t.strictSame(letters, ['G', 'S', 'R', 'W', 'I', 'U', 'B'])
  const frames = Object.entries(framesAfter(0))
  const taken = (...before: Buffer[]) =>
    frames.filter(([, bytes]) => decode(new ReceiverDecoder(), [...before, bytes]).error === null).map(([form]) => form)
  t.strictSame(taken(Buffer.from('tcp-recv')), ['G'])
  t.match(documentSection('Frames of the receiver'), 'Frames of the types `a`–`z` may come anywhere after `G`')
  t.strictSame(taken(receiverOpening), ['U', 'S', 'R', 'W', 'I', 'B', 'a–z'])
})

t.test('says what may come only in a file with `resume`, and where', async (t) => {
  const [entry] = states.filter(({ state }) => state === 'entry')
  t.strictSame(formsOf(entry?.allowed?.split(';')[1] ?? ''), ['V', 'P'])
  const file = { name: 'a', size: 8192, source: someToken, edition: someToken }
  const takenOf = (fields: object, ...more: Buffer[]) =>
    takenAfter({ parts: [senderOpening, frame('H', { ...file, ...fields }), ...more], headers: 1 }).filter((form) =>
      'VPD'.includes(form),
    )
  t.strictSame(takenOf({}), ['D'])
  t.match(
    documentSection('Frames of the sender').replaceAll('\n', ' '),
    '`V` is allowed only if `resume` is `compare` or `delta`, and before the first `P` or `D` of the entry. With ' +
      '`delta` it has as many `lengths` as digests, at most 100 and none of them 0; with `compare` it has none.',
  )
  const { V, D } = framesAfter(1) as { V: Buffer; D: Buffer }
  const position = (offset: number) => frame('P', { offset })
  t.strictSame(takenOf({ resume: 'offset' }), ['D', 'P'])
  for (const before of [[], [V], [V, V]]) t.strictSame(takenOf({ resume: 'compare' }, ...before), ['D', 'V', 'P'])
  for (const before of [[D], [V, D], [position(1024)], [V, position(1024)]]) {
    t.strictSame(takenOf({ resume: 'compare' }, ...before), ['D', 'P'])
  }
  const lengths = (count: number, lengths: number[]) => frame('V', { digests: Array(count).fill(someDigest), lengths })
  t.strictSame(takenOf({ resume: 'delta' }), ['D', 'P'])
  t.strictSame(takenOf({ resume: 'delta' }, lengths(100, Array(100).fill(1))), ['D', 'P'])
  for (const wrong of [lengths(2, [1]), lengths(1, [1, 1]), lengths(1, [0]), lengths(101, Array(101).fill(1))])
    t.strictSame(takenOf({ resume: 'delta' }, wrong), [])
  t.strictSame(takenOf({ resume: 'compare' }, lengths(1, [1])), [])
  t.match(
    documentSection('Frames of the sender').replaceAll('\n', ' '),
    'The `offset` of a `P` is a multiple of 1,024, more than the end of the data before it (0 if there is none) and ' +
      'less than `size`',
  )
  const isTaken = (offset: number, ...before: Buffer[]) =>
    takenAfter({
      parts: [senderOpening, frame('H', { ...file, resume: 'offset' }), ...before, position(offset)],
      headers: 1,
    }).length > 0
  const places = [0, 1, 1023, 1024, 1025, 2048, 7168, 8191, 8192, 9216]
  t.strictSame(
    places.filter((offset) => isTaken(offset)),
    [1024, 2048, 7168],
  )
  t.strictSame(
    places.filter((offset) => isTaken(offset, D)),
    [2048, 7168],
    'not where the data goes on by itself',
  )
  t.strictSame(
    places.filter((offset) => isTaken(offset, position(1024))),
    [2048, 7168],
  )
  t.strictSame(
    places.filter((offset) => isTaken(offset, frame('D', Buffer.alloc(5)))),
    [],
    'not behind the last chunk',
  )
})

t.test('says that a connection can become one of a bundle only before the first entry', async (t) => {
  const [idle] = states.filter(({ state }) => state === 'idle')
  t.equal(idle?.allowed?.split('; ')[1], 'before the first `H` also `U`')
  t.equal(stateAfter('U', idle?.['next state'] ?? ''), 'over')
  const { U, B, F, D, 'A(this)': aborted } = framesAfter(1) as Record<string, Buffer>
  const isTaken = (...before: (Buffer | undefined)[]) =>
    decode(new SenderDecoder(), [senderOpening, ...(before as Buffer[]), U as Buffer]).error === null
  for (const before of [[], [B], [B, frame('x', {})]]) t.ok(isTaken(...before))
  for (const before of [[header], [header, D], [header, aborted], [F], [U]]) t.notOk(isTaken(...before))
  t.match(decode(new SenderDecoder(), [Buffer.from('tcp-send'), U as Buffer]).error, breach(/may not come here/))
  for (const [form, bytes] of Object.entries(framesAfter(0))) {
    const { error } = decode(new SenderDecoder(), [senderOpening, U as Buffer, bytes])
    t.match(error, breach(/./), `what follows, such as ${form}, is read by another decoder`)
  }
})

/** A frame of every type that a connection of a bundle knows. */
const laneFrames: Record<string, Buffer> = {
  ...framesAfter(0),
  D: frame('D', Buffer.alloc(5)),
  K: frame('K', { blocks: 1, limit: 5 }),
  A: frame('A', { entry: null, reason: 'broken', message: 'enough' }),
}
const laneStates = documentTable('connection state', 'allowed', 'next state')
const laneForms = Object.keys(laneFrames).filter((form) => !form.startsWith('A('))
const laneFormsIn = (cell = '') =>
  laneForms.filter((form) => cell.includes(`\`${form}\``) || (cell.includes(`\`a\`–`) && form === 'a–z'))

t.test('says what may come over a connection of a bundle, and what state follows', async (t) => {
  const ways: Record<string, Buffer[]> = {
    between: [],
    block: [laneFrames.P as Buffer],
    ended: [laneFrames.E as Buffer],
  }
  t.strictSame(
    laneStates.map((row) => row['connection state']),
    Object.keys(ways),
  )
  const allowed = Object.fromEntries(laneStates.map((row) => [row['connection state'], laneFormsIn(row.allowed)]))
  const takenBehind = (...before: Buffer[]) =>
    laneForms.filter((form) => decode(new LaneDecoder(), [...before, laneFrames[form] as Buffer]).error === null)
  for (const { 'connection state': state = '', 'next state': next = '' } of laneStates) {
    t.strictSame(takenBehind(...(ways[state] ?? [])), allowed[state], `in the state ${state}`)
    for (const form of allowed[state] ?? []) {
      const clauses = next.split('; ')
      const following = (clauses.find((clause) => laneFormsIn(clause).includes(form)) ?? clauses.at(-1))
        ?.split(' ')
        .at(-1)
      const taken = takenBehind(...(ways[state] ?? []), laneFrames[form] as Buffer)
      t.strictSame(taken, allowed[following ?? ''], `${form} in the state ${state} leads to ${following}`)
    }
  }
})
