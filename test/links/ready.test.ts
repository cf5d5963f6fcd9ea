/** What has come in order over a bundle, and waits to be read. */
import * as fc from 'fast-check'
import t from 'tap'
import { Ready } from '../../dist/links/ready.js'
import { bytesOf } from '../fixtures/folder.ts'

function drain(ready: Ready): Buffer[] {
  const pieces: Buffer[] = []
  for (let piece = ready.take(); piece; piece = ready.take()) pieces.push(piece)
  return pieces
}

t.test('gives back all bytes in their order, however they came and were taken', (t) => {
  const lengths = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 9_000 }))
  const step = fc.oneof(lengths, fc.constant(0))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ready = new Ready()
      const all = bytesOf(steps.reduce((sum, length) => sum + length, 0) + 1)
      const taken: Buffer[] = []
      let at = 0
      for (const length of steps) {
        if (length > 0) ready.add(all.subarray(at, at + length))
        else taken.push(ready.take() ?? Buffer.alloc(0))
        at += length
      }
      taken.push(...drain(ready))
      return ready.isEmpty && Buffer.concat(taken).equals(all.subarray(0, at))
    }),
  )
  t.end()
})

t.test('puts small pieces together, and leaves large ones as they are', (t) => {
  const ready = new Ready()
  for (let count = 0; count < 100_000; count++) ready.add(Buffer.alloc(1))
  const large = Buffer.alloc(4096)
  ready.add(large)
  const pieces = drain(ready)
  t.ok(pieces.length < 30, `${pieces.length} pieces`)
  t.equal(pieces.at(-1), large)
  t.end()
})

t.test('forgets what nobody will read', (t) => {
  const ready = new Ready()
  for (let count = 0; count < 3; count++) ready.add(Buffer.alloc(1))
  ready.clear()
  t.ok(ready.isEmpty)
  t.equal(ready.take(), undefined)
  t.end()
})
