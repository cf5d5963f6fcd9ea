/** Directories over a limit, or cut off: refused or incomplete, with nothing left of them and nothing held for them. */
import { join } from 'node:path'
import t from 'tap'
import { startReceiver } from '../fixtures/ends.ts'
import { keptIn, keptPath, namesIn, treeOf } from '../fixtures/folder.ts'
import { brokenDirectory, directoryHeader, HostileSender, type Refused } from '../fixtures/hostile-directory.ts'
import { memoryInUse } from '../fixtures/memory.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { Peer } from '../fixtures/peer.ts'
import { frame, senderOpening } from '../fixtures/peer-frames.ts'
import { dataFrames, directoryFrames, tree } from '../fixtures/tree-frames.ts'
import { settle, until } from '../fixtures/turns.ts'

/** So many directories, each in the one before. */
const nested = (depth: number, name = 'd') => [
  ...Array.from({ length: depth }, () => tree.open(name)),
  tree.file('x', 'deep'),
  ...Array.from({ length: depth }, () => tree.close()),
]

t.test('takes 32 directories inside each other, and refuses 33, unless told otherwise', async (t) => {
  const sender = await HostileSender.start(t)
  const refused: Refused = { reason: 'files', message: /^it takes at most 32 directories inside each other$/ }
  await sender.refused(t, brokenDirectory('bad', nested(33)), refused)
  await sender.refused(t, brokenDirectory('bad', Array(100_000).fill(tree.open('d'))), refused)
  await sender.stored(t, directoryFrames('deep', nested(32)), { [`deep/${'d/'.repeat(32)}x`]: 'deep' })
  await sender.stop(t)
  const shallow = await HostileSender.start(t, { maxDepth: 1 })
  await shallow.refused(t, brokenDirectory('bad', nested(2)), { reason: 'files', message: /at most 1 dir/ })
  await shallow.stop(t)
})

t.test('refuses a path over its limit, in bytes', async (t) => {
  const sender = await HostileSender.start(t)
  const long = 'é'.repeat(127)
  const refused: Refused = { reason: 'name', message: /^a path in it has more than 3072 bytes$/ }
  await sender.refused(t, brokenDirectory('bad', nested(13, long)), refused)
  const open = Array.from({ length: 12 }, () => tree.open(long))
  const close = open.map(() => tree.close())
  // Twelve directories with a slash each are 3,060 bytes.
  await sender.refused(t, brokenDirectory('bad', [...open, tree.file('x'.repeat(13), '')]), refused)
  const name = 'x'.repeat(12)
  const stored = { [`long/${`${long}/`.repeat(12)}${name}`]: 'x' }
  await sender.stored(t, directoryFrames('long', [...open, tree.file(name, 'x'), ...close]), stored)
  await sender.stop(t)
})

t.test('refuses a directory with a file that it would not take alone', async (t) => {
  const sender = await HostileSender.start(t, { maxSize: 100, accept: ['text/plain', 'application/octet-stream'] })
  const tooLarge: Refused = {
    reason: 'too-large',
    message: /^sub\/b: the file has 101 bytes or more, and the limit is 100$/,
  }
  const inSub = (file: Buffer) => brokenDirectory('bad', [tree.file('a', 'x'), tree.open('sub'), file, tree.close()])
  await sender.refused(t, inSub(tree.file('b', 'x'.repeat(101))), tooLarge)
  await sender.refused(t, inSub(tree.streamed('b', 'x'.repeat(101))), tooLarge)
  const huge = frame('H', { name: 'b', size: Number.MAX_SAFE_INTEGER })
  await sender.refused(t, inSub(huge), { reason: 'too-large', message: /9007199254740991 bytes/ })
  const image: Refused = {
    reason: 'type',
    message: /^sub\/b\.png: it takes only text\/plain, .* and this is image\/png$/,
  }
  await sender.refused(t, inSub(tree.file('b.png', 'x')), image)
  await sender.stop(t)
})

