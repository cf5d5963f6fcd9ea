/** Only what changed of a file is sent: `delta` of `send`, over real connections. */
import { linkSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ReceiveOptions, SendOptions } from '../../dist/index.js'
import { pauses } from '../../dist/transfer/retry.js'
import { realDisk, replaceDuring, systemError } from '../fixtures/disk.ts'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, folders, namesIn } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { listenAsPeer } from '../fixtures/peer.ts'
import { digest, frame, readFrames } from '../fixtures/peer-frames.ts'
import { damagedPort } from '../fixtures/proxy.ts'
import { makeFifo } from '../fixtures/special-files.ts'

pauses.first = 5
replaceDuring(t, 'fsync', () => async () => {})

const MIB = 1024 * 1024
const old = bytesOf(8 * MIB + 77, 21)

/** The old file with a hundred bytes of another content in three places. */
function changed(): Buffer {
  const content = Buffer.from(old)
  for (const at of [1_000, 3 * MIB, old.length - 100]) bytesOf(100, 5).copy(content, at)
  return content
}

interface Case {
  content?: Buffer
  /** What is there under the name. */
  before?: Buffer | null
  receiver?: Partial<ReceiveOptions>
  sender?: Partial<SendOptions>
  /** Called before the transfer. */
  prepare?(out: string): unknown
}

/** Sends a file over another one. Returns what both ends say, and what the sender has sent. */
async function sendOver(
  t: Test,
  { content = changed(), before = old, receiver: more = {}, sender = {}, prepare }: Case = {},
) {
  const { out, path } = folders(t, { 'a.bin': content })
  if (before) writeFileSync(join(out, 'a.bin'), before)
  await prepare?.(out)
  const leaked = watchOpenFiles(out)
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite', ...more })
  const sent: Buffer[] = []
  const port = await damagedPort(t, receiver.port, {
    change: (direction, bytes) => {
      if (direction === 'to-receiver') sent.push(Buffer.from(bytes))
      return bytes
    },
  })
  const ended = await trySend(t, port, path('a.bin'), { delta: true, ...sender })
  await receiver.stop()
  // Those of the network between both are not theirs.
  t.strictSame(
    (await leaked()).filter((file) => !file.startsWith('socket:')),
    [],
  )
  const all = Buffer.concat(sent)
  const frames = readFrames(all).frames.map(({ type }) => type)
  return { ...ended, out, all, frames, stored: receiver.events.of('stored'), receiver }
}

/** What is stored under the name, and both ends say so. `resumed` bytes were there. */
function checkStored(
  t: Test,
  { out, events, stored, error }: Awaited<ReturnType<typeof sendOver>>,
  content: Buffer,
): number {
  t.equal(error, undefined)
  const facts = { name: 'a.bin', size: content.length, blake3: digest(content), verified: true }
  t.match(stored, [facts])
  t.match(events.of('sent'), [facts])
  t.strictSame(events.of('warning'), [])
  t.ok(readFileSync(join(out, 'a.bin')).equals(content))
  t.strictSame(namesIn(out), ['a.bin'])
  t.equal(stored[0]?.resumed, events.of('sent')[0]?.resumed, 'both ends say how much was there')
  return stored[0]?.resumed ?? 0
}

t.test('sends only what differs, and replaces the file', async (t) => {
  const inode = (out: string) => statSync(join(out, 'a.bin')).ino
  let before = 0
  const result = await sendOver(t, {
    prepare: (out) => {
      before = inode(out)
      linkSync(join(out, 'a.bin'), join(t.testdirName, 'other-name'))
    },
  })
  const content = changed()
  const resumed = checkStored(t, result, content)
  t.ok(resumed > content.length - 4 * 256 * 1_024, `${resumed} bytes were there`)
  t.ok(result.all.length < content.length - resumed + 30_000, 'nothing else is sent')
  t.not(inode(result.out), before, 'it is another file')
  t.ok(readFileSync(join(t.testdirName, 'other-name')).equals(old), 'the old one is as it was')
  t.match(result.events.of('progress').at(-1), { size: content.length, resumed })
})

t.test('sends hardly more than a byte that was inserted at the start', async (t) => {
  const content = Buffer.concat([Buffer.from('x'), old])
  const result = await sendOver(t, { content })
  t.ok(checkStored(t, result, content) > content.length - 2 * 256 * 1_024)
})

t.test('sends no data of a file that is the same', async (t) => {
  const result = await sendOver(t, { content: old })
  t.equal(checkStored(t, result, old), old.length)
  t.notOk(result.frames.includes('D'))
})

t.test('sends the whole file if nothing of it is there', async (t) => {
  const content = bytesOf(3 * MIB, 4)
  t.equal(checkStored(t, await sendOver(t, { content }), content), 0)
})

/** Two files that have the same beginning, but for a byte. So none of their samples is the same. */
function unlike(head: Buffer): { content: Buffer; before: Buffer } {
  return {
    content: Buffer.concat([head, bytesOf(30 * MIB, 14)]),
    before: Buffer.concat([head.subarray(0, 9_999), Buffer.from('x'), head.subarray(9_999), bytesOf(29 * MIB, 15)]),
  }
}

