import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Receiver, type Running, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { unusedPlace } from '../fixtures/ports.js'

// Most of the time is spent waiting for what must happen in time, so the tests run beside each other.
t.jobs = 3
const parallel = { buffered: true }

const signals = [
  ['SIGINT', 130, 'interrupted', 'interrupted by SIGINT'],
  ['SIGTERM', 143, 'terminated', 'terminated by SIGTERM'],
  ['SIGHUP', 129, 'hung-up', 'hung up by SIGHUP'],
] as const

/** What the other side reads for a code. */
const told = (code: string) => code.replace('-', ' ')

/** A sender whose input stays open, once the receiver has begun to store what it sends. */
async function sendForever(t: Test, receiver: Receiver, args: string[] = []): Promise<Running> {
  const sender = start(t, 'tcp-send', [...args, '-', '127.0.0.1', receiver.port], { input: 'pipe' })
  await sender.write(bytesOf(200_000))
  await receiver.says('stdout', /"event":"progress"/)
  return sender
}

for (const [signal, status, code, message] of signals) {
  t.test(`${signal} ends the sender with ${status}, and the receiver stores nothing`, parallel, async (t) => {
    const out = join(t.testdir(), 'out')
    const receiver = await startReceiver(t, ['--json', '--one-attempt', '--out', out])
    const sender = await sendForever(t, receiver)
    const sent = await sender.kill(signal)
    t.match(sent, { code: status, stdout: '', stderr: `tcp-send: ${message}\n` })
    const received = await receiver.done
    t.equal(received.code, 6)
    const events = readEvents(t, received.stdout)
    const failed = events.find(({ event }) => event === 'failed')
    t.match(failed, { transfer: 1, code: 'incomplete', reason: 'aborted', message: `tcp-send was ${told(code)}` })
    t.same(namesIn(out), [])
  })

  t.test(
    `${signal} ends the receiver with ${status} and leaves nothing behind, and the sender ends with 6`,
    async (t) => {
      const out = join(t.testdir(), 'out')
      const receiver = await startReceiver(t, ['--json', '--out', out])
      const sender = await sendForever(t, receiver, ['--json'])
      const received = await receiver.kill(signal)
      t.equal(received.code, status)
      const events = readEvents(t, received.stdout)
      t.match(only(events, 'failed'), { name: 'stdin', code, message })
      t.equal(only(events, 'done').exitCode, status)
      const { code: ended, stdout } = await sender.done
      t.equal(ended, 6)
      const failed = only(readEvents(t, stdout), 'failed')
      t.match(failed, { code: 'incomplete', reason: 'interrupted', message: `tcp-recv was ${told(code)}` })
      t.same(namesIn(out), [])
    },
  )

  t.test(`${signal} ends whoever still waits for the other`, parallel, async (t) => {
    const folder = t.testdir({ file: '' })
    const receiver = await startReceiver(t, ['--out', 'out'], { cwd: folder })
    t.match(await receiver.kill(signal), {
      code: status,
      stdout: '',
      stderr: new RegExp(`^tcp-recv: ${message}$`, 'm'),
    })
    t.same(namesIn(join(folder, 'out')), [])
    const { host, port } = await unusedPlace()
    // The missing file is told before the first try to connect, so the handlers are set by then.
    const args = ['--json', '--wait', '60', 'missing', 'file', host, port]
    const sender = start(t, 'tcp-send', args, { cwd: folder })
    await sender.says('stdout', /"event":"failed"/)
    const sent = await sender.kill(signal)
    const failures = readEvents(t, sent.stdout).filter(({ event }) => event === 'failed')
    t.match(failures, [{ code: 'local-file' }, { code }])
    t.equal(sent.code, 8, 'the first failure is the one that counts')
  })
}

t.test('what was stored before the signal stays, and counts', parallel, async (t) => {
  const folder = t.testdir({ first: 'one' })
  const receiver = await startReceiver(t, ['--json', '--out', 'out'], { cwd: folder })
  const args = ['--json', 'first', '-', '127.0.0.1', receiver.port]
  const sender = start(t, 'tcp-send', args, { cwd: folder, input: 'pipe' })
  await sender.says('stdout', /"event":"sent"/)
  const sent = await sender.kill('SIGINT')
  t.equal(sent.code, 130)
  t.match(only(readEvents(t, sent.stdout), 'done'), { files: 1, bytes: 3 })
  const received = await receiver.kill('SIGTERM')
  t.match(only(readEvents(t, received.stdout), 'done'), { files: 1, bytes: 3, exitCode: 143 })
  t.same(namesIn(join(folder, 'out')), ['first'])
})
