/** Open descriptors as sources of the library: read from where they stand, and called as their user calls them. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { openPipe } from '../fixtures/fifo.ts'
import { bytesOf, filesIn } from '../fixtures/folder.ts'
import { digest } from '../fixtures/peer-frames.ts'
import { unusedPlace } from '../fixtures/ports.ts'

t.test('sends what is left of an open file, and leaves it open', async (t) => {
  const folder = t.testdir({ 'file.txt': 'hello', out: {} })
  const fd = openSync(join(folder, 'file.txt'), 'r')
  t.teardown(() => closeSync(fd))
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 1 })
  const sent = await trySend(t, receiver.port, [{ fd, name: 'copy.txt' }])
  t.match(sent.summary, { files: 1, bytes: 5 })
  t.match(sent.events.of('sent'), [{ path: '-', name: 'copy.txt', blake3: digest('hello'), verified: true }])
  await receiver.ended
  t.ok(fstatSync(fd).isFile())
  t.strictSame(filesIn(join(folder, 'out')), { 'copy.txt': 'hello' })
})

t.test('sends a pipe to its end, beside other sources', async (t) => {
  const { fd, input } = openPipe(t)
  const out = t.testdir()
  const content = bytesOf(300_001)
  const receiver = await startReceiver(t, { out, count: 1 })
  input.end(content)
  const sent = await trySend(t, receiver.port, [{ fd, name: 'pipe', label: 'the pipe' }, { text: 'done' }])
  t.ok(sent.summary)
  await receiver.ended
  t.match(receiver.events.of('stored'), [{ name: 'pipe', size: content.length, blake3: digest(content) }])
  t.match(receiver.events.of('message'), [{ text: 'done' }])
})

t.test('calls it by its name, or as it is told to, where it cannot be read', async (t) => {
  const { port } = await unusedPlace()
  const closed = openSync('/dev/null', 'r')
  closeSync(closed)
  for (const [label, called] of [
    [undefined, 'copy.txt'],
    ['standard input', 'standard input'],
  ] as const) {
    const source = { fd: closed, name: 'copy.txt', ...(label ? { label } : {}) }
    const sent = await trySend(t, Number(port), [source])
    t.match(sent.error, { code: 'local-file', message: `cannot read ${called}: bad file descriptor (EBADF)` })
  }
})