t.test('ends the list early if the files are not alike', async (t) => {
  const { content, before } = unlike(bytesOf(MIB / 2, 13))
  const result = await sendOver(t, { content, before })
  t.ok(checkStored(t, result, content) < MIB)
  const { frames } = readFrames(result.all)
  const listed = frames.filter(({ type }) => type === 'V').flatMap(({ fields }) => fields.lengths as number[])
  t.ok(sum(listed) >= 8 * MIB)
})

t.test('lists everything if the files begin alike', async (t) => {
  const { content, before } = unlike(bytesOf(4 * MIB, 13))
  const result = await sendOver(t, { content, before })
  t.ok(checkStored(t, result, content) > 3 * MIB)
  const { frames } = readFrames(result.all)
  const listed = frames.filter(({ type }) => type === 'V').flatMap(({ fields }) => fields.lengths as number[])
  t.equal(sum(listed), content.length)
})

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

t.test('wants more ranges than a frame holds', async (t) => {
  const long = bytesOf(40 * MIB, 9)
  const content = Buffer.from(long)
  for (let at = 0; at < content.length; at += 192 * 1_024) content.fill('x', at, at + 8)
  const result = await sendOver(t, { content, before: long })
  t.ok(checkStored(t, result, content) > MIB)
  t.ok(result.frames.filter((type) => type === 'P').length > 100)
})

t.test('sends the whole file where there is nothing to compare', async (t) => {
  const content = changed()
  const target = join(t.testdir(), 'target')
  const cases: Record<string, Case> = {
    'no file of that name': { before: null },
    'a small file': { before: old.subarray(0, MIB - 1) },
    'a file that cannot be read': {
      prepare: () => {
        const isOld = (path: string) => path.endsWith('/a.bin') && !path.includes('/in/')
        replaceDuring(t, 'open', (open) => (path, ...rest) => {
          if (isOld(path)) throw systemError('EACCES', 'open')
          return open(path, ...rest)
        })
      },
    },
    'a symlink': {
      before: null,
      prepare: (out) => {
        writeFileSync(target, old)
        symlinkSync(target, join(out, 'a.bin'))
      },
    },
    'a FIFO': { before: null, prepare: (out) => makeFifo(join(out, 'a.bin')) },
  }
  for (const [what, given] of Object.entries(cases)) {
    await t.test(what, async (t) => {
      const result = await sendOver(t, given)
      t.equal(checkStored(t, result, content), 0)
    })
  }
  t.ok(readFileSync(target).equals(old), 'what a symlink leads to is as it was')
})

t.test('refuses a file where a directory is, as ever', async (t) => {
  const { error } = await sendOver(t, { before: null, prepare: (out) => mkdirSync(join(out, 'a.bin')) })
  t.match(error, { code: 'refused', reason: 'exists' })
})

t.test('asks nothing of a receiver that does not replace files', async (t) => {
  const result = await sendOver(t, { receiver: { ifExists: 'backup' } })
  t.equal(result.error, undefined)
  t.match(result.events.of('sent'), [{ storedAs: 'a_bak.bin' }])
  t.notOk(result.frames.includes('V'))
  t.ok(readFileSync(join(result.out, 'a.bin')).equals(old))
})

t.test('asks nothing with a small file, a stream or a message, or without the option', async (t) => {
  const small = await sendOver(t, { content: changed().subarray(0, MIB - 1) })
  t.notOk(small.frames.includes('V'))
  t.equal(small.error, undefined)
  const whole = await sendOver(t, { sender: { delta: false } })
  t.equal(checkStored(t, whole, changed()), 0)
  t.notOk(whole.frames.includes('V'))
})

t.test('sends a directory as ever', async (t) => {
  const { folder, out } = folders(t, { 'a.bin': changed() })
  mkdirSync(join(out, 'in'))
  writeFileSync(join(out, 'in', 'a.bin'), old)
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite' })
  const { summary } = await trySend(t, receiver.port, join(folder, 'in'), { delta: true })
  t.match(summary, { files: 1 })
  await receiver.stop()
  t.ok(readFileSync(join(out, 'in', 'a.bin')).equals(changed()))
})

t.test('works for a sender that listens, and with a key', async (t) => {
  const { out, path } = folders(t, { 'a.bin': changed() })
  writeFileSync(join(out, 'a.bin'), old)
  const sender = await startSender(t, [path('a.bin')], { delta: true })
  const { summary } = await tryReceive(t, sender.port, { out, ifExists: 'overwrite' })
  t.match(summary, { files: 1 })
  await sender.ended
  t.match(sender.events.of('sent'), [{ resumed: Number }])
  t.ok(readFileSync(join(out, 'a.bin')).equals(changed()))
})

