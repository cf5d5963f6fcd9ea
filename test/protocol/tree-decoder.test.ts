/** What may be in the data of a directory, and when: the order of frames and names, and the sizes that files must have. */
import t from 'tap'
import { TreeDecoder } from '../../dist/protocol/tree-decoder.js'
import { decode } from '../fixtures/decode.ts'
import { breach } from '../fixtures/fields.ts'
import { someDigest, textFrame } from '../fixtures/literals.ts'
import { digest, frame, frameHeader } from '../fixtures/peer-frames.ts'
import { tree } from '../fixtures/tree-frames.ts'

function read(...frames: Buffer[]) {
  const decoder = new TreeDecoder()
  const { messages, error } = decode(decoder, [Buffer.concat(frames)])
  return {
    messages: messages.map(({ payload: _, ...message }: { frame: string; payload?: Buffer }) => message),
    error,
    decoder,
  }
}

/** The error of a directory that ends after these frames, or null. */
function ended(...frames: Buffer[]): unknown {
  const { error, decoder } = read(...frames)
  if (error !== null) return error
  try {
    decoder.finish()
    return null
  } catch (failure) {
    return failure
  }
}

const abort = textFrame('A', '{}')

t.test('reads everything that may be in a directory', async (t) => {
  const { messages, error, decoder } = read(
    tree.file('a', 'small', { mode: 0o644, mtime: -1 }),
    tree.open('b', { mode: 0o755, mtime: 1 }),
    tree.link('c', '../a', { mtime: null }),
    tree.streamed('d', 'x'.repeat(3000)),
    tree.open('e'),
    tree.close(),
    tree.close(),
    tree.file('f', ''),
  )
  t.equal(error, null)
  t.strictSame(messages, [
    { frame: 'file', name: 'a', size: 5, mtime: -1, mode: 0o644, blake3: digest('small') },
    { frame: 'data', bytes: Buffer.from('small') },
    { frame: 'end', blake3: digest('small') },
    { frame: 'directory', name: 'b', mtime: 1, mode: 0o755 },
    { frame: 'symlink', name: 'c', target: '../a', mtime: null },
    { frame: 'file', name: 'd', size: 3000, mtime: null, mode: null },
    { frame: 'data', bytes: Buffer.from('x'.repeat(3000)) },
    { frame: 'end', blake3: digest('x'.repeat(3000)) },
    { frame: 'directory', name: 'e', mtime: null, mode: null },
    { frame: 'leave' },
    { frame: 'leave' },
    { frame: 'file', name: 'f', size: 0, mtime: null, mode: null, blake3: digest('') },
    { frame: 'end', blake3: digest('') },
  ])
  t.doesNotThrow(() => decoder.finish())
})

t.test('takes an empty directory, and tells how deep it is', async (t) => {
  t.equal(ended(), null)
  t.equal(read(tree.open('a'), tree.open('a')).decoder.depth, 2)
  t.equal(read(tree.open('a'), tree.open('a'), tree.close()).decoder.depth, 1)
})

t.test('gives the payload of each control frame, for the digest, and none for an end that it made up', async (t) => {
  const messages = [...new TreeDecoder().push(Buffer.concat([tree.file('a', ''), tree.link('b', 'a')]))]
  const payloads = messages.map(({ payload }) => payload?.toString())
  t.strictSame(payloads, [`{"name":"a","size":0,"blake3":"${digest('')}"}`, undefined, '{"name":"b","target":"a"}'])
})

const outOfOrder: Record<string, Buffer[]> = {
  'a name twice': [tree.file('a', ''), tree.file('a', '')],
  'a symlink named as a file': [tree.file('a', ''), tree.link('a', 'b')],
  'a file named as a symlink': [tree.link('a', 'b'), tree.file('a', '')],
  'a directory twice': [tree.open('a'), tree.close(), tree.open('a')],
  'a file named as a directory': [tree.open('a'), tree.close(), tree.file('a', '')],
  'a directory named as a file': [tree.file('a', ''), tree.open('a')],
  'a directory named as a symlink': [tree.link('a', 'b'), tree.open('a')],
  'a directory named as a file, with names between them': [
    ...['a', 'a ', 'a!', 'a!b', 'a-', 'a.txt'].map((name) => tree.file(name, '')),
    tree.open('a'),
  ],
  'a directory named as a file, with a directory between them': [
    tree.file('a', ''),
    tree.file('a!', ''),
    tree.open('a!b'),
    tree.file('a', ''),
    tree.close(),
    tree.open('a'),
  ],
  'a directory named as a file between others': [
    tree.file('a', ''),
    tree.file('a!', ''),
    tree.file('a!b', ''),
    tree.open('a!'),
  ],
  'a name that comes before': [tree.file('b', ''), tree.file('a', '')],
  'a name that comes before in bytes, but not in UTF-16': [tree.file('\u{10000}', ''), tree.file('\uffee', '')],
  'a directory before a file that its key is behind': [tree.open('a'), tree.close(), tree.file('a.b', '')],
  'an empty name': [tree.file('', '')],
}