t.test('refuses a directory with more in it than it takes, and then the rest of the transfer', async (t) => {
  const out = t.testdir()
  const kinds = [tree.file('e', ''), tree.link('e', 'x'), tree.open('e')]
  for (const [index, last] of kinds.entries()) {
    const folder = join(out, `${index}`)
    const receiver = await startReceiver(t, { out: folder, maxFiles: 5 })
    const peer = await Peer.dial(t, receiver.port)
    const parts = [tree.file('a', ''), tree.open('b'), tree.close(), tree.link('c', 'a'), tree.file('d', '')]
    await peer.write(senderOpening, ...brokenDirectory('bad', [...parts, last]))
    t.match((await peer.next('R')).fields, { entry: 0, reason: 'files', message: 'it takes at most 5 files' })
    peer.finish(...directoryFrames('next', []), frame('F', { entries: 2 }))
    t.match((await peer.next('R')).fields, { entry: null, reason: 'files' })
    await peer.closed
    const good = await Peer.dial(t, receiver.port)
    good.finish(senderOpening, ...directoryFrames('good', parts.slice(0, 4)), frame('F', { entries: 1 }))
    t.match((await good.next('S')).fields, { entry: 0, name: 'good' }, 'a directory counts with what is in it')
    await good.closed
    await receiver.stop()
    t.match(receiver.events.of('refused'), [{ name: 'bad', reason: 'files' }, { reason: 'files' }])
    t.strictSame(treeOf(folder), { 'good/a': '', 'good/b/': '', 'good/c': '-> a' })
  }
})

t.test('needs no memory for a directory that it refuses, nor for frames in it that it skips', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const peer = await Peer.dial(t, receiver.port)
  const abort = frame('A', { entry: 0, reason: 'name', message: 'refused' })
  await peer.write(senderOpening, directoryHeader('bad'), frame('D', Buffer.concat([tree.open('..')], 1024)))
  t.match((await peer.next('R')).fields, { entry: 0, reason: 'name' })
  const before = await memoryInUse()
  const flood = frame('D', Buffer.alloc(1_048_576, 'x'))
  for (let megabytes = 0; megabytes < 64; megabytes++) await peer.write(flood)
  t.ok((await memoryInUse()) - before < 16 * 1_048_576, 'refused')
  await peer.write(abort, directoryHeader('skipping'))
  const skipped = frame('D', Buffer.concat(Array(16).fill(frame('x', Buffer.alloc(65_531, 'y')))))
  for (let megabytes = 0; megabytes < 64; megabytes++) await peer.write(skipped)
  t.ok((await memoryInUse()) - before < 16 * 1_048_576, 'skipped')
  const data = tree.open('a').length + tree.close().length + 64 * 16 * 65_536
  const whole = directoryFrames('skipping', [tree.open('a'), tree.close()], { bytes: data })
  peer.finish(...whole.slice(1), frame('F', { entries: 2 }))
  t.match((await peer.next('S')).fields, { entry: 1, name: 'skipping', bytes: data })
  await peer.closed
  await receiver.stop()
  t.strictSame(treeOf(out), { 'skipping/a/': '' })
})

const content = 'x'.repeat(70_000)
const parts = [
  tree.file('a', 'small'),
  tree.open('b'),
  tree.streamed('c', content),
  tree.link('d', 'c'),
  tree.close(),
  tree.file('e', ''),
]
const whole = { a: 'small', 'b/c': content, 'b/d': '-> c', e: '' }
const stored = (name: string) =>
  Object.fromEntries(Object.entries(whole).map(([path, text]) => [`${name}/${path}`, text]))

t.test('takes frames that are cut anywhere: by data frames, and by the network', async (t) => {
  const sender = await HostileSender.start(t)
  const [header, , end] = directoryFrames('cut', parts) as [Buffer, Buffer, Buffer]
  const data = Buffer.concat(parts)
  for (const [index, size] of [1024, 2048, 65_536].entries()) {
    const pieces: Buffer[] = []
    for (let at = 0; at < data.length; at += size) pieces.push(frame('D', data.subarray(at, at + size)))
    const name = index === 0 ? 'cut' : `cut_bak${index === 1 ? '' : index}`
    await sender.stored(t, [header, ...pieces, end], stored(name))
  }
  const peer = await Peer.dial(t, sender.receiver.port)
  const small = directoryFrames('bytes', [tree.open('a'), tree.file('b', 'text'), tree.close(), tree.link('c', 'a')])
  for (const byte of Buffer.concat([senderOpening, ...small, frame('F', { entries: 1 })])) {
    await peer.write(Buffer.of(byte))
    await settle(1)
  }
  peer.finish()
  t.match((await peer.next('S')).fields, { name: 'bytes' })
  await peer.closed
  sender.expect({ 'bytes/a/b': 'text', 'bytes/c': '-> a' })
  await sender.stop(t)
})

