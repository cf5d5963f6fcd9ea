/** The function that is called after each stored file. */
import { join } from 'node:path'
import t from 'tap'
import { type StoredEvent, TransferError } from '../../dist/index.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { filesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { stateOf } from '../fixtures/turns.ts'

t.test('is called for one file at a time, and waited for at the end', async (t) => {
  const folder = t.testdir({ a: '1', b: '2', out: {} })
  const calls: StoredEvent[] = []
  const gates = [gate(), gate()]
  const receiver = await startReceiver(t, {
    out: join(folder, 'out'),
    count: 1,
    afterStored: async (event) => await gates[calls.push(event) - 1]?.opened,
  })
  const sent = await trySend(t, receiver.port, [join(folder, 'a'), join(folder, 'b')])
  t.match(sent.summary, { files: 2 }, 'the sender does not wait for it')
  t.equal(await stateOf(receiver.ended), 'pending')
  t.match(calls, [{ event: 'stored', name: 'a', path: join(folder, 'out', 'a') }])
  gates[0]?.open()
  t.equal(await stateOf(receiver.ended), 'pending')
  t.equal(calls.length, 2)
  gates[1]?.open()
  t.match((await receiver.ended).summary, { files: 2 })
})

t.test('decides how receive ends, while the sender succeeds and the file stays', async (t) => {
  const folder = t.testdir({ a: '1', b: '2', c: '3', out: {} })
  const failures = [new TransferError('hook', 'the command ended with 1'), new Error('second\nline'), 'third']
  let calls = 0
  const receiver = await startReceiver(t, {
    out: join(folder, 'out'),
    count: 1,
    afterStored: async () => {
      throw failures[calls++]
    },
  })
  const sent = await trySend(
    t,
    receiver.port,
    ['a', 'b', 'c'].map((name) => join(folder, name)),
  )
  t.match(sent.summary, { files: 3 })
  const { error } = await receiver.ended
  t.equal(error, failures[0], 'the first failure is the one that counts')
  t.equal(error?.exitCode, 10)
  t.match(receiver.events.of('failed'), [
    { name: 'a', code: 'hook', message: 'the command ended with 1' },
    { name: 'b', code: 'hook', reason: 'hook', message: 'afterStored failed: second\\u{a}line' },
    { name: 'c', code: 'hook', message: 'afterStored failed: third' },
  ])
  t.match(receiver.events.of('done'), [{ files: 3, exitCode: 10 }])
  t.strictSame(filesIn(join(folder, 'out')), { a: '1', b: '2', c: '3' })
})

t.test('fails as what it is, whatever fails inside it', async (t) => {
  const folder = t.testdir({ a: '1', out: {} })
  const cause = new TransferError('connect', 'nobody listens there')
  const receiver = await startReceiver(t, {
    out: join(folder, 'out'),
    count: 1,
    afterStored: () => {
      throw cause
    },
  })
  await trySend(t, receiver.port, [join(folder, 'a')])
  const { error } = await receiver.ended
  t.match(error, { code: 'hook', exitCode: 10, message: 'afterStored failed: nobody listens there' })
  t.equal(error?.cause, cause)
})

t.test('fails as an interruption if it is interrupted', async (t) => {
  const folder = t.testdir({ a: '1', out: {} })
  const controller = new AbortController()
  const interrupted = new TransferError('terminated', 'stopped by SIGTERM; it was not run')
  const receiver = await startReceiver(t, {
    out: join(folder, 'out'),
    count: 1,
    signal: controller.signal,
    afterStored: async () => {
      controller.abort()
      throw interrupted
    },
  })
  await trySend(t, receiver.port, [join(folder, 'a')])
  await receiver.ended
  t.match(receiver.events.of('failed'), [{ name: 'a', code: 'terminated' }])
})
