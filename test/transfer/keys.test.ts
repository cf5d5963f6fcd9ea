/** Transfers with a key, in both directions, and what both sides say if only one of them has it. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { type KeyOption, keysOf } from '../../dist/keys.js'
import { fakeClock, passUntil } from '../fixtures/clock.ts'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { key, otherKey } from '../fixtures/keys.ts'
import { Peer } from '../fixtures/peer.ts'

const content = 'a secret of sixteen bytes or more\n'.repeat(100_000)
const fingerprint = keysOf(key)[0]?.fingerprint

/** A file to send, and an empty folder to store in. */
function place(t: Test): { file: string; out: string } {
  const root = t.testdir({ 'file.txt': content })
  return { file: join(root, 'file.txt'), out: join(root, 'out') }
}

t.test('sends files, directories, pipes and messages with a key, whoever dials', async (t) => {
  const { file, out } = place(t)
  const folder = join(t.testdirName, 'tree')
  mkdirSync(join(folder, 'deep', 'er'), { recursive: true })
  writeFileSync(join(folder, 'deep', 'er', 'small.txt'), 'small')
  writeFileSync(join(folder, 'large.bin'), Buffer.alloc(3_000_000, 'x'))
  const sources = () => [
    file,
    folder,
    { stream: Readable.from([Buffer.from('one'), Buffer.alloc(200_000)]), name: 'pipe' },
    { text: 'a message' },
    ...Array.from({ length: 20 }, (_, index) => ({ path: file, name: `copy-${index}` })),
  ]
  for (const isReverse of [false, true]) {
    const to = join(out, String(isReverse))
    const listener = isReverse
      ? await startSender(t, sources(), { key })
      : await startReceiver(t, { out: to, count: 1, key })
    const dialler = isReverse
      ? await tryReceive(t, listener.port, { out: to, key })
      : await trySend(t, listener.port, sources(), { key })
    t.equal(dialler.error, undefined)
    t.equal((await listener.ended).error, undefined)
    const files = filesIn(to)
    t.equal(files['file.txt'], content)
    t.equal(files['copy-19'], content)
    t.equal(files['tree/deep/er/small.txt'], 'small')
    t.equal(files['tree/large.bin']?.length, 3_000_000)
    t.equal(files.pipe?.length, 200_003)
    const receiver = isReverse ? dialler : listener
    t.match(receiver.events.of('message'), [{ text: 'a message' }])
    t.match(listener.events.of('listening'), [{ keys: 1, fingerprint }])
    for (const { events } of [listener, dialler]) t.match(events.of('connected'), [{ fingerprint }])
  }
})

/** Every file below a folder, by its path. */
function filesIn(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name)).sort()
  return Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path, 'utf8')]))
}

/** Who has which key: the listener's, the dialler's, and what each says. */
const cases = [
  { title: 'only the listener', listener: key, dialler: undefined },
  { title: 'only the dialler', listener: undefined, dialler: key },
  { title: 'another one', listener: key, dialler: otherKey },
]

const says = {
  'only the listener': {
    listener: /the other side has no key.*--key-file there/,
    dialler: /only peers with its key.*--key-file/,
  },
  'only the dialler': {
    listener: /this side has none.*--key-file|no key/,
    dialler: /the other side has no key.*--key-file there/,
  },
  'another one': { listener: /another key.*--fingerprint/, dialler: /does not take this key.*--fingerprint/ },
} as Record<string, { listener: RegExp; dialler: RegExp }>

for (const { title, listener: own, dialler: theirs } of cases) {
  t.test(`a sender dials, and a key has ${title}`, async (t) => {
    const { file, out } = place(t)
    const receiver = await startReceiver(t, { out, ...(own ? { key: own } : {}) })
    const { error, events } = await trySend(t, receiver.port, file, theirs ? { key: theirs } : {})
    t.match(error, { code: 'key', exitCode: 4, reason: 'key', message: says[title]?.dialler })
    t.match(events.of('failed'), [{ code: 'key' }])
    const refused = await receiver.events.until('refused')
    t.match(refused, { code: 'key', reason: 'key', message: says[title]?.listener })
    t.strictSame(receiver.events.of('connected'), [], 'nothing was taken')
    const { error: good } = await trySend(t, receiver.port, file, own ? { key: own } : {})
    t.equal(good, undefined, 'it goes on listening')
    await receiver.stop()
    t.strictSame(filesIn(out), { 'file.txt': content })
  })

  // A sender with a key would wait half of the header deadline for the first word of a receiver without one.
  if (title !== 'only the listener')
    t.test(`a receiver dials, and a key has ${title}`, async (t) => {
      const { file, out } = place(t)
      const sender = await startSender(t, [file], own ? { key: own } : {})
      const { error } = await tryReceive(t, sender.port, { out, ...(theirs ? { key: theirs } : {}) })
      t.match(error, { code: 'key', exitCode: 4, message: says[title]?.dialler })
      t.match(await sender.events.until('failed'), { code: 'key', message: says[title]?.listener })
      const { error: good } = await tryReceive(t, sender.port, { out, ...(own ? { key: own } : {}) })
      t.equal(good, undefined, 'it goes on listening')
      t.equal((await sender.ended).error, undefined)
      t.strictSame(filesIn(out), { 'file.txt': content })
    })
}

