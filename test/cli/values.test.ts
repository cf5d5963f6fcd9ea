import fc from 'fast-check'
import t from 'tap'
import { parseChoice, parseDigest, parseInteger, parseSeconds, parseSize, parseTime } from '../../dist/cli/values.js'
import { TransferError } from '../../dist/errors.js'
import { isUnsafe } from '../../dist/text.js'

/** The message of the usage error that `parse` must throw. */
function usageMessage(parse: () => unknown): string {
  try {
    parse()
  } catch (error) {
    if (error instanceof TransferError && error.exitCode === 2) return error.message
    throw error
  }
  throw new Error('no usage error was thrown')
}

t.test('reads a whole number within its limits', async (t) => {
  const table: [text: string, value: number][] = [
    ['0', 0],
    ['9000', 9000],
    ['007', 7],
    ['65535', 65535],
  ]
  for (const [text, value] of table) t.equal(parseInteger('--port', text, 0, 65535), value, text)
  fc.assert(fc.property(fc.nat(), (number) => parseInteger('--count', String(number), 0, 2 ** 31) === number))
})

t.test('refuses what is not a whole number within its limits, naming option, limits and value', async (t) => {
  const wrong = ['', ' ', '-1', '+1', '1.0', '1e3', '0x10', '65536', '9'.repeat(400), 'http', '1 2', '1\n', '١', 'NaN']
  for (const text of wrong) {
    const message = usageMessage(() => parseInteger('--port', text, 0, 65535))
    t.match(message, /^--port must be a whole number from 0 to 65535, not "/, JSON.stringify(text))
    t.notOk(isUnsafe(message))
  }
  t.equal(
    usageMessage(() => parseInteger('the port', '0', 1, 65535)),
    'the port must be a whole number from 1 to 65535, not "0"',
  )
})

t.test('reads seconds as milliseconds', async (t) => {
  const table: [text: string, milliseconds: number][] = [
    ['1', 1000],
    ['30', 30_000],
    ['0.3', 300],
    ['.5', 500],
    ['2.', 2000],
    ['0.0001', 1],
    ['2147483', 2_147_483_000],
  ]
  for (const [text, milliseconds] of table) t.equal(parseSeconds('--wait', text), milliseconds, text)
})

t.test('never yields a time that a timer would cut to nothing', async () => {
  const longest = 2 ** 31 - 1
  fc.assert(
    fc.property(fc.integer({ min: 1, max: longest }), (milliseconds) => {
      const read = parseSeconds(
        '--timeout',
        `${Math.floor(milliseconds / 1000)}.${String(milliseconds % 1000).padStart(3, '0')}`,
      )
      return read >= milliseconds && read <= Math.min(longest, milliseconds + 1)
    }),
    { examples: [[longest], [1]] },
  )
})

t.test('refuses seconds that are no time to wait, naming option and value', async (t) => {
  for (const text of ['', '0', '0.0', '-1', '1e3', '1s', '.', 'Infinity', 'NaN', '2147484', '9'.repeat(400), ' 1']) {
    const message = usageMessage(() => parseSeconds('--timeout', text))
    t.match(message, /^--timeout must be a number of seconds above 0, not "/, JSON.stringify(text))
    t.ok(message.includes(text.slice(0, 39)))
  }
})

t.test('reads sizes with binary and decimal units', async (t) => {
  const table: [text: string, bytes: number][] = [
    ['0', 0],
    ['1500', 1500],
    ['12b', 12],
    ['1k', 1024],
    ['1K', 1024],
    ['1KiB', 1024],
    ['1kB', 1000],
    ['10M', 10 * 1024 ** 2],
    ['2MB', 2_000_000],
    ['1.5GiB', 1.5 * 1024 ** 3],
    ['2GB', 2_000_000_000],
    ['1T', 1024 ** 4],
    ['1tb', 1000 ** 4],
    ['5 MB', 5_000_000],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ]
  for (const [text, bytes] of table) t.equal(parseSize('--max-size', text), bytes, text)
})

t.test('reads a decimal fraction of a size exactly', async () => {
  fc.assert(
    fc.property(fc.nat(10_000_000), (bytes) => {
      const text = `${Math.floor(bytes / 1000)}.${String(bytes % 1000).padStart(3, '0')}kB`
      return parseSize('--expect-size', text) === bytes
    }),
    { examples: [[1005]] },
  )
})

t.test('refuses what is not a size, naming option and value', async (t) => {
  const wrong = [
    '',
    '-1',
    '1e3',
    '.5M',
    '1.',
    '10X',
    '10Mi',
    'M',
    '1,5M',
    '9007199254740992',
    '9000000000T',
    '0x10',
    '1 M B',
  ]
  for (const text of wrong) {
    const message = usageMessage(() => parseSize('--max-size', text))
    t.equal(message, `--max-size must be a size such as 1500, 10M (MiB) or 2GB, not "${text}"`)
  }
})

t.test('reads a time with its unit as milliseconds', async (t) => {
  const table: [text: string, milliseconds: number][] = [
    ['0', 0],
    ['0s', 0],
    ['90s', 90_000],
    ['1.5m', 90_000],
    ['2.007s', 2007],
    ['0.0001s', 1],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    ['0.5d', 43_200_000],
  ]
  for (const [text, milliseconds] of table) t.equal(parseTime('--keep-partial', text), milliseconds, text)
})

t.test('reads every whole number of a unit, and every fraction that is a whole number of milliseconds', async () => {
  const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.constantFrom('s', 'm', 'h', 'd'), (count, unit) => {
      return parseTime('--keep-partial', `${count}${unit}`) === count * units[unit]
    }),
  )
  fc.assert(
    fc.property(fc.nat(), (milliseconds) => {
      const text = `${Math.floor(milliseconds / 1000)}.${String(milliseconds % 1000).padStart(3, '0')}s`
      return parseTime('--keep-partial', text) === milliseconds
    }),
    { examples: [[2007]] },
  )
})