for (const [what, frames] of Object.entries(outOfOrder)) {
  t.test(`refuses ${what}`, async (t) => {
    const { error } = read(...frames)
    t.match(error, breach(/^the names in a directory must ascend, and none may come twice$/))
    t.equal(read(...frames.slice(0, -1)).error, null, 'and takes what came before it')
  })
}

t.test('takes names in the order of their bytes, and the same name in several directories', async (t) => {
  const inOrder = [
    tree.file('__proto__', ''),
    tree.file('a', ''),
    tree.open('a!'),
    tree.file('a', ''),
    tree.close(),
    tree.open('a!b'),
    tree.file('a', ''),
    tree.close(),
    tree.file('a-', ''),
    tree.open('b'),
    tree.open('b'),
    tree.close(),
    tree.close(),
    tree.file('c.txt', ''),
    tree.open('c'),
    tree.close(),
    tree.file('c0', ''),
    tree.file('\uffee', ''),
    tree.file('\u{10000}', ''),
  ]
  t.equal(ended(...inOrder), null)
})

t.test('takes as many data frames as a file needs, each of a chunk at least', async (t) => {
  const header = frame('H', { name: 'a', size: 2049 })
  const data = (length: number) => frame('D', Buffer.alloc(length))
  const end = frame('E', { blake3: digest(Buffer.alloc(2049)) })
  t.equal(ended(header, data(1024), data(1024), data(1), end), null)
  t.equal(ended(header, data(1025), data(1024), end), null)
  const short = breach(/^less than 1024 bytes of data before the last of a file in a directory$/)
  t.match(ended(header, data(1023)), short)
  t.match(ended(header, data(1024), data(1023)), short)
  t.match(ended(header, data(1)), short)
})

const wrong: Record<string, [Buffer[], RegExp]> = {
  'data before a header': [
    [frame('D', Buffer.from('x'))],
    /^a data frame may not come here in a directory \(state: between\)$/,
  ],
  'an end before a header': [[frame('E', { blake3: someDigest })], /^an end frame may not come here/],
  'an abort before a header': [[abort], /^an abort frame may not come here/],
  'data after a file that is complete': [
    [tree.file('a', 'x'), frame('D', Buffer.from('x'))],
    /^a data frame may not come/,
  ],
  'data after an empty file': [[tree.file('a', ''), frame('D', Buffer.from('x'))], /^a data frame may not come here/],
  'an end after a file whose header has the digest': [
    [tree.file('a', 'x'), frame('E', { blake3: digest('x') })],
    /^an end frame may not come here/,
  ],
  'a file inside a file': [
    [frame('H', { name: 'a', size: 1 }), tree.file('b', '')],
    /^a file frame may not come here.*state: file/,
  ],
  'a directory inside a file': [
    [frame('H', { name: 'a', size: 1 }), tree.open('b')],
    /^a directory frame may not come/,
  ],
  'a symlink inside a file': [
    [frame('H', { name: 'a', size: 1 }), tree.link('b', 'c')],
    /^a symlink frame may not come/,
  ],
  'the end of a directory inside a file': [
    [tree.open('a'), frame('H', { name: 'a', size: 1 }), tree.close()],
    /^a leave frame may/,
  ],
  'more data than the size': [
    [frame('H', { name: 'a', size: 1 }), frameHeader('D', 2), Buffer.from('x')],
    /^more data than the size/,
  ],
  'data for an empty file': [
    [frame('H', { name: 'a', size: 0 }), frame('D', Buffer.from('x'))],
    /^more data than the size/,
  ],
  'less data than the size': [
    [frame('H', { name: 'a', size: 5 }), frame('D', Buffer.from('1234')), frame('E', { blake3: someDigest })],
    /^less than 1024 bytes of data|^a file ended 1 bytes/,
  ],
  'no data at all': [
    [frame('H', { name: 'a', size: 5 }), frame('E', { blake3: someDigest })],
    /^a file ended 5 bytes before its size$/,
  ],
  'the end of a directory that was not begun': [
    [tree.close()],
    /^a leave frame may not come outside of all directories$/,
  ],
  'one end too many': [[tree.open('a'), tree.close(), tree.close()], /^a leave frame may not come outside/],
  'a frame of an entry': [[frame('G', { version: 1 })], /^unknown frame type 71$/],
  'a frame of the end': [[frame('F', { entries: 0 })], /^unknown frame type 70$/],
  'a type that is no letter': [[frame('\0', {})], /^unknown frame type 0$/],
  'an empty frame': [[frameHeader('C', 0)], /^the leave frame is empty$/],
  'empty data': [[frame('H', { name: 'a', size: 1 }), frameHeader('D', 0)], /^the data frame is empty$/],
  'a control frame over its limit': [
    [frameHeader('O', 65_537)],
    /^the directory frame has 65537 bytes, over the limit of 65536$/,
  ],
  'data over its limit': [
    [frame('H', { name: 'a', size: 2_000_000 }), frameHeader('D', 1_048_577)],
    /^the data frame has 1048577 bytes, over the limit of 1048576$/,
  ],
}