t.test('a sender with a key tells a receiver without one at the deadline', async (t) => {
  const { file, out } = place(t)
  const clock = fakeClock(t)
  const sender = await startSender(t, [file], { key })
  const receiving = tryReceive(t, sender.port, { out })
  await passUntil(clock, receiving)
  t.match((await receiving).error, { code: 'key', exitCode: 4, message: /only peers with its key.*--key-file/ })
  t.match(await sender.events.until('failed'), { code: 'timeout' })
  await passUntil(clock, sender.stop())
})

t.test('two senders, or two receivers, with the same key do not take each other', async (t) => {
  const { file, out } = place(t)
  const sender = await startSender(t, [file], { key })
  const { error } = await trySend(t, sender.port, file, { key })
  t.match(error, { code: 'key', message: /same role|as this side is/ })
  t.match(await sender.events.until('failed'), { code: 'key', message: 'the other side is a sender, as this side is' })
  const receiver = await startReceiver(t, { out, key })
  const { error: other } = await tryReceive(t, receiver.port, { out, key })
  t.match(other, { code: 'key' })
  t.match(await receiver.events.until('refused'), {
    code: 'key',
    message: 'the other side is a receiver, as this side is',
  })
})

t.test('refuses plain with a key, and a key that can be guessed', async (t) => {
  const { file, out } = place(t)
  for (const options of [{ key, plain: true }, { key: 'hunter2' }, { key: [] }]) {
    t.match((await trySend(t, 1, file, options)).error, { code: 'usage' })
    t.match((await tryReceive(t, 1, { out, ...options })).error, { code: 'usage' })
  }
})

t.test('takes any of several keys, says whose it was, and stores in a folder of that name', async (t) => {
  const { file, out } = place(t)
  const keys = [
    { name: 'alice', key },
    { name: 'bob', key: otherKey },
  ]
  const receiver = await startReceiver(t, { out, count: 3, key: keys, perKeyFolder: true })
  t.match(receiver.events.of('listening'), [{ keys: 2, fingerprint: undefined }])
  t.equal((await trySend(t, receiver.port, file, { key: otherKey })).error, undefined)
  t.equal((await trySend(t, receiver.port, file, { key })).error, undefined)
  t.equal((await trySend(t, receiver.port, [file, { text: 'hello' }], { key })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
  t.match(receiver.events.of('connected'), [{ key: 'bob' }, { key: 'alice' }, { key: 'alice' }])
  t.match(receiver.events.of('stored'), [{ key: 'bob' }, { key: 'alice' }, { key: 'alice' }])
  t.match(receiver.events.of('message'), [{ key: 'alice' }])
  t.strictSame(filesIn(out), { 'alice/file.txt': content, 'alice/file_bak.txt': content, 'bob/file.txt': content })
})

t.test('needs names and a folder for a folder for each key', async (t) => {
  const { out } = place(t)
  const named = [{ name: 'alice', key }]
  for (const options of [{ out, key }, { out }, { out: new PassThrough(), key: named }])
    t.match((await tryReceive(t, 1, { ...options, perKeyFolder: true })).error, { code: 'usage' })
})

t.test('asks for the keys that count now at every connection', async (t) => {
  const { file, out } = place(t)
  let current = key
  const receiver = await startReceiver(t, { out, count: 2, key: () => current })
  t.equal((await trySend(t, receiver.port, file, { key })).error, undefined)
  current = otherKey
  t.match((await trySend(t, receiver.port, file, { key })).error, { code: 'key' })
  t.equal((await trySend(t, receiver.port, file, { key: otherKey })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
})

t.test('says once of keys that cannot be used, and goes on with those from before', async (t) => {
  const { file, out } = place(t)
  const named = [{ name: 'alice', key }]
  let current: () => KeyOption = () => named
  const receiver = await startReceiver(t, { out, key: () => current(), perKeyFolder: true })
  const refuses = () => {
    throw new Error('gone')
  }
  for (const next of [() => [], refuses, () => key]) {
    current = next
    for (let time = 0; time < 2; time++) t.equal((await trySend(t, receiver.port, file, { key })).error, undefined)
    current = () => named
    t.equal((await trySend(t, receiver.port, file, { key })).error, undefined)
  }
  await receiver.stop()
  const after = /; the keys from before go on counting$/
  const reasons = [/the list is empty/, /gone/, /needs keys with names/]
  const warnings = receiver.events.of('warning')
  t.equal(warnings.length, 3)
  for (const [index, message] of reasons.entries()) t.match(warnings[index], { reason: 'key', message })
  for (const { message } of warnings) t.match(message, after)
  t.strictSame(
    Object.keys(filesIn(out)).filter((path) => !path.startsWith('alice/')),
    [],
    'nothing is beside its folder',
  )
})

t.test('counts peers that have not proved a key yet for the maximum of connections', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, key, maxConnections: 1 })
  const silent = await Peer.dial(t, receiver.port)
  const { error } = await trySend(t, receiver.port, file, { key })
  t.match(error, { code: 'refused', reason: 'busy', exitCode: 5 })
  t.match(await receiver.events.until('refused'), { code: 'refused', reason: 'busy' })
  await silent.reset()
  await receiver.stop()
  t.ok(silent.isOver)
})

t.test('ends at once, whoever has not proved a key yet', async (t) => {
  const { out } = place(t)
  const receiver = await startReceiver(t, { out, key })
  const [silent, halfway] = [await Peer.dial(t, receiver.port), await Peer.dial(t, receiver.port)]
  await halfway.write(Buffer.from([0x16, 3, 1, 0, 200, 1]))
  const { error } = await receiver.stop()
  t.match(error, { code: 'interrupted' })
  await silent.ended
  await halfway.ended
  t.strictSame(receiver.events.of('refused'), [])
})
