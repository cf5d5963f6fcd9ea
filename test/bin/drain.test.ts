/** `--drain`: what a SIGTERM does then. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { start as startCommand, startReceiver } from '../fixtures/commands.ts'

/** A receiver, and a sender whose input is open. */
async function underWay(t: Test) {
  const root = t.testdir({ out: {} })
  const receiver = await startReceiver(t, ['--drain', '--metrics', '0', '--out', join(root, 'out')], { covered: true })
  const [, url = ''] = await receiver.says('stderr', /metrics: (http:\S+)/)
  const args = ['--name', 'stream', '--retry', '0', '-', '127.0.0.1', receiver.port]
  const sender = startCommand(t, 'tcp-send', args, { input: 'pipe' })
  sender.child.stdin?.write(Buffer.alloc(4096, 'a'))
  // A connection has no line of its own.
  while (!/^tcp_recv_transfers_active 1$/m.test(await (await fetch(url)).text()));
  return { root, receiver, sender, url }
}

t.test('completes what is under way, and takes nothing new', async (t) => {
  const { root, receiver, sender, url } = await underWay(t)
  receiver.child.kill('SIGTERM')
  await receiver.says('stderr', /takes nothing new, and ends after what is under way/)
  t.equal((await fetch(url.replace('metrics', 'health'))).status, 503)
  writeFileSync(join(root, 'late'), 'late')
  const late = startCommand(t, 'tcp-send', [join(root, 'late'), '127.0.0.1', receiver.port])
  t.match(await late.done, { code: 3 })
  sender.child.stdin?.end('b')
  t.match(await sender.done, { code: 0 })
  t.match(await receiver.done, { code: 0, stdout: `${join(root, 'out', 'stream')}\n` })
  t.equal(readFileSync(join(root, 'out', 'stream'), 'utf8'), `${'a'.repeat(4096)}b`)
})

t.test('is ended by a second signal', async (t) => {
  const { receiver, sender } = await underWay(t)
  receiver.child.kill('SIGTERM')
  await receiver.says('stderr', /takes nothing new/)
  receiver.child.kill('SIGTERM')
  t.match(await receiver.done, { code: 143 })
  t.match(await sender.done, { code: 6 })
})
