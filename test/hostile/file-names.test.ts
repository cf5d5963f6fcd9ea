/** Hostile names, as a sender can say them, against the real receiver: nothing leaves the folder, or reaches a terminal. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { countCalls } from '../fixtures/disk.ts'
import { startReceiver } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { entryFrames, type Frame, frame, senderOpening } from '../fixtures/peer-frames.ts'

/** Sends each name as an entry of one transfer; the answers in their order. */
async function offer(t: Test, out: string, names: readonly string[], options: { allowHidden?: boolean } = {}) {
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

/** C0, DEL, C1, the separators of lines and paragraphs, and what changes the direction of text. */
const unsafe = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0x2028, 0x2029],
  [0x202a, 0x202e],
  [0x2066, 0x2069],
].flatMap(([first = 0, last = 0]) =>
  Array.from({ length: last - first + 1 }, (_, index) => String.fromCharCode(first + index)),
)

t.test('refuses every name that could leave the folder, lie on a terminal or change what a program does', async (t) => {
  const names = [
    '../evil',
    'a/../../evil',
    '..',
    '../..',
    'a/..',
    './a',
    '/',
    '/etc/cron.d/x',
    '..\\evil',
    '\\evil',
    'a\\..\\..\\evil',
    'a\\',
    '',
    '.',
    'a//b',
    'a/',
    'a/b',
    '\u001b[1A\rharmless',
    '\u001b]52;c;ZXZpbA==\u0007',
    ...unsafe.map((character) => `txt.${character}gpj.exe`),
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

t.test('stores every other name as it is, a second time under a name of its own', async (t) => {
  const longest = ['x'.repeat(255), `${'é'.repeat(125)}.tar`, `${'😀'.repeat(62)}.tar.gz`]
  const names = [
    ...['%2e%2e%2f', '%00', 'a%2fb', '．．／x', 'a\u2215b', 'aux.c', 'a:b.log', 'name.', ' name', 'x...', '__proto__'],
    ...['-rf', '--help', '~', '$(id)', '`id`', '; rm x', '* ?', '"quoted"', 'constructor', 'stdin', '_bak', 'a_bak'],
    ...['👨‍👩‍👧.png', '\u200eعربي\u200f.txt', '\u061cملف', '漢字', '\ufeffbom', '\ufffd', ...longest],
  ]
  const out = t.testdir()
  const { answers } = await offer(t, out, [...names, ...names])
  const stored = answers.map(({ type, fields }) => `${type === 'S' ? fields.name : ''}`)
  t.strictSame(stored.slice(0, names.length), names)
  t.equal(new Set(stored).size, stored.length, 'none replaces another')
  t.strictSame(filesIn(out), Object.fromEntries(stored.toSorted().map((name) => [name, 'hostile'])))
})

t.test('takes hidden names where they are allowed, and no others for that', async (t) => {
  const folder = t.testdir({ out: {} })
  const hidden = ['.bashrc', '..hidden', '...', '.tcp-recv2']
  const never = ['.', '..', '.ssh/authorized_keys', '.tcp-recv', '.TCP-Recv', '.\u202e', '../.bashrc', '.\\evil']
  const { answers } = await offer(t, join(folder, 'out'), [...hidden, ...never], { allowHidden: true })
  t.strictSame(answers.map(said), [...hidden.map((name) => `S ${name}`), ...never.map(() => 'R name')])
  t.strictSame(namesIn(folder), ['out'])
  t.strictSame(namesIn(join(folder, 'out')), hidden.toSorted())
})

t.test('asks no disk about a name that it refuses', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const callsFor = async (names: readonly string[]) => {
    const peer = await Peer.dial(t, receiver.port)
    const counts = await countCalls(async () => {
      peer.finish(
        senderOpening,
        ...names.flatMap((name) => entryFrames(name, '')),
        frame('F', { entries: names.length }),
      )
      await peer.closed
    })
    return Object.fromEntries(counts)
  }
  const none = await callsFor([])
  t.strictSame(await callsFor(['d/'.repeat(2_000), '../evil', '/etc/passwd', 'a\0b', 'x'.repeat(256)]), none)
  t.notSame(await callsFor(['good.txt']), none)
  await receiver.stop()
})
