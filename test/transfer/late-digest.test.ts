/** The digest of a file that goes on where it stopped, while the part that was there is read at whatever speed. */
import fc from 'fast-check'
import t from 'tap'
import { createDigest } from '../../dist/transfer/digest.js'
import { LateDigest, type ReadAt } from '../../dist/transfer/late-digest.js'
import { bytesOf } from '../fixtures/folder.ts'
import { digest } from '../fixtures/peer-frames.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

const MIB = 1024 * 1024

/** A file of which a part is right: what was there, and what was written since. What is behind is damaged. */
class Mended {
  readonly content: Buffer
  written: number

  constructor(content: Buffer, have: number) {
    this.content = content
    this.written = have
  }

  /** Gives at most `most` bytes at once. */
  reader(most = Number.POSITIVE_INFINITY): ReadAt {
    return async (buffer, position) => {
      const end = Math.min(this.content.length, position + Math.min(buffer.length, most))
      buffer.fill(0)
      this.content.copy(buffer, 0, position, Math.min(end, this.written))
      return end - position
    }
  }

  /** Hands over the rest in pieces of these sizes, over and over. Each is written after the digest has had it. */
  async move(late: LateDigest, sizes: readonly number[]): Promise<void> {
    for (let index = 0; this.written < this.content.length; index++) {
      const end = Math.min(this.content.length, this.written + (sizes[index % sizes.length] as number))
      await late.update(this.content.subarray(this.written, end))
      await settle(1)
      this.written = end
    }
  }
}

t.test('is the digest of the whole file, whatever was there and however the rest comes', async () => {
  const content = bytesOf(12 * MIB)
  const sizes = fc.array(fc.integer({ min: 1, max: 3 * MIB }), { minLength: 1, maxLength: 5 })
  const size = fc.integer({ min: 1, max: content.length })
  const most = fc.integer({ min: 64 * 1024, max: 2 * MIB })
  await fc.assert(
    fc.asyncProperty(size, fc.double({ min: 0, max: 1, noNaN: true }), sizes, most, async (size, part, sizes, most) => {
      const file = new Mended(content.subarray(0, size), Math.floor(size * part))
      const late = new LateDigest(await createDigest(), file.reader(most))
      late.seek(file.written)
      // Tiny pieces of a large file would take long.
      await file.move(
        late,
        sizes.map((piece) => Math.max(piece, size / 50)),
      )
      return (await late.hex(size)) === digest(content.subarray(0, size))
    }),
    { numRuns: 40 },
  )
})

t.test('reads again what came while it was far behind, but only once that is written', async (t) => {
  const file = new Mended(bytesOf(16 * MIB), 6 * MIB)
  let isOpen = () => {}
  const gate = new Promise<void>((resolve) => {
    isOpen = resolve
  })
  const read = file.reader()
  const late = new LateDigest(await createDigest(), async (buffer, position) => {
    await gate
    return await read(buffer, position)
  })
  late.seek(file.written)
  t.equal(late.update(file.content.subarray(6 * MIB, 7 * MIB)), undefined, 'the piece need not wait')
  isOpen()
  // The write of the piece takes long, and all that was there has been read meanwhile.
  await settle(100)
  file.written = 7 * MIB
  await file.move(late, [MIB])
  t.equal(await late.hex(16 * MIB), digest(file.content))
})

t.test('holds back a piece if little is missing before it, so that it catches up', async (t) => {
  const file = new Mended(bytesOf(5 * MIB), 4 * MIB)
  const waiting: (() => void)[] = []
  const read = file.reader()
  let reads = 0
  const late = new LateDigest(await createDigest(), async (buffer, position) => {
    reads++
    await new Promise<void>((resolve) => waiting.push(resolve))
    return await read(buffer, position)
  })
  late.seek(4 * MIB)
  const updating = Promise.resolve(late.update(file.content.subarray(4 * MIB)))
  for (let piece = 0; piece < 4; piece++) {
    t.equal(await stateOf(updating), 'pending')
    waiting.shift()?.()
    await settle()
  }
  await updating
  t.equal(await late.hex(5 * MIB), digest(file.content))
  t.equal(reads, 4, 'the piece itself was not read again')
})

t.test('a read that is about to end does not hide what came after it', async (t) => {
  const content = bytesOf(3 * MIB)
  // The end is asked for at every step at which the read may be.
  for (let steps = 0; steps < 20; steps++) {
    const late = new LateDigest(await createDigest(), async (buffer, position) =>
      content.copy(buffer, 0, position, position + buffer.length),
    )
    late.seek(MIB)
    for (let step = 0; step < steps; step++) await null
    t.equal(await late.hex(content.length), digest(content), `after ${steps} steps`)
  }
})

t.test('tells that a read has failed to whoever waits next, and nobody else', async (t) => {
  const failing = async () => {
    throw new Error('the disk is broken')
  }
  const late = new LateDigest(await createDigest(), failing)
  late.seek(8 * MIB)
  await settle()
  t.equal(late.update(bytesOf(10)), undefined, 'a piece far behind does not wait')
  await t.rejects(late.hex(8 * MIB + 10), { message: 'the disk is broken' })

  const near = new LateDigest(await createDigest(), failing)
  near.seek(MIB)
  await t.rejects(Promise.resolve(near.update(bytesOf(10))), { message: 'the disk is broken' })
})

t.test('fails if what was there is there no more', async (t) => {
  const late = new LateDigest(await createDigest(), async () => 0)
  await t.rejects(late.hex(MIB), { code: 'incomplete', reason: 'size', message: 'the file became shorter' })
})

t.test('reads nothing more once it is stopped, and tells when the file may be closed', async (t) => {
  let reads = 0
  let onRead = () => {}
  const late = new LateDigest(await createDigest(), async (buffer) => {
    reads++
    await new Promise<void>((resolve) => {
      onRead = resolve
    })
    return buffer.length
  })
  late.seek(8 * MIB)
  const ending = late.hex(9 * MIB)
  const stopping = late.stop()
  t.equal(await stateOf(stopping), 'pending', 'the read under way comes first')
  onRead()
  await stopping
  await ending
  t.equal(late.update(bytesOf(10)), undefined)
  await settle()
  t.equal(reads, 1)

  const failing = new LateDigest(await createDigest(), async () => {
    throw new Error('the disk is broken')
  })
  failing.seek(MIB)
  await failing.stop()
  await new LateDigest(await createDigest(), async () => 0).stop()
})
