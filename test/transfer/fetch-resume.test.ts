/** Fetching: a receiver that has dialled connects again after a break, and goes on. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SMALLEST_KEPT } from '../../dist/protocol/limits.js'
import { pauses } from '../../dist/transfer/retry.js'
import { startSender, tryReceive } from '../fixtures/ends.ts'
import { bytesOf, folders, namesIn } from '../fixtures/folder.ts'
import { key } from '../fixtures/keys.ts'
import { type Cut, damagedPort } from '../fixtures/proxy.ts'
import { makeTree, tellTree } from '../fixtures/tree.ts'

// How long the pauses are is tested in retry.test.ts.
pauses.first = 5

const files = { 'a.txt': 'a small file', 'big.bin': bytesOf(2 * SMALLEST_KEPT), 'c.txt': 'another one' }

/** The proxy names its directions for a sender that has dialled. Here the receiver has. */
const fromSender = 'to-sender'

/** A network that cuts the first connections after so many bytes from the sender. */
async function cutPort(t: Test, port: number, ...cuts: readonly Cut['after'][]): Promise<number> {
  return await damagedPort(t, port, {
    cut: (connection) => {
      const after = cuts[connection]
      return after === undefined ? undefined : { direction: fromSender, after, how: 'end' }
    },
  })
}

for (const secret of [undefined, key]) {
  t.test(`goes on with what is missing${secret ? ', with a key' : ''}`, async (t) => {
    const { path, out } = folders(t, files)
    const sender = await startSender(t, Object.keys(files).map(path), { key: secret })
    const port = await cutPort(t, sender.port, 700_000, 900_000)
    const { summary, events } = await tryReceive(t, port, { out, key: secret })
    t.match(summary, { files: 3 })
    t.match(await sender.ended, { summary: {} })
    t.strictSame(namesIn(out), Object.keys(files), 'what was stored is not stored again')
    t.ok(readFileSync(join(out, 'big.bin')).equals(files['big.bin']))
    t.strictSame(
      events.of('stored').map(({ name }) => name),
      Object.keys(files),
      'each is reported once',
    )
    const [, big] = events.of('stored')
    t.ok(Number(big?.resumed) > SMALLEST_KEPT, 'most of it was there')
    t.equal(events.of('connected').length, 1, 'one transfer')
    t.equal(events.of('waiting').length, 2)
    t.equal(events.of('failed').length, 0)
  })
}

t.test('goes on with the files of a directory that are missing', async (t) => {
  const { path, out } = folders(t, {})
  const tree = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`${index % 7}/${index}`, bytesOf(20_000)]))
  const project = makeTree(path('project'), tree)
  const sender = await startSender(t, [project])
  const port = await cutPort(t, sender.port, 600_000)
  const { summary, events } = await tryReceive(t, port, { out, fileEvents: false })
  t.match(summary, { files: 60 })
  t.match(await sender.ended, { summary: {} })
  t.strictSame(tellTree(join(out, 'project')), tellTree(project))
  t.ok(Number(events.of('stored')[0]?.resumed) > 300_000)
})

t.test('gives up after as many tries as it may, and says what it keeps', async (t) => {
  const { path, out } = folders(t, files)
  const sender = await startSender(t, [path('big.bin')], { oneAttempt: true })
  const port = await cutPort(t, sender.port, 700_000)
  const { error, events } = await tryReceive(t, port, { out, retry: 2 })
  t.match(error, { code: 'incomplete', reason: 'broken', message: /; tried again 2 times$/ })
  t.match(events.of('failed'), [{ name: 'big.bin', kept: String }])
  t.match(await sender.ended, { error: { code: 'incomplete' } })
})

t.test('does not try again if it must not, or the sender does not name its transfer', async (t) => {
  const { path, out } = folders(t, files)
  const sender = await startSender(t, [path('big.bin')], { oneAttempt: true })
  const once = await tryReceive(t, await cutPort(t, sender.port, 700_000), { out, retry: 0 })
  t.match(once.error, { code: 'incomplete', reason: 'broken' })
  t.equal(once.events.of('waiting').length, 0)
  const other = join(t.testdirName, 'other')
  const early = await startSender(t, [path('a.txt')], { oneAttempt: true })
  const unnamed = await tryReceive(t, await cutPort(t, early.port, 12), { out: other })
  t.match(unnamed.error, { code: 'incomplete', reason: 'broken' })
  t.equal(unnamed.events.of('waiting').length, 0)
})