t.test('sends again what differs if the old file changes meanwhile', async (t) => {
  for (const change of ['other bytes', 'shorter'] as const) {
    const { out, path } = folders(t, { 'a.bin': changed() })
    const there = join(out, 'a.bin')
    writeFileSync(there, old)
    const receiver = await startReceiver(t, { out, ifExists: 'overwrite' })
    const opened: number[] = []
    replaceDuring(t, 'open', (open) => async (path, ...rest) => {
      const fd = await open(path, ...rest)
      if (path.endsWith('/a.bin') && !path.includes('/in/')) opened.push(fd)
      return fd
    })
    let [position, times] = [0, 0]
    // The file is read here and there, then once for its chunks, and then from the first one that both files have.
    replaceDuring(t, 'read', (read) => async (fd, ...rest) => {
      if (fd === opened[0]) {
        if (Number(rest[3]) < position) times++
        const isCopied = times === 2
        position = Number(rest[3])
        if (isCopied && change === 'shorter') truncateSync(there, 5 * MIB)
        if (isCopied && change === 'other bytes') writeFileSync(there, bytesOf(old.length, 8))
      }
      return await read(fd, ...rest)
    })
    const { summary, error, events } = await trySend(t, receiver.port, path('a.bin'), { delta: true })
    t.equal(error, undefined)
    t.match(summary, { files: 1 })
    t.match(events.of('warning'), [{ reason: 'damaged' }])
    t.match(receiver.events.of('warning'), [{ reason: 'damaged' }])
    await receiver.stop()
    t.ok(readFileSync(there).equals(changed()))
  }
})

t.test('leaves the old file alone if the new one cannot be written', async (t) => {
  const { out, path } = folders(t, { 'a.bin': changed() })
  writeFileSync(join(out, 'a.bin'), old)
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite', keepPartial: 0 })
  let writes = 0
  replaceDuring(t, 'writeSync', () => (...args) => {
    if (++writes > 2) throw systemError('ENOSPC', 'write')
    return realDisk.writeSync(...args)
  })
  replaceDuring(t, 'write', () => async () => {
    throw systemError('ENOSPC', 'write')
  })
  const { error } = await trySend(t, receiver.port, path('a.bin'), { delta: true })
  t.match(error, { reason: 'no-space' })
  await receiver.stop()
  t.ok(readFileSync(join(out, 'a.bin')).equals(old))
  t.strictSame(namesIn(out), ['a.bin'])
})

t.test('goes on after a break, with what has come and what was there', async (t) => {
  const content = Buffer.concat([old.subarray(0, 4 * MIB), bytesOf(3 * MIB, 31), old.subarray(4 * MIB)])
  const { out, path } = folders(t, { 'a.bin': content })
  writeFileSync(join(out, 'a.bin'), old)
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite' })
  let sent = 0
  const port = await damagedPort(t, receiver.port, {
    change: (direction, bytes) => {
      if (direction === 'to-receiver') sent += bytes.length
      return bytes
    },
    cut: (connection) => (connection === 0 ? { direction: 'to-receiver', after: 2 * MIB } : undefined),
  })
  const { summary, events } = await trySend(t, port, path('a.bin'), { delta: true })
  t.match(summary, { files: 1 })
  t.equal(events.of('connected').length, 1)
  await receiver.stop()
  t.ok(readFileSync(join(out, 'a.bin')).equals(content))
  t.ok(sent < 5.5 * MIB, `${sent} bytes are sent`)
})

t.test('fails if its own file becomes shorter while it is listed', async (t) => {
  const { out, path } = folders(t, { 'a.bin': changed() })
  writeFileSync(join(out, 'a.bin'), old)
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite' })
  const size = statSync(path('a.bin')).size
  let isShort = false
  const { error } = await trySend(t, receiver.port, path('a.bin'), {
    delta: true,
    onEvent: ({ event }) => {
      if (event !== 'connected' || isShort) return
      isShort = true
      replaceDuring(
        t,
        'read',
        (read) => async (fd, buffer, offset, length, position) =>
          (position ?? 0) > size / 2 ? 0 : await read(fd, buffer, offset, length, position),
      )
    },
  })
  t.match(error, { code: 'incomplete', reason: 'size', message: /became shorter/ })
  await receiver.stop()
  t.ok(readFileSync(join(out, 'a.bin')).equals(old))
})

t.test('ends the list as soon as the receiver wants everything', async (t) => {
  const { path } = folders(t, { 'a.bin': old })
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(
      Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1, features: ['resume', 'delta'] })]),
    )
    t.match((await peer.next('H')).fields, { resume: 'delta' })
    await peer.write(frame('W', { entry: 0, ranges: [0, old.length] }))
    t.match((await peer.next('E')).fields, { bytes: old.length, blake3: digest(old) })
    await peer.write(frame('S', { entry: 0, name: 'a.bin', bytes: old.length, blake3: digest(old) }))
  })
  const { summary } = await trySend(t, port, path('a.bin'), { delta: true })
  t.match(summary, { files: 1, bytes: old.length })
})
