/** Keys as text: which are taken, which are refused and how, and what is derived from them. */
import { hkdfSync, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { TransferError } from '../dist/errors.js'
import { generateKey, isKey, keysOf, parseKey, parseKeyFile } from '../dist/keys.js'

const hex = '3f9c01d7a24b58e6f0917c3d6a8e2b54'
const base64 = 'Zk3vQ9xT1mLb8RwYc2HsdA'

/** The message of a refusal, which is always wrong usage. */
function refusalOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    const { code, exitCode, message, stack } = error as TransferError
    if (code !== 'usage' || exitCode !== 2) throw error
    return `${message}\n${stack}`
  }
  throw new Error('it was taken')
}

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(() => randomBytes(32))

t.test('takes what computers make, in every way in which it is written', async (t) => {
  const ways = ['hex', 'base64', 'base64url'] as const
  fc.assert(
    fc.property(bytes, fc.constantFrom(...ways), (random, way) => {
      const text = random.toString(way)
      // One in a thousand has no digit.
      if (way !== 'hex' && !/\d/.test(text)) return
      const [key] = keysOf(text)
      return isKey(text) && key?.name === null && /^[0-9a-f]{32}$/.test(key.id)
    }),
  )
  for (const text of [hex, hex.toUpperCase(), base64, `${base64}==`, generateKey()]) t.equal(parseKey('k', text), text)
})

t.test('refuses what a person makes up, and never repeats it', async (t) => {
  const wrong = {
    'is empty': ['', ' \n'],
    'too short': ['hunter2', hex.slice(1), base64.slice(1), `${base64.slice(1)}==`, '0'],
    'other characters': ['correct horse battery staple', 'Passwörter1234567890123456', `${base64}!`, `a b${base64}`],
    'digits, upper and lower case': [
      'correcthorsebatterystaple',
      'CorrectHorseBatteryStaple',
      'correct-horse-1-battery',
    ],
    'repeats itself': ['Abc193'.repeat(8), 'deadbeef'.repeat(8)],
    'counts up or down': [
      '0'.repeat(64),
      '0123456789abcdef'.repeat(4),
      '00112233445566778899aabbccddeeff',
      'Abcdefghijklmnopqrstuvwxyz0123456789',
    ],
    'more than 512': [base64.repeat(24)],
  }
  for (const [why, texts] of Object.entries(wrong)) {
    for (const text of texts) {
      const said = refusalOf(() => parseKey('TCP_TRANSFER_KEY', text))
      t.match(said, why, text)
      t.match(said, 'TCP_TRANSFER_KEY')
      t.match(said, 'tcp-recv --generate-key')
      if (text.trim().length > 3) t.notOk(said.includes(text.trim()), 'it is not repeated')
      t.equal(isKey(text), false)
    }
  }
})

t.test('ignores white space and line ends around a key, alike everywhere', async () => {
  const space = fc.constantFrom('', '\n', '\r\n', '  ', '\t', '\ufeff', '\n\n')
  fc.assert(
    fc.property(space, space, (before, after) => {
      const text = `${before}${base64}${after}`
      return (
        parseKey('k', text) === base64 &&
        parseKeyFile('k', text) === base64 &&
        keysOf(text)[0]?.id === keysOf(base64)[0]?.id
      )
    }),
  )
})

t.test('reads names, comments and empty lines of a key file', async (t) => {
  const text = `\ufeff# keys\r\n\r\n  alice\t${hex} \r\nBob.2 ${base64}\r\n#${hex}\r\n`
  const keys = [
    { name: 'alice', key: hex },
    { name: 'Bob.2', key: base64 },
  ]
  t.strictSame(parseKeyFile('file', text), keys)
  t.strictSame(
    keysOf(keys).map(({ name }) => name),
    ['alice', 'Bob.2'],
  )
  t.strictSame(parseKeyFile('file', `alice ${hex}`), [keys[0]])
})

t.test('refuses a key file by the line, without a word of it', async (t) => {
  const wrong: [text: string, why: RegExp][] = [
    ['# nothing\n', /^file: it has no key/],
    [`a ${hex}\n\nb hunter2hunter2`, /^file, line 3: .*too short.*--generate-key/],
    [`${hex}\n${base64}`, /^file, line 1: of several keys each has a name/],
    [`a ${hex}\n${base64}`, /^file, line 2: of several keys each has a name/],
    [`a ${hex} b`, /^file, line 1: a line is KEY or NAME KEY/],
    [`a ${hex}\nA ${base64}`, /^file, line 2: the name is there twice/],
    [`a ${hex}\nb ${hex}`, /^file, line 2: the key is there twice/],
    [`${base64} ${hex}`, /^file, line 1: the name looks like a key/],
    ...['..', '.a', 'a/b', 'a.', '-a', 'ä', 'x'.repeat(65)].map((name): [string, RegExp] => [
      `${name} ${hex}`,
      /^file, line 1: a name has at most 64/,
    ]),
  ]
  for (const [text, why] of wrong) {
    const said = refusalOf(() => parseKeyFile('file', text))
    t.match(said, why)
    for (const secret of [hex, base64, 'hunter2']) t.notOk(said.includes(secret))
  }
  t.match(
    refusalOf(() => keysOf([])),
    'the list is empty',
  )
  t.match(
    refusalOf(() => keysOf([{ name: 'a', key: 'short' }])),
    /^key\[0\]: the key is too short/,
  )
})

t.test('derives as the protocol document says, one thing for each purpose', async (t) => {
  const [key] = keysOf(hex)
  const derive = (info: string, length: number) =>
    Buffer.from(hkdfSync('sha256', hex, '', `tcp-transfer/1 ${info}`, length))
  t.equal(key?.id, derive('id', 16).toString('hex'))
  t.same(key?.psk('sender'), derive('psk sender', 32))
  t.same(key?.psk('receiver'), derive('psk receiver', 32))
  t.notSame(key?.psk('sender'), key?.psk('receiver'))
  t.equal(key?.fingerprint.replaceAll(' ', ''), derive('fingerprint', 8).toString('hex'))
  t.match(key?.fingerprint, /^[0-9a-f]{4}( [0-9a-f]{4}){3}$/)
  // Known answers: they must never change.
  t.equal(key?.fingerprint, keysOf(hex)[0]?.fingerprint)
  t.notOk(inspect(key, { depth: 9, showHidden: true }).includes(hex), 'no inspection shows the key')
  t.not(keysOf(hex.toUpperCase())[0]?.id, key?.id, 'a key is its text')
})

t.test('makes keys that differ and are taken', async (t) => {
  const keys = Array.from({ length: 50 }, () => generateKey())
  t.equal(new Set(keys).size, 50)
  t.ok(keys.every((key) => isKey(key) && Buffer.from(key, 'base64url').length === 32))
})
