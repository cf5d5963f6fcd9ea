/** `--exec` and the names that a stranger chooses: no shell ever reads them, and they arrive as they are. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sendTo, startReceiver } from '../fixtures/commands.js'
import { namesIn } from '../fixtures/folder.js'
import { eventFields } from '../fixtures/json-events.js'
import { digest } from '../fixtures/peer-frames.js'

/** Each of them would make a file called `seen` if any shell read it. */
const names = [
  '$(touch seen)',
  '`touch seen`',
  '; touch seen',
  '| touch seen',
  "a' ; touch seen ; '",
  'a" ; touch seen ; "',
  '> seen',
  '-rf',
  '--help',
  '*',
  '~',
  '$HOME',
  'a b  c',
  ' leading and trailing ',
  '%s%n',
  'back\\slash',
  'Grüße 👋',
]

/** Keeps what it is told in two files, each fact ended by a byte that no fact can hold. */
const hook = `printf '%s\\0' "$TCP_TRANSFER_NAME" "$TCP_TRANSFER_PATH" "$TCP_TRANSFER_SIZE" >>facts
printf '%s\\0' "$TCP_TRANSFER_BLAKE3" "$TCP_TRANSFER_TYPE" "$TCP_TRANSFER_PEER" "$TCP_TRANSFER_VERIFIED" >>facts
printf '%s\\0' "$#" >>facts
cat >>events`

t.test('tells the facts of every file as they are, one file after the other', async (t) => {
  const folder = t.testdir({ from: Object.fromEntries(names.map((name) => [name, `of ${name}`])) })
  writeFileSync(join(folder, 'hook.sh'), hook)
  const args = ['--json', '--once', '--exec', 'sh hook.sh', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true })
  const paths = names.map((name) => `./${name}`)
  t.equal((await sendTo(t, receiver, paths, { cwd: join(folder, 'from') })).code, 0)
  const { code, stdout } = await receiver.done
  t.equal(code, 0)

  const told = readFileSync(join(folder, 'facts'), 'utf8').split('\0')
  const facts = names.map((_, index) => told.slice(8 * index, 8 * index + 8))
  for (const [index, name] of names.entries()) {
    const text = `of ${name}`
    const [size, blake3] = [String(Buffer.byteLength(text)), digest(text)]
    t.match(facts[index], [name, `out/${name}`, size, blake3, String, /^127\.0\.0\.1:\d+$/, 'true', '0'], name)
  }
  const events = readFileSync(join(folder, 'events'), 'utf8').trimEnd().split('\n')
  const printed = stdout.split('\n').filter((line) => line.includes('"event":"stored"'))
  t.strictSame(
    events.map((line) => ({ v: 1, ...JSON.parse(line) })),
    printed.map((line) => JSON.parse(line)),
    'standard input is the event',
  )
  t.strictSame(
    Object.keys(JSON.parse(events[0] as string)).sort(),
    ['event', ...Object.keys(eventFields.stored)]
      .filter((field) => !['files', 'directory', 'key', 'resumed', 'wire', 'reused'].includes(field))
      .sort(),
  )
  t.strictSame(namesIn(folder), ['events', 'facts', 'from', 'hook.sh', 'out'], 'no shell has seen them')
  t.strictSame(namesIn(join(folder, 'out')), names.toSorted())
})

t.test('fails with the first that failed, whatever became of the others, and all files stay', async (t) => {
  const folder = t.testdir({ a: '1', b: '2', c: '3' })
  const script = 'case $TCP_TRANSFER_NAME in a) exit 0;; b) kill -KILL $$;; *) exit 3;; esac'
  writeFileSync(join(folder, 'hook.sh'), script)
  const receiver = await startReceiver(t, ['--json', '--once', '--exec', 'sh hook.sh', '--out', 'out'], { cwd: folder })
  t.equal((await sendTo(t, receiver, ['a', 'b', 'c'], { cwd: folder })).code, 0, 'the sender knows nothing of it')
  const { code, stdout } = await receiver.done
  t.equal(code, 10)
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(
    events.filter(({ event }) => event === 'failed'),
    [
      { name: 'b', code: 'hook', message: '--exec sh was ended by SIGKILL' },
      { name: 'c', code: 'hook', message: '--exec sh ended with exit status 3' },
    ],
  )
  t.match(events.at(-1), { event: 'done', files: 3, exitCode: 10 })
  t.strictSame(namesIn(join(folder, 'out')), ['a', 'b', 'c'])
})

t.test('waits for the program of the last file, and goes on receiving meanwhile', async (t) => {
  const folder = t.testdir({ a: '1', b: '2', wait: {} })
  writeFileSync(join(folder, 'hook.sh'), 'while [ ! -e go ]; do sleep 0.05; done; echo "$TCP_TRANSFER_NAME" >>order')
  const receiver = await startReceiver(t, ['--count', '2', '--exec', 'sh hook.sh', '--out', 'out'], { cwd: folder })
  for (const name of ['a', 'b']) t.equal((await sendTo(t, receiver, [name], { cwd: folder })).code, 0)
  t.equal(receiver.child.exitCode, null)
  writeFileSync(join(folder, 'go'), '')
  t.match(await receiver.done, { code: 0, stdout: 'out/a\nout/b\n' })
  t.equal(readFileSync(join(folder, 'order'), 'utf8'), 'a\nb\n')
})
