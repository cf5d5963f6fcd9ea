/** Senders that go on with a directory wrongly, against the real receiver: such an entry is refused as a whole. */
import t, { type Test } from 'tap'
import { type Listening, startReceiver } from '../fixtures/ends.ts'
import { keptIn, treeOf } from '../fixtures/folder.ts'
import { directoryHeader } from '../fixtures/hostile-directory.ts'
import { someDigest, someToken } from '../fixtures/literals.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest, entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'
import { dataFrames, headerDigest, tree } from '../fixtures/tree-frames.ts'

const mtime = 1_600_000_000_123
const facts = { size: 5, mtime, mode: 0o644 }
const kept = (name: string, more: object = {}) => frame('K', { name, ...facts, ...more })
const digests = (...all: string[]) => frame('V', { digests: all })
const [one, two] = [digest('one.1'), digest('two.2')]
const good = entryFrames('good.txt', 'good')

const twoFiles = [tree.file('a', 'one.1', { mtime }), tree.open('d'), tree.file('b', 'two.2', { mtime })]

/** A directory breaks off after these items. */
async function breakOff(t: Test, receiver: Listening, whole = twoFiles): Promise<void> {
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(senderOpening, directoryHeader('project', { source: someToken }), ...dataFrames(Buffer.concat(whole)))
  await peer.ended
  t.match(await receiver.events.until('failed'), { name: 'project', reason: 'broken', kept: String })
}

/** The entry with these items, and its end, whose digests are right if the receiver gets as far. */
function entry(items: readonly Buffer[], lines: string, more: object = { resume: 'list' }): Buffer[] {
  const header = {
    name: 'project',
    size: null,
    type: 'inode/directory',
    '!kind': 'directory',
    source: someToken,
    ...more,
  }
  const data = Buffer.concat(items)
  const end = { bytes: data.length, blake3: digest(lines), header: headerDigest(header, data) }
  return [frame('H', header), ...dataFrames(data), frame('E', end)]
}

const answersOf = (peer: Peer) =>
  peer.frames.filter(({ type }) => type !== 'B' && type !== 'G').map(({ type, fields }) => ({ type, ...fields }))

const listed = { type: 'I', entry: 0, items: [`5 ${mtime} a`, `5 ${mtime} d/b`] }
const lines = `${one}  ./a\n${two}  ./d/b\n`
const all = [kept('a'), tree.open('d'), kept('b', { mode: undefined }), tree.close()]
const notThere = (path: string) => ({ reason: 'protocol', message: `${path} is not there as the sender says` })

/** The items after a header, and why the entry is refused. */
const breaches: Record<string, [items: Buffer[], refusal: object, header?: object]> = {
  'a kept file that is not there': [[kept('c'), digests(one)], notThere('c')],
  'a kept file in a new directory': [[tree.open('e'), kept('b'), tree.close(), digests(two)], notThere('e/b')],
  'a kept file of another size': [[kept('a', { size: 4 }), digests(one)], notThere('a')],
  'a kept file of another time': [[kept('a', { mtime: mtime + 1 }), digests(one)], notThere('a')],
  'a kept file that is a directory': [[kept('d'), digests(one)], notThere('d')],
  'a kept file that came again': [[tree.file('a', 'one.1'), kept('a'), digests(one)], { reason: 'protocol' }],
  'a kept file twice': [[kept('a'), kept('a'), digests(one, one)], { reason: 'protocol' }],
  'a kept file with a path for its name': [[kept('d/b'), digests(two)], { reason: 'name' }],
  'a kept file of a name that leads out': [[kept('..'), digests(two)], { reason: 'name' }],
  'no digests of kept files': [all, { reason: 'protocol' }],
  'a digest too few': [[...all, digests(one)], { reason: 'protocol' }],
  'a digest too many': [[...all, digests(one, two, two)], { reason: 'protocol' }],
  'digests in a directory': [[kept('a'), tree.open('d'), digests(one), tree.close()], { reason: 'protocol' }],
  'digests of nothing': [[digests(one)], { reason: 'protocol' }],
  'items after the digests': [[kept('a'), digests(one), tree.file('b', 'x')], { reason: 'protocol' }],
  'a kept file, although it has not asked': [[kept('a'), digests(one)], { reason: 'protocol' }, {}],
  'other content': [[...all, digests(one, two)], { reason: 'digest' }],
}

