/** Directories that go on wrongly: what a sender leaves out that the receiver has not, and what a receiver lists. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Listening, startReceiver, trySend } from '../fixtures/ends.ts'
import { treeOf } from '../fixtures/folder.ts'
import { someDigest, someToken } from '../fixtures/literals.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'
import { dataFrames, tree } from '../fixtures/tree-frames.ts'

const asking = { source: someToken, resume: 'list' }
const mtime = 1_700_000_000_000
const first = tree.file('a', 'text', { mtime })
const kept = (name: string, size = 4, more: object = {}) => frame('K', { name, size, mtime, mode: 420, ...more })
const digests = (...contents: string[]) => frame('V', { digests: contents.map((content) => digest(content)) })
/** The end has wrong digests, but is never judged. */
function directory(items: Buffer[], more: object): Buffer[] {
  const data = Buffer.concat(items)
  const header = frame('H', { name: 'd', size: null, '!kind': 'directory', ...more })
  return [header, ...dataFrames(data), frame('E', { bytes: data.length, blake3: someDigest, header: someDigest })]
}

const good = entryFrames('good.txt', 'good')

/** A directory comes, but for its end, over a connection that then breaks. */
async function sendPart(t: Test, receiver: Listening, ...items: Buffer[]): Promise<void> {
  const peer = await Peer.dial(t, receiver.port)
  const [header, data] = directory(items, { source: someToken }) as [Buffer, Buffer]
  peer.finish(senderOpening, header, data)
  await peer.ended
  t.match(await receiver.events.until('failed'), { name: 'd', reason: 'broken', kept: String })
}

const answersOf = (peer: Peer) =>
  peer.frames.filter(({ type }) => 'ISR'.includes(type)).map(({ type, fields }) => ({ type, ...fields }))

const list = { type: 'I', entry: 0, items: [`4 ${mtime} a`] }

/** The items of a directory of which the receiver has `a`, and what it answers. */
const breaches: Record<string, [items: Buffer[], answer: object]> = {
  'a file that is not listed': [
    [kept('b'), digests('text')],
    { reason: 'protocol', message: 'b is not there as the sender says' },
  ],
  'a file of another size': [[kept('a', 5), digests('text')], { reason: 'protocol' }],
  'a file of another time': [[kept('a', 4, { mtime: 1 }), digests('text')], { reason: 'protocol' }],
  'a file twice': [[kept('a'), kept('a'), digests('text', 'text')], { reason: 'protocol' }],
  'a name that is none': [[kept('../a'), digests('text')], { reason: 'name' }],
  'no digest': [[kept('a')], { reason: 'protocol' }],
  'a digest too many': [[kept('a'), digests('text', 'text')], { reason: 'protocol' }],
  'a file behind the digests': [[kept('a'), digests('text'), tree.file('b', '')], { reason: 'protocol' }],
  'digests inside of a directory': [[kept('a'), tree.open('c'), digests('text'), tree.close()], { reason: 'protocol' }],
  'another digest': [[kept('a'), digests('other')], { reason: 'damaged' }],
}

for (const [what, [items, answer]] of Object.entries(breaches)) {
  t.test(`refuses a directory with ${what}, and takes the next entry`, async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    await sendPart(t, receiver, first)
    const peer = await Peer.dial(t, receiver.port)
    const entry = directory(items, asking)
    peer.finish(senderOpening, ...entry, ...good, frame('F', { entries: 2 }))
    t.equal(await peer.ended, 'end')
    t.match(answersOf(peer), [list, { type: 'R', entry: 0, ...answer }, { type: 'S', entry: 1 }])
    await peer.closed
    await receiver.stop()
    t.match(treeOf(out), { 'good.txt': 'good' })
    t.equal('d/a' in treeOf(out), false)
  })
}

t.test('refuses a file that is left out of a directory for which nobody asked', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  await sendPart(t, receiver, first)
  const peer = await Peer.dial(t, receiver.port)
  const entry = directory([kept('a'), digests('text')], { source: someToken })
  peer.finish(senderOpening, ...entry, frame('F', { entries: 1 }))
  await peer.ended
  t.match(answersOf(peer), [{ type: 'R', entry: 0, reason: 'protocol' }])
  await receiver.stop()
})

