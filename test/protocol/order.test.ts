/** The order of names in a directory: that of their bytes, whatever is in them. */
import fc from 'fast-check'
import t from 'tap'
import { compareKeys } from '../../dist/protocol/order.js'

const inBytes = (a: string, b: string) => Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))

/** One of each length in UTF-8, and those next to the places where UTF-16 sorts otherwise. */
const characters = [
  '\0',
  '!',
  '/',
  '0',
  'a',
  '\x7f',
  '\x80',
  'é',
  '\u07ff',
  '\u0800',
  '漢',
  '\ud7ff',
  '\ue000',
  '\uffff',
]
characters.push('\u{10000}', '😀', '\u{10ffff}')

t.test('compares all pairs of short names as their bytes compare', async (t) => {
  const keys = ['', ...characters, ...characters.flatMap((a) => characters.map((b) => a + b))]
  const wrong: string[] = []
  for (const a of keys) {
    for (const b of keys) if (Math.sign(compareKeys(a, b)) !== inBytes(a, b)) wrong.push(JSON.stringify([a, b]))
  }
  t.strictSame(wrong, [])
})

t.test('compares any names as their bytes compare', async (t) => {
  const key = fc.oneof(
    fc.string({ unit: fc.constantFrom(...characters), maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 12 }),
  )
  const property = fc.property(key, key, key, (start, a, b) => {
    return Math.sign(compareKeys(start + a, start + b)) === inBytes(start + a, start + b)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 5_000 }))
})
