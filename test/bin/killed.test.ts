import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Running, runCommand, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, namesIn } from '../fixtures/folder.js'

const STEP = 1_000_000
const STEPS = 10
const content = bytesOf(STEP * STEPS)

/** Writes that much of the 10 MB into the sender, no faster than it takes them: a pipe holds only 64 KiB. */
async function feed(sender: Running, bytes: number): Promise<void> {
  for (let at = 0; at < bytes; at += STEP) {
    if (!(await sender.write(content.subarray(at, Math.min(bytes, at + STEP))))) return
  }
}

/** A whole transfer of 10 MB from a pipe, with the sender's input open at its end. */
async function begin(t: Test, out: string, receiverArgs: string[]) {
  const receiver = await startReceiver(t, ['--out', out, ...receiverArgs])
  const args = ['--name', 'big', '-', '127.0.0.1', receiver.port]
  const sender = start(t, 'tcp-send', args, { input: 'pipe' })
  return { receiver, sender }
}

/** The visible names of a folder; each must be whole. */
function wholeFiles(t: Test, out: string): string[] {
  const names = namesIn(out).filter((name) => name !== '.tcp-recv')
  for (const name of names) t.ok(readFileSync(join(out, name)).equals(content), `${name} is whole`)
  return names
}

/** Anywhere in the file, its two ends included. The numbers are told, so that a failure can be repeated. */
function randomMoments(t: Test): number[] {
  const moments = [0, ...Array.from({ length: 3 }, () => Math.floor(Math.random() * content.length)), content.length]
  t.comment(`killed after ${moments.join(', ')} bytes`)
  return moments
}

t.test('a sender that is killed leaves no file behind, and the receiver fails', async (t) => {
  const folder = t.testdir()
  const kill = async (bytes: number) => {
    const out = join(folder, String(bytes))
    const { receiver, sender } = await begin(t, out, ['--one-attempt', '--json'])
    await receiver.says('stdout', /"event":"connected"/)
    await feed(sender, bytes)
    // What has come before the first header is no transfer, and would leave the receiver waiting.
    await receiver.says('stdout', /"event":"progress"/)
    t.equal((await sender.kill('SIGKILL')).signal, 'SIGKILL')
    const { code } = await receiver.done
    t.equal(code, 6, `after ${bytes} bytes`)
    t.same(namesIn(out), [], 'not even in the staging folder')
  }
  await Promise.all(randomMoments(t).map(kill))
})

t.test(
  'a receiver that is killed leaves no file behind, the sender fails, and the next receiver cleans up',
  async (t) => {
    const folder = t.testdir()
    const kill = async (bytes: number) => {
      const out = join(folder, String(bytes))
      const { receiver, sender } = await begin(t, out, ['--json'])
      await receiver.says('stdout', /"event":"progress"/)
      await feed(sender, bytes)
      await receiver.kill('SIGKILL')
      sender.end()
      t.equal((await sender.done).code, 6, `after ${bytes} bytes`)
      t.same(namesIn(out), ['.tcp-recv'])
      const args = ['--host', '127.0.0.1', '--port', '0', '--wait', '0.1', '--out', out]
      t.equal((await runCommand(t, 'tcp-recv', args)).code, 9)
      t.same(namesIn(out), [])
    }
    await Promise.all(randomMoments(t).map(kill))
  },
)

t.test('killed while the file gets its name: there is the whole file or none, and nobody claims more', async (t) => {
  const folder = t.testdir()
  const race = async (victim: 'sender' | 'receiver', index: number) => {
    const out = join(folder, `${victim}${index}`)
    const { receiver, sender } = await begin(t, out, ['--one-attempt', '--json'])
    await feed(sender, content.length)
    sender.end()
    // From here on the end frame, both fsyncs, the link and the answer race with the kill.
    for (let turn = 0; turn < index * 40; turn++) await new Promise(setImmediate)
    if (victim === 'sender') {
      await sender.kill('SIGKILL')
      const { code } = await receiver.done
      t.match(wholeFiles(t, out), code === 0 ? ['big'] : [])
      t.ok(code === 0 || code === 6, `the receiver ended with ${code}`)
    } else {
      await receiver.kill('SIGKILL')
      const { code } = await sender.done
      const files = wholeFiles(t, out)
      t.ok(code === 6 || (code === 0 && files.length === 1), `the sender ended with ${code}`)
    }
  }
  await Promise.all([0, 1, 2].flatMap((index) => [race('sender', index), race('receiver', index)]))
})

t.test('a receiver that starts beside another leaves what that one is receiving', async (t) => {
  const out = join(t.testdir(), 'out')
  const { receiver, sender } = await begin(t, out, ['--once', '--json'])
  await receiver.says('stdout', /"event":"progress"/)
  await feed(sender, 2 * STEP)
  const args = ['--host', '127.0.0.1', '--port', '0', '--wait', '0.1', '--out', out]
  t.equal((await runCommand(t, 'tcp-recv', args)).code, 9)
  t.ok(existsSync(join(out, '.tcp-recv')))
  sender.write(content.subarray(2 * STEP))
  sender.end()
  t.equal((await sender.done).code, 0)
  t.equal((await receiver.done).code, 0)
  t.same(wholeFiles(t, out), ['big'])
  t.same(namesIn(out), ['big'])
})