t.test('places no data in a directory, even if it has a size', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  const header = frame('H', { name: 'd', size: 5000, '!kind': 'directory', ...asking })
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
  await sendPart(t, receiver, ...deep, ...files, ...deep.map(() => tree.close()))
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, frame('H', { name: 'd', size: null, '!kind': 'directory', ...asking }))
  const lists = [await peer.next('I')]
  while (lists.at(-1)?.fields.more) lists.push(await peer.next('I'))
  t.equal(lists.flatMap(({ fields }) => fields.items as string[]).length, 100)
  for (const { bytes } of lists) t.ok(bytes.length <= 65_536, `${bytes.length} bytes`)
  t.ok(lists.length > 4)
  peer.finish(frame('A', { entry: 0, reason: 'changed', message: 'x' }), frame('F', { entries: 1 }))
  await peer.ended
  await receiver.stop()
})

const opening = (features: string[]) =>
  Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1, features: ['directories', ...features] })])
const listed = (items: string[], more: object = {}) => frame('I', { entry: 0, items, ...more })

/** What a receiver answers, and what the sender says to that. */
const lists: Record<string, [frames: Buffer[], message: RegExp]> = {
  'a list behind the last': [
    [listed([]), listed([])],
    /^the receiver lists what it has of entry 0, which was not asked/,
  ],
  'an item without a path': [[listed(['5 1'])], /^the receiver lists what is no file$/],
  'an item without a time': [[listed(['5 x a'])], /^the receiver lists what is no file$/],
  'a list that never begins': [[listed([], { more: true })], /^a list without a file has "more"$/],
  'ranges of a file': [[frame('W', { entry: 0, ranges: [0, 1024] })], /^the receiver wants something of entry 0/],
}

for (const [what, [frames, message]] of Object.entries(lists)) {
  t.test(`fails at a receiver that answers ${what} for a directory`, async (t) => {
    const folder = t.testdir({ d: { a: 'text' } })
    const { port } = await listenAsPeer(t, async (peer) => {
      await peer.write(opening(['resume-directories', 'kept']))
      t.match((await peer.next('H')).fields, { resume: 'list' })
      await peer.write(...frames)
      await peer.ended
      t.match(peer.frames.at(-1), { type: 'A', fields: { entry: null, reason: 'protocol', message } })
      peer.socket.destroy()
    })
    const { error, events } = await trySend(t, port, join(folder, 'd'), { retry: 0 })
    t.match(error, { code: 'incomplete', exitCode: 6, reason: 'protocol', message })
    t.strictSame(events.of('sent'), [])
  })
}

t.test('fails at a receiver that lists a directory for which nobody asked', async (t) => {
  const folder = t.testdir({ d: { a: 'text' } })
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(opening(['kept']))
    t.equal((await peer.next('H')).fields.source, undefined)
    await peer.write(listed([`4 ${mtime} a`]))
    await peer.ended
    peer.socket.destroy()
  })
  const { error } = await trySend(t, port, join(folder, 'd'), { retry: 0 })
  t.match(error, { code: 'incomplete', reason: 'protocol', message: /which was not asked for$/ })
})

t.test('sends every file of which a receiver lists another one, or one outside', async (t) => {
  const folder = t.testdir({ d: { a: 'text' } })
  let letters: string[] = []
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(opening(['resume-directories', 'kept']))
    await peer.next('H')
    await peer.write(listed(['4 1 a', '3 1 b', '4 1 ../a', '0 0 ', `4 ${mtime} /etc/passwd`]))
    const { fields } = await peer.next('E')
    const data = Buffer.concat(peer.frames.flatMap(({ type, bytes }) => (type === 'D' ? [bytes] : [])))
    letters = [...data.toString('latin1').matchAll(/([HKV])\0\0/g)].map(([, letter = '']) => letter)
    await peer.write(frame('S', { entry: 0, name: 'd', bytes: fields.bytes, blake3: someDigest }))
    await peer.ended
    peer.socket.destroy()
  })
  const { error } = await trySend(t, port, join(folder, 'd'), { retry: 0 })
  t.strictSame(letters, ['H'])
  t.match(error, { code: 'digest-mismatch', exitCode: 7 })
})