for (const [what, [frames, message]] of Object.entries(wrong)) {
  t.test(`refuses ${what}`, async (t) => {
    t.match(read(...frames).error, breach(message))
  })
}

t.test('refuses the end of a directory before the end of everything in it', async (t) => {
  const early = breach(/^the directory ended before everything in it did$/)
  const file = frame('H', { name: 'a', size: 2000 })
  t.match(ended(tree.open('a')), early)
  t.match(ended(tree.open('a'), tree.open('b'), tree.close()), early)
  t.match(ended(file), early)
  t.match(ended(file, frame('D', Buffer.alloc(1999))), early, 'a byte is missing')
  t.match(ended(file, frame('D', Buffer.alloc(2000))), early, 'its digest is missing')
  t.match(ended(file, frameHeader('D', 2000), Buffer.alloc(5)), early, 'the rest of a frame is missing')
  t.match(ended(Buffer.from('O')), early)
  t.match(ended(tree.open('a').subarray(0, 7)), early)
  t.equal(ended(tree.streamed('a', 'x'.repeat(2000))), null)
})

t.test('refuses the end of a directory of which a file was given up, and takes what comes before that', async (t) => {
  const given = breach(/^the directory ended although a file in it was given up$/)
  const file = frame('H', { name: 'a', size: 2000 })
  const { messages, error } = read(file, abort, tree.file('b', 'x'))
  t.equal(error, null)
  t.match(
    messages.map((message) => message.frame),
    ['file', 'abort', 'file', 'data', 'end'],
  )
  t.match(ended(file, abort, tree.file('b', 'x')), given)
  t.match(ended(file, frame('D', Buffer.alloc(1024)), abort), given)
  const known = frame('H', { name: 'a', size: 2000, blake3: someDigest })
  t.match(ended(known, abort, frame('H', { name: 'b', size: 0 }), frame('E', { blake3: digest('') })), given)
})

t.test('skips lower-case frames wherever another may stand', async (t) => {
  const skipped = [frame('x', { later: 1 }), frame('a', Buffer.from('not JSON'))]
  const header = frame('H', { name: 'a', size: 1025 })
  const [chunk, rest] = [frame('D', Buffer.alloc(1024)), frame('D', Buffer.alloc(1))]
  const end = frame('E', { blake3: digest(Buffer.alloc(1025)) })
  const between = [tree.open('0'), tree.close(), header, chunk, rest, end].flatMap((one) => [...skipped, one])
  const { messages, error } = read(...between, ...skipped)
  t.equal(error, null)
  t.strictSame(messages, read(tree.open('0'), tree.close(), header, chunk, rest, end).messages)
  t.match(read(frameHeader('x', 65_537)).error, breach(/over the limit/))
  t.match(read(frameHeader('x', 0)).error, breach(/is empty/))
})
