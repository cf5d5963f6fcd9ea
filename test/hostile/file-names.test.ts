/** Hostile names, as a sender can say them, against the real receiver: nothing leaves the folder, or reaches a terminal. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { IfExists } from '../../dist/index.js'
import { startReceiver } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { entryFrames, type Frame, frame, senderOpening } from '../fixtures/peer-frames.ts'

/** Sends each name as an entry of one transfer; the answers in their order. */
async function offer(t: Test, out: string, names: readonly string[], options: { ifExists?: IfExists } = {}) {
  const receiver = await startReceiver(t, { out, ...options })
  const peer = await Peer.dial(t, receiver.port)
  const entries = names.flatMap((name) => entryFrames(name, 'hostile'))
  peer.finish(senderOpening, ...entries, frame('F', { entries: names.length }))
  t.equal(await peer.ended, 'end')
  await peer.closed
  await receiver.stop()
  const answers = peer.frames.filter(({ type }) => type === 'S' || type === 'R')
  t.equal(answers.length, names.length, 'each entry has its answer')
  return { answers, receiver }
}

const said = ({ type, fields }: Frame) => `${type} ${fields.reason ?? fields.name}`

t.test('refuses every name that could leave the folder, lie on a terminal or change what a program does', async (t) => {
  const names = [
    '../evil',
    'a/../../evil',
    '..',
    'a/..',
    '/etc/cron.d/x',
    '..\\evil',
    '\\evil',
    '',
    '.',
    'a//b',
    'a/',
    'a/b',
    'nul\0byte',
    'new\nline',
    'carriage\rreturn',
    '\u001b[1A\rharmless',
    '\u001b]52;c;ZXZpbA==\u0007',
    'c1\u009b2J',
    'del\u007f',
    'line\u2028separator',
    'txt.\u202egpj.exe',
    'isolate\u2066',
    '.bashrc',
    '.ssh/authorized_keys',
    '...',
    '.tcp-recv',
    '.TCP-RECV',
    'x'.repeat(256),
    'é'.repeat(128),
    'a/'.repeat(2_500),
    'd/'.repeat(2_000),
  ]
  const folder = t.testdir({ out: {} })
  const { answers, receiver } = await offer(t, join(folder, 'out'), [...names, 'ordinary'])
  t.strictSame(answers.map(said), [...names.map(() => 'R name'), 'S ordinary'])
  for (const { fields } of answers) t.notMatch(fields.message ?? '', /[\p{Cc}\u2028\u202a-\u202e\u2066-\u2069]/u)
  t.equal(receiver.events.of('refused').length, names.length)
  t.strictSame(namesIn(folder), ['out'])
  t.strictSame(filesIn(join(folder, 'out')), { ordinary: 'hostile' })
})

t.test('refuses names that are not Unicode with the whole transfer', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  for (const bytes of ['fffe', 'c0af', 'eda080']) {
    const peer = await Peer.dial(t, receiver.port)
    const json = Buffer.concat([Buffer.from('{"size":0,"name":"'), Buffer.from(bytes, 'hex'), Buffer.from('"}')])
    await peer.write(senderOpening, frame('H', json))
    t.match((await peer.next('R')).fields, { entry: null, reason: 'protocol' })
    peer.finish()
    await peer.closed
  }
  await receiver.stop()
  t.strictSame(namesIn(out), [])
})

t.test('tells names apart where the file system does, and loses nothing where it does not', async (t) => {
  const out = t.testdir()
  const { answers } = await offer(t, out, ['README', 'readme', '\u00e9', 'e\u0301'])
  const stored = answers.map(({ fields }) => fields.name as string)
  t.equal(new Set(stored).size, 4)
  t.strictSame(namesIn(out), [...stored].sort())
})

/** What may be there already under the final name. Nothing of it may be followed, opened or waited for. */
const obstacles: Record<string, (path: string) => unknown> = {
  'a file': (path) => writeFileSync(path, 'old'),
  'a link': (path) => symlinkSync('../outside.txt', path),
  'a dangling link': (path) => symlinkSync('../nowhere', path),
  'a link to itself': (path) => symlinkSync('taken.txt', path),
  'a folder': (path) => mkdirSync(path),
}

for (const [what, make] of Object.entries(obstacles)) {
  t.test(`leaves ${what} of the same name alone, or replaces it as a whole`, async (t) => {
    const expected: Record<IfExists, string> = {
      backup: 'S taken_bak.txt',
      fail: 'R exists',
      skip: 'R skipped',
      overwrite: what === 'a folder' ? 'R exists' : 'S taken.txt',
    }
    for (const [ifExists, wanted] of Object.entries(expected) as [IfExists, string][]) {
      const folder = t.testdir({ 'outside.txt': 'outside', out: {} })
      const out = join(folder, 'out')
      make(join(out, 'taken.txt'))
      const before = lstatSync(join(out, 'taken.txt'))
      const { answers } = await offer(t, out, ['taken.txt'], { ifExists })
      t.strictSame(answers.map(said), [wanted], ifExists)
      const after = lstatSync(join(out, 'taken.txt'))
      if (wanted === 'S taken.txt') t.ok(after.isFile() && readFileSync(join(out, 'taken.txt'), 'utf8') === 'hostile')
      else t.equal(after.ino, before.ino)
      t.equal(readFileSync(join(folder, 'outside.txt'), 'utf8'), 'outside')
      t.strictSame(readdirSync(folder).sort(), ['out', 'outside.txt'])
    }
  })
}

t.test('does not wait for a socket of the same name', async (t) => {
  const out = t.testdir()
  const server = createServer()
  // A path to a socket may have a hundred bytes or so, and the folder of a test has more.
  const cwd = process.cwd()
  process.chdir(out)
  t.teardown(() => process.chdir(cwd))
  await new Promise<void>((resolve) => server.listen('taken.txt', resolve))
  t.teardown(() => server.close())
  const { answers } = await offer(t, '.', ['taken.txt'])
  t.strictSame(answers.map(said), ['S taken_bak.txt'])
  t.ok(lstatSync('taken.txt').isSocket())
})
