/** A sender that listens, as a command: many receivers at once, some of them slow or gone, and the end of it all. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { portOf, type Running, runCommand, type StartOptions, start } from '../fixtures/commands.js'
import { bytesOf, filesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { jumpingClock, jumpUntil } from '../fixtures/jumping-clock.js'
import { digest } from '../fixtures/peer-frames.js'

t.jobs = 2
/** A command that waits for ever fails its test, instead of stopping all of them. */
const bounded = { timeout: 120_000 }

/** `tcp-send --listen` of `file` on a free loopback port, once it listens. */
async function startSender(
  t: Test,
  cwd: string,
  args: string[],
  options: StartOptions = {},
): Promise<{ sender: Running; port: string }> {
  const all = ['--listen', '--host', '127.0.0.1', '--port', '0', '--json', ...args, 'file']
  const sender = start(t, 'tcp-send', all, { cwd, ...options })
  return { sender, port: await portOf(sender) }
}

const fetching = (port: string, ...args: string[]) => ['--connect', '127.0.0.1', '--port', port, '--json', ...args]

/** A receiver in the middle of the file: nobody reads what it writes, so it cannot get on. */
async function startStuck(t: Test, port: string): Promise<Running> {
  const receiver = start(t, 'tcp-recv', fetching(port, '--out', '-'), { paused: true })
  await receiver.says('stderr', /"event":"progress"/)
  return receiver
}

/** The most memory that a process has had, in bytes (proc(5)); null where the system does not tell. */
function peakMemory({ child }: Running): number | null {
  const path = `/proc/${child.pid}/status`
  if (!existsSync(path)) return null
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(path, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

t.test(
  'five receivers at once, one slow and one killed: four whole files and one clear failure',
  bounded,
  async (t) => {
    const content = bytesOf(48_000_000)
    const folder = t.testdir({ file: content })
    const { sender, port } = await startSender(t, folder, ['--count', '5'], { preload: jumpingClock })
    const [slow, killed] = [await startStuck(t, port), await startStuck(t, port)]
    const names = ['one', 'two', 'three']
    const quick = names.map((name) => runCommand(t, 'tcp-recv', fetching(port, '--out', name), { cwd: folder }))
    // Whoever came after the one that broke might be taken for it.
    await sender.until('five transfers', () => ((sender.stdout.match(/"bytes":0,/g) ?? []).length === 5 ? true : null))
    t.equal((await killed.kill('SIGKILL')).signal, 'SIGKILL')
    for (const { code } of await Promise.all(quick)) t.equal(code, 0)
    const memory = peakMemory(sender)
    slow.child.stdout?.resume()
    const last = await slow.done
    t.equal(last.code, 0, 'the slow one has all the time that it needs')
    t.ok(slow.bytes('stdout').equals(content))
    for (const name of names) t.equal(digest(readFileSync(join(folder, name, 'file'))), digest(content))

    await sender.says('stdout', /"event":"waiting"/)
    const { code, stdout } = await jumpUntil(sender, sender.done)
    t.equal(code, 6)
    const events = readEvents(t, stdout)
    t.equal(events.filter(({ event }) => event === 'sent').length, 4)
    const failures = events.filter(({ event }) => event === 'failed')
    t.match(failures, [
      { transfer: 2, code: 'incomplete', reason: 'broken' },
      { transfer: 0, code: 'incomplete', message: /no receiver came back within 30 seconds$/ },
    ])
    t.match(only(events, 'done'), { files: 4, bytes: 4 * content.length, exitCode: 6 })
    // Two of them could not get on: had their share of the file been kept in memory, it would show.
    if (memory !== null) t.ok(memory < 140_000_000, `${memory} bytes of memory`)
  },
)

t.test('a receiver that comes back in time makes it good', bounded, async (t) => {
  const content = bytesOf(20_000_000)
  const folder = t.testdir({ file: content })
  const { sender, port } = await startSender(t, folder, ['--timeout', '600'])
  const killed = await startStuck(t, port)
  await killed.kill('SIGKILL')
  await sender.says('stdout', /"event":"failed"/)
  t.equal((await runCommand(t, 'tcp-recv', fetching(port, '--out', 'out'), { cwd: folder })).code, 0)
  const { code, stdout } = await sender.done
  t.equal(code, 0)
  t.match(only(readEvents(t, stdout), 'failed'), { transfer: 1, code: 'incomplete' })
  t.ok(readFileSync(join(folder, 'out/file')).equals(content))
})

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  t.test(`${signal} ends it with ${code} at once, however long it would have waited`, bounded, async (t) => {
    const folder = t.testdir({ file: bytesOf(20_000_000) })
    const { sender, port } = await startSender(t, folder, ['--timeout', '600', '--wait', '600'])
    const receiver = await startStuck(t, port)
    t.equal((await sender.kill(signal)).code, code)
    receiver.child.stdout?.resume()
    const received = await receiver.done
    t.equal(received.code, 6)
    t.match(only(readEvents(t, received.stderr), 'failed'), { name: 'file', code: 'incomplete' })
  })
}

t.test('a receiver that is interrupted ends with 130, and the sender waits for another', bounded, async (t) => {
  const folder = t.testdir({ file: bytesOf(20_000_000), out: {} })
  const { sender, port } = await startSender(t, folder, ['--timeout', '600'])
  const receiver = await startStuck(t, port)
  t.equal((await receiver.kill('SIGINT')).code, 130)
  const failed = await sender.says('stdout', /\{"v":1,"event":"failed".*\}/)
  t.match(JSON.parse(failed[0]), { code: 'incomplete', reason: 'interrupted' })
  t.equal((await runCommand(t, 'tcp-recv', fetching(port, '--out', 'out'), { cwd: folder })).code, 0)
  t.equal((await sender.done).code, 0)
  t.strictSame(Object.keys(filesIn(join(folder, 'out'))), ['file'])
})