t.test(
  'does not store a directory that the sender gives up, at any of its frames, and keeps its whole files',
  async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    const abort = frame('A', { entry: 0, reason: 'changed', message: 'a file in it could not be read' })
    const asKept = (tree: object) =>
      Object.fromEntries(Object.entries(tree).map(([path, text]) => [`given-up/${path}`, text]))
    const places = [0, 7, 300, 40_000, Buffer.concat(parts).length]
    const begun = { a: 'small', 'b/': '' }
    const keptAt = [undefined, undefined, begun, begun, whole]
    for (const [index, place] of places.entries()) {
      const peer = await Peer.dial(t, receiver.port)
      const data = dataFrames(Buffer.concat(parts).subarray(0, place))
      peer.finish(
        senderOpening,
        directoryHeader('given-up'),
        ...data,
        abort,
        ...directoryFrames(`${index}`, parts),
        frame('F', { entries: 2 }),
      )
      t.equal(await peer.ended, 'end')
      await peer.closed
      const answers = peer.frames.filter(({ type }) => 'SR'.includes(type))
      t.match(answers, [{ type: 'S', fields: { entry: 1 } }], `given up at ${place}`)
      t.equal(answers.length, 1)
      const failed = receiver.events.of('failed')[index]
      t.match(failed, { name: 'given-up', code: 'incomplete', reason: 'aborted' })
      t.match(failed?.kept, keptAt[index] && keptPath(out), `given up at ${place}`)
      t.strictSame(keptIn(out), asKept(keptAt[index] ?? {}))
    }
    await receiver.stop()
    t.strictSame(namesIn(out), ['.tcp-recv', '0', '1', '2', '3', '4'])
    t.strictSame(namesIn(join(out, '.tcp-recv')), ['kept'])
    t.equal(namesIn(join(out, '.tcp-recv/kept')).length, 1)
  },
)

for (const how of ['end', 'reset'] as const) {
  t.test(
    `stores nothing of a directory whose sender is gone before its end, by the ${how} of the connection`,
    async (t) => {
      const out = t.testdir()
      const leftOpen = watchOpenFiles(out)
      const keepable = stored('cut')
      const receiver = await startReceiver(t, { out })
      const frames = [senderOpening, ...directoryFrames('cut', parts)]
      const bytes = Buffer.concat(frames)
      const dense = Array.from({ length: 400 }, (_, index) => senderOpening.length + index)
      const edges = [70_300, bytes.length - 300, bytes.length - 200, bytes.length - 1]
      for (const [index, place] of [...dense.filter((_, index) => index % 7 === 0), ...edges].entries()) {
        const peer = await Peer.dial(t, receiver.port)
        await peer.write(bytes.subarray(0, place))
        if (how === 'reset') await peer.reset()
        else peer.finish()
        await peer.closed
        await until(
          () =>
            receiver.events.of('ended').length > index ||
            receiver.events.of('failed').length + receiver.events.of('refused').length > index,
        )
        t.strictSame(treeOf(out), {}, `cut at ${place}`)
        const kept = keptIn(out)
        const isWhole = (path: string) => path.endsWith('/') || kept[path] === keepable[path]
        t.ok(Object.keys(kept).every(isWhole), 'only whole files are kept')
      }
      const good = await Peer.dial(t, receiver.port)
      good.finish(...frames, frame('F', { entries: 1 }))
      t.match((await good.next('S')).fields, { name: 'cut' })
      await good.closed
      await receiver.stop()
      t.strictSame(treeOf(out), stored('cut'))
      t.strictSame(namesIn(out), ['cut'], 'what was kept of it is removed')
      t.strictSame(await leftOpen(), [])
    },
  )
}
