/** A pipe as something to send: its bytes as they come, in whole chunks until the last. */
import { once } from 'node:events'
import { fstatSync } from 'node:fs'
import { Socket, type SocketConstructorOpts } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { DescriptorSource } from '../../dist/sources/descriptor-source.js'
import { type OpenEntry, streamHeader } from '../../dist/sources/source.js'
import { systemError } from '../fixtures/disk.ts'
import { openPipe } from '../fixtures/fifo.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { readPieces } from '../fixtures/sources.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

async function open(t: Test, signal = new AbortController().signal) {
  const { fd, input } = openPipe(t)
  const source = new DescriptorSource(fd, 'name.txt', 'standard input')
  await source.inspect()
  const opened = await source.open(signal)
  t.teardown(() => opened.close())
  return { fd, input, opened }
}

async function readOne(source: OpenEntry, length = 4096): Promise<number> {
  return await source.read(Buffer.alloc(length), 0, length)
}

t.test('reads a pipe to its end, and then nothing, as often as it is asked', async (t) => {
  const { input, opened } = await open(t)
  t.strictSame(opened.header, {
    kind: 'file',
    name: 'name.txt',
    size: null,
    type: 'text/plain',
    mtime: null,
    mode: null,
  })
  const content = bytesOf(1_000_001)
  input.end(content)
  t.ok(Buffer.concat(await readPieces(opened, 64)).equals(content))
  t.equal(await readOne(opened), 0)
  t.equal(await readOne(opened), 0)
  await t.resolves(opened.check())
})

t.test('reads a pipe that is empty', async (t) => {
  const { input, opened } = await open(t)
  input.end()
  t.equal(await readOne(opened), 0)
})

t.test('gives a chunk as soon as it is whole, and holds back what is less', async (t) => {
  const { input, opened } = await open(t)
  const content = bytesOf(3_000)
  const buffer = Buffer.alloc(4096)
  const first = Promise.resolve(opened.read(buffer, 0, 4096))
  input.write(content.subarray(0, 1_023))
  t.equal(await stateOf(first), 'pending')
  input.write(content.subarray(1_023, 1_500))
  t.equal(await first, 1024)
  const second = Promise.resolve(opened.read(buffer, 1024, 3072))
  t.equal(await stateOf(second), 'pending', 'the other 476 are no chunk')
  input.end(content.subarray(1_500))
  let filled = 1024 + (await second)
  while (filled < 3_000) filled += await opened.read(buffer, filled, 1024)
  t.equal(await readOne(opened), 0)
  t.ok(buffer.subarray(0, 3_000).equals(content), 'at the end they are not held back')
})

t.test('gives what is left of an earlier piece without waiting for more', async (t) => {
  const { input, opened } = await open(t)
  input.write(bytesOf(2048))
  t.equal(await readOne(opened, 1024), 1024)
  t.equal(await readOne(opened, 4096), 1024)
})

t.test('reads no further ahead than one piece', async (t) => {
  const { input, opened } = await open(t)
  const content = bytesOf(4 * 1_048_576)
  let taken = 0
  for (let at = 0; at < content.length; at += 65_536) {
    input.write(content.subarray(at, at + 65_536), () => {
      taken += 65_536
    })
  }
  t.equal(await readOne(opened, 1024), 1024)
  await settle(50)
  // As much as the pipe itself holds on Linux (pipe(7)), and as much again.
  t.ok(taken <= 2 * 65_536, `${taken} bytes were taken from the producer`)
})

t.test('gives whole chunks until the last one, however the pieces fall, and every byte once', async (t) => {
  const lengths = fc.array(fc.oneof(fc.nat(3_000), fc.constantFrom(1, 1023, 1024, 1025, 65_536, 70_000)), {
    maxLength: 6,
  })
  await fc.assert(
    fc.asyncProperty(lengths, fc.integer({ min: 1, max: 80 }), fc.boolean(), async (pieces, chunks, isAhead) => {
      const { input, opened } = await open(t)
      const content = bytesOf(pieces.reduce((sum, length) => sum + length, 0))
      const writing = (async () => {
        let at = 0
        for (const length of pieces) {
          if (!isAhead) await settle(2)
          input.write(content.subarray(at, at + length))
          at += length
        }
        input.end()
      })()
      const read = await readPieces(opened, chunks)
      await writing
      const isWhole = read.slice(0, -1).every(({ length }) => length % 1024 === 0)
      return isWhole && Buffer.concat(read).equals(content)
    }),
    { numRuns: 60 },
  )
})

t.test('ends a read that waits for a producer when it is told to, and every later one', async (t) => {
  const controller = new AbortController()
  const { opened } = await open(t, controller.signal)
  const waiting = readOne(opened)
  const reason = new Error('the receiver refused it')
  controller.abort(reason)
  t.equal(await waiting.catch((error) => error), reason)
  t.equal(await readOne(opened).catch((error) => error), reason)
})

t.test('takes no more of its producer than one piece once it was told to stop', async (t) => {
  const controller = new AbortController()
  const { input, opened } = await open(t, controller.signal)
  const waiting = readOne(opened, 1_048_576)
  controller.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  let taken = 0
  for (let piece = 0; piece < 8; piece++) {
    input.write(bytesOf(65_536), () => {
      taken += 65_536
    })
  }
  await settle(50)
  t.ok(taken <= 2 * 65_536, `${taken} bytes were taken`)
  await t.rejects(readOne(opened), { message: 'enough' })
})

t.test('reads nothing more once it was told to stop', async (t) => {
  const controller = new AbortController()
  const { input, opened } = await open(t, controller.signal)
  input.end(bytesOf(10_000))
  t.equal(await readOne(opened), 4096)
  controller.abort(new Error('enough'))
  await t.rejects(readOne(opened), { message: 'enough' })
})

t.test('fails with an error that came between two reads, and every later read, too', async (t) => {
  let stream: Socket | undefined
  class Spied extends Socket {
    constructor(options: SocketConstructorOpts) {
      super(options)
      stream = this
    }
  }
  const { OpenPipe } = await t.mockImport<typeof import('../../dist/sources/open-pipe.js')>(
    '../../dist/sources/open-pipe.js',
    { 'node:net': { Socket: Spied } },
  )
  const { fd, input } = openPipe(t)
  const opened = new OpenPipe(streamHeader('name'), 'standard input', fd, false, new AbortController().signal)
  input.write(bytesOf(1024))
  t.equal(await readOne(opened), 1024)
  stream?.destroy(systemError('EIO', 'read'))
  await settle()
  const message = 'cannot read standard input: i/o error (EIO)'
  for (let times = 0; times < 2; times++) await t.rejects(readOne(opened), { code: 'local-file', message })
})

t.test('lets its producer know when nobody reads any more', async (t) => {
  const { fd, input, opened } = await open(t)
  await opened.close()
  await settle()
  t.throws(() => fstatSync(fd), { code: 'EBADF' })
  const failed = once(input, 'error')
  input.write(bytesOf(1_000))
  t.match(await failed, [{ code: 'EPIPE' }])
})
