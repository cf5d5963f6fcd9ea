/** The real commands, when a sender is killed, interrupted in a pause, or told not to try again. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Running, sendTo, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.jobs = 2
const parallel = { timeout: 120_000 }
const content = bytesOf(12_000_000)

function folderOf(t: Test): string {
  const folder = t.testdir()
  writeFileSync(join(folder, 'big.iso'), content)
  return folder
}

/** Starts a sender that is slow enough to be stopped in the middle, and waits until it is there. */
async function inTheMiddle(t: Test, folder: string, receiver: Running & { port: string }, args: string[] = []) {
  const all = ['--limit', '4M', ...args, 'big.iso', '127.0.0.1', receiver.port]
  const sender = start(t, 'tcp-send', all, { cwd: folder })
  await receiver.says('stdout', /"event":"progress".*"bytes":[1-9]\d{6},/)
  return sender
}

t.test('a sender that is killed goes on when it is run again', parallel, async (t) => {
  const folder = folderOf(t)
  const receiver = await startReceiver(t, ['--json', '--once', '--out', 'out'], { cwd: folder })
  const killed = await inTheMiddle(t, folder, receiver)
  await killed.kill('SIGKILL')
  await receiver.says('stdout', /"event":"failed"/)
  const { code, stdout } = await sendTo(t, receiver, ['--json', 'big.iso'], { cwd: folder })
  t.equal(code, 0)
  const { resumed } = only(readEvents(t, stdout), 'sent')
  t.ok(Number(resumed) >= 1_000_000, `${resumed} bytes were there`)
  t.equal((await receiver.done).code, 0)
  t.ok(readFileSync(join(folder, 'out/big.iso')).equals(content))
  t.strictSame(namesIn(join(folder, 'out')), ['big.iso'])
})

t.test('an interruption ends the pause, and what came stays kept', parallel, async (t) => {
  const folder = folderOf(t)
  const receiver = await startReceiver(t, ['--json', '--out', 'out'], { cwd: folder })
  const sender = await inTheMiddle(t, folder, receiver)
  await receiver.kill('SIGKILL')
  await sender.says('stderr', /going on in 1 second/)
  sender.child.kill('SIGINT')
  t.equal((await sender.done).code, 130)
  t.ok(existsSync(join(folder, 'out/.tcp-recv')))
})

t.test('without retries, a break is a failure at once', parallel, async (t) => {
  const folder = folderOf(t)
  const receiver = await startReceiver(t, ['--json', '--out', 'out'], { cwd: folder })
  const sender = await inTheMiddle(t, folder, receiver, ['--retry', '0'])
  await receiver.kill('SIGKILL')
  const { code, stderr } = await sender.done
  t.equal(code, 6)
  t.notMatch(stderr, /going on|tried again/)
})