t.test('refuses what is not a time with its unit, naming option and value', async (t) => {
  const wrong = ['', '7', '1', '00', 's', '-1s', '.5d', '1.s', '1e3s', '7D', '7 d', '7days', '1w', '1h30m', '7d\n']
  for (const text of [...wrong, `${'9'.repeat(20)}d`]) {
    const message = usageMessage(() => parseTime('--keep-partial', text))
    t.match(message, /^--keep-partial must be a time such as 90s, 30m, 12h or 7d, or 0, not "/, JSON.stringify(text))
  }
})

t.test('takes one of the choices and lists them for anything else', async (t) => {
  const choices = ['skip', 'fail'] as const
  t.equal(parseChoice('--if-exists', 'fail', choices), 'fail')
  for (const text of ['', 'FAIL', 'fai', '__proto__']) {
    const message = usageMessage(() => parseChoice('--if-exists', text, choices))
    t.equal(message, `--if-exists must be one of skip, fail, not "${text}"`)
  }
})

t.test('takes a digest as b3sum prints it, in either case', async (t) => {
  const digest = '0123456789abcdef'.repeat(4)
  t.equal(parseDigest('--expect-blake3', digest), digest)
  t.equal(parseDigest('--expect-blake3', digest.toUpperCase()), digest)
  for (const text of ['', digest.slice(1), `${digest}0`, `g${digest.slice(1)}`, `${digest}\n`]) {
    const message = usageMessage(() => parseDigest('--expect-blake3', text))
    t.match(message, /^--expect-blake3 must be 64 hexadecimal digits, as b3sum prints them, not "/)
  }
})

t.test('never shows a value that could lie on a terminal', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
      const hostile = `\u001b${text}`
      const parsers = [
        () => parseInteger('--port', hostile, 0, 1),
        () => parseSeconds('--wait', hostile),
        () => parseSize('--max-size', hostile),
        () => parseTime('--keep-partial', hostile),
        () => parseChoice('--if-exists', hostile, ['skip']),
        () => parseDigest('--expect-blake3', hostile),
      ]
      return parsers.every((parse) => !isUnsafe(usageMessage(parse)))
    }),
  )
})
