/** The library without any option that may be left out. */
import { join } from 'node:path'
import t from 'tap'
import { receive, send } from '../../dist/index.js'
import { startReceiver, startSender } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { unusedPlace } from '../fixtures/ports.ts'

t.test('sends to this machine and reports to nobody', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), host: 'localhost', count: 1 })
  t.match(await send({ port: receiver.port, sources: [join(folder, 'a.txt')] }), { files: 1, bytes: 4 })
  await receiver.ended
  t.strictSame(filesIn(join(folder, 'out')), { 'a.txt': 'text' })
})

t.test('receives from this machine and reports to nobody', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')], { host: 'localhost' })
  t.match(await receive({ port: sender.port, connect: true, out: join(folder, 'out') }), { files: 1, bytes: 4 })
  await sender.ended
  t.strictSame(filesIn(join(folder, 'out')), { 'a.txt': 'text' })
})

t.test('listens on both sides and reports to nobody', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', one: {}, two: {} })
  const [one, two] = [await unusedPlace(), await unusedPlace()]
  const [host, port] = [one.host, Number(one.port)]
  const receiving = receive({ host, port, out: join(folder, 'one'), count: 1, afterStored: async () => {} })
  t.match(await send({ host, port, sources: [join(folder, 'a.txt')], wait: 600_000 }), { files: 1 })
  t.match(await receiving, { files: 1 })
  const other = { host: two.host, port: Number(two.port) }
  const sending = send({ ...other, listen: true, sources: [join(folder, 'a.txt')] })
  t.match(await receive({ ...other, connect: true, out: join(folder, 'two'), wait: 600_000 }), { files: 1 })
  t.match(await sending, { files: 1 })
  t.strictSame(namesIn(join(folder, 'two')), ['a.txt'])
})
