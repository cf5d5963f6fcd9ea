import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { SentEvent, StoredEvent } from '../../dist/events.js'
import { digest } from '../fixtures/peer-frames.js'
import { reporter } from '../fixtures/reporter.js'
import { withoutProgram } from '../fixtures/required.js'

const blake3 = 'ab'.repeat(32)
const known = { transfer: 1, name: 'a', size: 3, type: 'text/plain', verified: true, seconds: 0 }

/** A reporter that has opened its receipt. */
async function opened(options: Parameters<typeof reporter>[0]) {
  const created = await reporter(options)
  created.open()
  return created
}

function stored(path: string): StoredEvent {
  return { event: 'stored', peer: '127.0.0.1:5', path, blake3, ...known }
}

function sent(path: string, blake3: string): SentEvent {
  return { event: 'sent', path, storedAs: 'a', blake3, ...known }
}

t.test('says which receipt cannot be written', async (t) => {
  const path = join(t.testdir({ file: '' }), 'file', 'receipt')
  const { open } = await reporter({ receipt: path })
  t.throws(open, { code: 'local-file', message: `cannot write ${path}: not a directory (ENOTDIR)` })
})

t.test(
  'ends the transfer when the receipt cannot be written any more',
  { skip: !existsSync('/dev/full') && 'there is no /dev/full' },
  async (t) => {
    const { onEvent, aborted, close } = await opened({ receipt: '/dev/full' })
    onEvent(stored('dir/a'))
    t.match(await close(), { code: 'local-file', reason: 'output' }, 'and the command, where it was over already')
    t.match(aborted, [{ code: 'local-file', reason: 'output', message: /^cannot write \/dev\/full: / }])
    t.match(
      aborted,
      [{ peerMessage: 'it cannot write its own output' }],
      'nothing is wrong with the disk that files are stored on',
    )
  },
)

t.test(
  'tells of a line that is missing where the transfer was over already',
  { skip: !existsSync('/dev/full') && 'there is no /dev/full' },
  async (t) => {
    const { onEvent, stdout, close } = await opened({ receipt: '/dev/full', json: true })
    const done = { event: 'done', files: 1, bytes: 3, seconds: 0 } as const
    onEvent(sent('a', blake3))
    onEvent({ ...done, exitCode: 0 })
    t.match(await close(), { code: 'local-file' })
    const events = stdout.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.match(events, [
      { event: 'sent' },
      { event: 'failed', transfer: 0, code: 'local-file', reason: 'output', message: /^cannot write \/dev\/full/ },
      { event: 'done', files: 1, exitCode: 8 },
    ])
  },
)

t.test('writes a line of the receipt as soon as its file is done', async (t) => {
  const path = join(t.testdir(), 'receipt')
  const { onEvent, close } = await opened({ receipt: path, json: true, quiet: true })
  t.equal(readFileSync(path, 'utf8'), '')
  onEvent({ event: 'listening', address: '127.0.0.1', port: 9000 })
  onEvent(stored('dir/a'))
  t.equal(readFileSync(path, 'utf8'), `${blake3}  dir/a\n`)
  onEvent({ event: 'failed', transfer: 1, name: 'c', code: 'incomplete', reason: 'broken', message: 'bad' })
  onEvent(sent('b', blake3))
  t.equal(readFileSync(path, 'utf8'), `${blake3}  dir/a\n${blake3}  b\n`)
  await close()
})

t.test('has a line for each file of a directory, and none for the directory', async (t) => {
  const path = join(t.testdir(), 'receipt')
  const { onEvent, close } = await opened({ receipt: path })
  onEvent({ ...stored('dir/d/a'), directory: 'd' })
  onEvent({ ...sent('d/b', blake3), directory: 'd' })
  onEvent({ ...stored('dir/d'), files: 2 })
  onEvent({ ...sent('e', blake3), files: 0 })
  await close()
  t.equal(readFileSync(path, 'utf8'), `${blake3}  dir/d/a\n${blake3}  d/b\n`)
})

t.test('begins a receipt anew', async (t) => {
  const path = join(t.testdir({ receipt: 'from an earlier run\n' }), 'receipt')
  const { close } = await opened({ receipt: path })
  await close()
  t.equal(readFileSync(path, 'utf8'), '')
})

t.test('escapes a name in a receipt as b3sum does', { skip: withoutProgram('b3sum') }, async (t) => {
  const folder = t.testdir()
  const names = [
    'plain',
    'a b',
    'back\\slash',
    'back\\nslash',
    'new\nline',
    'return\rhere',
    ' lead',
    '-dash',
    'ünï',
    '\\',
  ]
  const { onEvent, close } = await opened({ receipt: join(folder, 'receipt') })
  for (const name of names) {
    writeFileSync(join(folder, name), name)
    onEvent(sent(`./${name}`, digest(name)))
  }
  await close()
  const checked = spawnSync('b3sum', ['--check', 'receipt'], { cwd: folder, encoding: 'utf8' })
  t.equal(checked.status, 0, checked.stdout + checked.stderr)
  t.equal(checked.stdout.trimEnd().split('\n').length, names.length)
  writeFileSync(join(folder, 'plain'), 'other bytes')
  t.equal(spawnSync('b3sum', ['--check', 'receipt'], { cwd: folder }).status, 1)
})