for (const [what, [items, refusal, header]] of Object.entries(breaches)) {
  t.test(`refuses a directory with ${what}, and takes the next entry`, async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    await breakOff(t, receiver)
    const peer = await Peer.dial(t, receiver.port)
    const wrong = entry(items, what === 'other content' ? 'other' : lines, header)
    peer.finish(senderOpening, ...wrong, ...good, frame('F', { entries: 2 }))
    t.equal(await peer.ended, 'end')
    const asked = header ? [] : [listed]
    t.match(answersOf(peer), [...asked, { type: 'R', entry: 0, ...refusal }, { type: 'S', entry: 1, name: 'good.txt' }])
    t.strictSame(keptIn(out), {}, 'nothing of it is kept')
    await receiver.stop()
    t.strictSame(treeOf(out), { 'good.txt': 'good' })
  })
}

t.test('takes what is kept if everything is right', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  await breakOff(t, receiver)
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(senderOpening, ...entry([...all, digests(one, two)], lines), frame('F', { entries: 1 }))
  t.match((await peer.next('S')).fields, { entry: 0, name: 'project' })
  t.match(answersOf(peer)[0], listed)
  await receiver.stop()
  t.strictSame(treeOf(out), { 'project/a': 'one.1', 'project/d/b': 'two.2' })
})

t.test('keeps what is not damaged, also if the sender says that twice', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  await breakOff(t, receiver)
  const peer = await Peer.dial(t, receiver.port)
  const wrong = entry([...all, digests(one, someDigest)], lines)
  const rest = entry([kept('a'), digests(someDigest)], lines)
  peer.finish(senderOpening, ...wrong, ...rest, ...good, frame('F', { entries: 3 }))
  t.equal(await peer.ended, 'end')
  t.match(answersOf(peer), [
    listed,
    { type: 'R', entry: 0, reason: 'damaged' },
    { type: 'I', entry: 1, items: [`5 ${mtime} a`] },
    { type: 'R', entry: 1, reason: 'damaged' },
    { type: 'S', entry: 2, name: 'good.txt' },
  ])
  await receiver.stop()
  t.strictSame(treeOf(out), { 'good.txt': 'good' })
})

t.test('has no list of a directory that it refuses, or that nothing is there of', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  const hidden = { resume: 'list', name: '.hidden' }
  const fresh = { resume: 'list', source: someToken.replaceAll('0', 'f') }
  peer.finish(
    senderOpening,
    ...entry([], '', hidden),
    ...entry([tree.file('x', 'x')], `${digest('x')}  ./x\n`, fresh),
    frame('F', { entries: 2 }),
  )
  t.equal(await peer.ended, 'end')
  t.match(answersOf(peer), [
    { type: 'R', entry: 0, reason: 'name' },
    { type: 'I', entry: 1, items: [] },
    { type: 'S', entry: 1, name: 'project' },
  ])
  await receiver.stop()
})

const asking = { source: someToken, resume: 'list' }

t.test('places no data in a directory, even if it has a size', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  const header = directoryHeader('project', { ...asking, size: 5000 })
  await peer.write(senderOpening, header, frame('P', { offset: 1024 }))
  t.match((await peer.next('R')).fields, { entry: null, reason: 'protocol', message: /^a position frame may not come/ })
  peer.finish()
  await peer.closed
  await receiver.stop()
})

t.test('lists files with the longest paths in frames that a sender takes', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const deep = Array.from({ length: 11 }, () => tree.open('x'.repeat(254)))
  const names = Array.from({ length: 100 }, (_, index) => `${'\\'.repeat(200)}${1000 + index}`)
  const files = names.map((name) => tree.file(name.replaceAll('\\', 'y'), '', { mtime }))
  await breakOff(t, receiver, [...deep, ...files, ...deep.map(() => tree.close())])
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, directoryHeader('project', asking))
  const lists = [await peer.next('I')]
  while (lists.at(-1)?.fields.more) lists.push(await peer.next('I'))
  t.equal(lists.flatMap(({ fields }) => fields.items as string[]).length, 100)
  for (const { bytes } of lists) t.ok(bytes.length <= 65_536, `${bytes.length} bytes`)
  t.ok(lists.length > 4)
  peer.finish(frame('A', { entry: 0, reason: 'changed', message: 'x' }), frame('F', { entries: 1 }))
  await peer.ended
  await receiver.stop()
})
