import { join } from 'node:path'
import t from 'tap'
import type { TransferEvent } from '../../dist/events.js'
import { runCommand, sendTo, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { digest } from '../fixtures/peer-frames.js'
import { unusedPlace } from '../fixtures/ports.js'

function kinds(events: readonly TransferEvent[]): string[] {
  return events.map(({ event }) => event).filter((event) => event !== 'progress')
}

t.test('tells a whole transfer on both sides, and nothing on stderr', async (t) => {
  const folder = t.testdir({ 'a.txt': 'hello', 'b.png': '' })
  const receiver = await startReceiver(t, ['--json', '--once', '--out', 'out'], { cwd: folder, covered: true })
  const sender = await sendTo(t, receiver, ['--json', './a.txt', 'b.png'], { cwd: folder, covered: true })
  const received = await receiver.done
  t.equal(sender.stderr + received.stderr, '')

  const sent = readEvents(t, sender.stdout)
  t.same(kinds(sent), ['connected', 'sent', 'sent', 'ended', 'done'])
  const [first, second] = sent.filter(({ event }) => event === 'sent')
  const known = { transfer: 1, size: 5, blake3: digest('hello'), type: 'text/plain' }
  t.match(first, { ...known, path: './a.txt', name: 'a.txt', storedAs: 'a.txt' })
  t.match(second, { path: 'b.png', name: 'b.png', storedAs: 'b.png', size: 0, blake3: digest(''), type: 'image/png' })
  t.match(only(sent, 'connected'), { transfer: 1, peer: `127.0.0.1:${receiver.port}` })
  t.match(only(sent, 'done'), { files: 2, bytes: 5, exitCode: 0 })

  const events = readEvents(t, received.stdout)
  t.same(kinds(events), ['listening', 'connected', 'stored', 'stored', 'ended', 'done'])
  t.match(only(events, 'listening'), { address: '127.0.0.1', port: Number(receiver.port) })
  const stored = events.find(({ event }) => event === 'stored')
  t.match(stored, { ...known, peer: /^127\.0\.0\.1:\d+$/, name: 'a.txt', path: 'out/a.txt' })
  t.match(only(events, 'done'), { files: 2, bytes: 5, exitCode: 0 })
  const begun = events.filter((event) => event.event === 'progress' && event.bytes === 0)
  t.same(
    begun.map((event) => event.event === 'progress' && [event.name, event.size]),
    [
      ['a.txt', 5],
      ['b.png', 0],
    ],
  )
})

t.test('tells the progress of a stream, whose size is unknown', async (t) => {
  const folder = t.testdir()
  const receiver = await startReceiver(t, ['--json', '--once', '--out', join(folder, 'out')], { covered: true })
  const sender = start(t, 'tcp-send', ['--json', '--name', 'x', '-', '127.0.0.1', receiver.port], {
    input: 'pipe',
    covered: true,
  })
  await sender.write(bytesOf(300_000))
  await receiver.says('stdout', /"event":"progress"/)
  // The first event says 0 and a later one, 200 ms on at the earliest, more: so the stream is kept alive until then.
  while (!/"event":"progress".*"bytes":[1-9]/.test(receiver.stdout)) await sender.write(bytesOf(10_000))
  sender.end()
  const events = readEvents(t, (await receiver.done).stdout)
  const progress = events.flatMap((event) => (event.event === 'progress' ? [event] : []))
  t.equal(progress[0]?.bytes, 0)
  t.ok(progress.every(({ size, name, transfer }) => size === null && name === 'x' && transfer === 1))
  const counts = progress.map(({ bytes }) => bytes)
  t.same(
    counts,
    counts.toSorted((a, b) => a - b),
  )
  t.ok(only(events, 'stored').size >= (counts.at(-1) as number))
  t.equal((await sender.done).code, 0)
})

t.test('tells a refusal on both sides, by its code', async (t) => {
  const folder = t.testdir({ 'a.txt': 'hello', out: { 'a.txt': 'old' } })
  const args = ['--json', '--if-exists', 'fail', '--out', 'out', '--once']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true })
  const sender = await sendTo(t, receiver, ['--json', 'a.txt'], { cwd: folder, covered: true })
  t.equal(sender.code, 5)
  const sent = readEvents(t, sender.stdout)
  t.match(only(sent, 'failed'), { transfer: 1, name: 'a.txt', code: 'refused', reason: 'exists' })
  t.match(only(sent, 'done'), { files: 0, bytes: 0, exitCode: 5 })
  const events = readEvents(t, (await receiver.kill('SIGTERM')).stdout)
  t.match(only(events, 'refused'), { transfer: 1, name: 'a.txt', reason: 'exists' })
  t.match(only(events, 'failed'), { transfer: 0, code: 'terminated' })
  t.match(only(events, 'done'), { files: 0, bytes: 0, exitCode: 143 })
})

t.test('tells a failure before any connection', async (t) => {
  const { host, port } = await unusedPlace()
  const missing = await runCommand(t, 'tcp-send', ['--json', join(t.testdir(), 'missing'), host, port])
  t.match(only(readEvents(t, missing.stdout), 'failed'), { transfer: 0, name: 'missing', code: 'local-file' })
  t.match(only(readEvents(t, missing.stdout), 'done'), { exitCode: 8 })
  t.equal(missing.stderr, '')
  const folder = t.testdir({ file: '' })
  const refused = await runCommand(t, 'tcp-recv', ['--json', '--port', '0', '--out', join(folder, 'file')])
  t.match(only(readEvents(t, refused.stdout), 'failed'), { transfer: 0, code: 'local-file' })
  t.match(only(readEvents(t, refused.stdout), 'done'), { exitCode: 8 })
})
