/** `--streams` of both commands: pipes, signals, and values that it does not take. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Receiver, runCommand, sendTo, start, startReceiver } from '../fixtures/commands.ts'
import { bytesOf, folders } from '../fixtures/folder.ts'
import { startPythonReceiver } from '../fixtures/python.ts'
import { withoutProgram } from '../fixtures/required.ts'
import { Roads } from '../fixtures/roads.ts'

const content = bytesOf(5 * 1024 * 1024 + 3)

/** The last event of that name. */
function eventOf(stdout: string, name: string): Record<string, unknown> {
  const events = stdout.split('\n').filter((line) => line.startsWith('{'))
  return events.map((line) => JSON.parse(line)).findLast(({ event }) => event === name)
}

t.test('carries a pipe over several connections, and says how many in --json', async (t) => {
  const { out } = folders(t)
  const receiver = await startReceiver(t, ['--out', out, '--count', '1', '--json', '--streams', '8'])
  const roads = await Roads.to(t, Number(receiver.port))
  const args = ['-', '127.0.0.1', String(roads.port), '--name', 'pipe', '--streams', '3', '--json']
  const sender = start(t, 'tcp-send', args, { input: 'pipe' })
  const sent = createHash('sha256')
  let isLoaded = false
  void roads.loaded(3).then(() => {
    isLoaded = true
  })
  while (!isLoaded) {
    sent.update(content)
    await sender.write(content)
  }
  sender.end()
  t.equal((await sender.done).code, 0)
  t.equal((await receiver.done).code, 0)
  for (const { stdout } of [sender, receiver]) t.match(eventOf(stdout, 'ended'), { complete: true, connections: 3 })
  const stored = createHash('sha256').update(readFileSync(join(out, 'pipe')))
  t.equal(stored.digest('hex'), sent.digest('hex'))
})

t.test('goes from standard input to standard output', async (t) => {
  const receiver = await startReceiver(t, ['--out', '-'])
  const sent = await sendTo(t, receiver, ['-', '--streams', '4'], { input: content })
  t.equal(sent.code, 0, sent.stderr)
  t.equal((await receiver.done).code, 0)
  t.ok(receiver.bytes('stdout').equals(content))
})

/** A pipe under way over three connections, which never ends by itself. */
async function underWay(t: Test, out: string) {
  const receiver = await startReceiver(t, ['--out', out, '--streams', '3'])
  const roads = await Roads.to(t, Number(receiver.port))
  const args = ['-', '127.0.0.1', String(roads.port), '--name', 'pipe', '--streams', '3']
  const sender = start(t, 'tcp-send', args, { input: 'pipe' })
  let isOver = false
  const feed = async () => {
    while (!isOver && (await sender.write(content)));
  }
  void feed()
  t.teardown(() => {
    isOver = true
  })
  await roads.loaded(3)
  return { receiver, sender }
}

/** Nothing has the final name. */
function hasNothing(t: Test, out: string): void {
  t.strictSame(
    readdirSync(out).filter((name) => name !== '.tcp-recv'),
    [],
  )
}

async function stillReceives(t: Test, receiver: Receiver, out: string): Promise<void> {
  const sent = await sendTo(t, receiver, ['-', '--name', 'next', '--streams', '2'], { input: content })
  t.equal(sent.code, 0, sent.stderr)
  t.ok(readFileSync(join(out, 'next')).equals(content))
}

t.test('a sender that is interrupted leaves nothing behind, and the receiver takes the next', async (t) => {
  const { out } = folders(t)
  const { receiver, sender } = await underWay(t, out)
  t.equal((await sender.kill('SIGINT')).code, 130)
  await receiver.says('stderr', /interrupted/)
  hasNothing(t, out)
  await stillReceives(t, receiver, out)
})

t.test('a sender that is killed leaves nothing behind, and the receiver takes the next', async (t) => {
  const { out } = folders(t)
  const { receiver, sender } = await underWay(t, out)
  await sender.kill('SIGKILL')
  await receiver.says('stderr', /ECONNRESET|closed|broke/)
  hasNothing(t, out)
  await stillReceives(t, receiver, out)
})

t.test('a receiver that is interrupted leaves nothing behind, and tells the sender', async (t) => {
  const { out } = folders(t)
  const { receiver, sender } = await underWay(t, out)
  t.equal((await receiver.kill('SIGINT')).code, 130)
  const { code, stderr } = await sender.done
  t.equal(code, 6)
  t.match(stderr, /the receiver .*interrupted/)
  hasNothing(t, out)
})

t.test(
  'sends over one connection to a receiver that knows nothing of it',
  { skip: withoutProgram('python3') },
  async (t) => {
    const { folder, path } = folders(t, { 'file.bin': content })
    const out = join(folder, 'python')
    mkdirSync(out)
    const { port } = await startPythonReceiver(t, out)
    const args = [path('file.bin'), '127.0.0.1', port, '--streams', '4', '--json']
    const { code, stdout, stderr } = await runCommand(t, 'tcp-send', args)
    t.equal(code, 0, stderr)
    t.notOk('connections' in eventOf(stdout, 'ended'))
    t.ok(readFileSync(join(out, 'file.bin')).equals(content))
  },
)

t.test('takes a number from 1 to 64, or auto, and no more than one with --plain', async (t) => {
  const folder = t.testdir()
  const commands = { 'tcp-send': [folder, '127.0.0.1', '9'], 'tcp-recv': ['--port', '0', '--out', folder] }
  for (const command of ['tcp-send', 'tcp-recv'] as const) {
    for (const value of ['0', '65', 'many']) {
      const { code, stderr } = await runCommand(t, command, [...commands[command], '--streams', value])
      t.equal(code, 2)
      t.match(stderr, /--streams .*from 1 to 64/)
    }
    const { code, stderr } = await runCommand(t, command, [...commands[command], '--plain', '--streams', '2'])
    t.equal(code, 2)
    t.match(stderr, '--plain does not go with several')
  }
})
