/** What a stranger wrote, made fit to be shown. */
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { isUnsafe, printable, printableJson, shellWord } from '../dist/text.js'

/** Every code point that could make a terminal or a log lie, by the tables of Unicode and not by the code's pattern. */
function isHarmful(point: number): boolean {
  return (
    point < 0x20 ||
    (point >= 0x7f && point <= 0x9f) ||
    point === 0x2028 ||
    point === 0x2029 ||
    (point >= 0x202a && point <= 0x202e) ||
    (point >= 0x2066 && point <= 0x2069) ||
    (point >= 0xd800 && point <= 0xdfff)
  )
}

/** Text of any code units at all, lone surrogates included, with many of the harmful ones. */
const anyText = fc
  .array(
    fc.oneof(
      fc.nat(0xffff),
      fc.nat(0x9f),
      fc.constantFrom(0x1b, 0x0a, 0x9b, 0x2028, 0x2029, 0x202e, 0x2066, 0x2069, 0xd83d, 0xde00, 0xdc00, 0x200d, 0x200f),
    ),
    { maxLength: 80 },
  )
  .map((units) => String.fromCharCode(...units))

t.test('knows every code point that may not be shown, and no other', async (t) => {
  const wrong: string[] = []
  for (let point = 0; point <= 0x10ffff; point++) {
    if (isUnsafe(`a${String.fromCodePoint(point)}b`) !== isHarmful(point)) wrong.push(point.toString(16))
  }
  t.strictSame(wrong, [])
})

t.test('takes ordinary text of every script for what it is', async (t) => {
  for (const text of [
    '',
    'file.txt',
    '日本語',
    'e\u0301',
    '👩‍👩‍👧',
    'שלום\u200f',
    '\u200eab',
    '\u00a0',
    '\ufeffx',
    '\\u{1b}',
  ]) {
    t.notOk(isUnsafe(text))
    t.equal(printable(text), text)
  }
})

t.test('judges each text by itself, however often it is asked', async (t) => {
  for (let time = 0; time < 3; time++) {
    t.ok(isUnsafe('a\u001b'))
    t.notOk(isUnsafe('a'))
  }
})

t.test('shows what is unsafe by its code point', async (t) => {
  t.equal(printable('a\r\nb'), 'a\\u{d}\\u{a}b')
  t.equal(printable('\u001b]52;c;x\u0007'), '\\u{1b}]52;c;x\\u{7}')
  t.equal(printable('\u0000\u007f\u0080\u009f'), '\\u{0}\\u{7f}\\u{80}\\u{9f}')
  t.equal(printable('\u2028\u2029\u202a\u202e\u2066\u2069'), '\\u{2028}\\u{2029}\\u{202a}\\u{202e}\\u{2066}\\u{2069}')
  t.equal(printable('\ud83d\ude00 \ud83d \ude00\ud83d'), '😀 \\u{d83d} \\u{de00}\\u{d83d}')
})

t.test('writes JSON that no terminal can be made to lie with, and that gives back the original', async (t) => {
  t.equal(
    printableJson({ name: '\u001b\u009b\u007f\u202e\u2028é😀' }),
    '{"name":"\\u001b\\u009b\\u007f\\u202e\\u2028é😀"}',
  )
  const property = fc.property(fc.dictionary(anyText, anyText), (value) => {
    const json = printableJson(value)
    t.same(JSON.parse(json), value)
    return !isUnsafe(json)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }))
})

t.test('cuts a text between characters, at the limit that it is given', async (t) => {
  t.equal(printable('abcde', 5), 'abcde')
  t.equal(printable('abcdef', 5), 'abcd…')
  t.equal(printable('😀😀😀', 3), '😀😀😀')
  t.equal(printable('😀😀😀😀', 3), '😀😀…')
  t.equal(printable('a😀😀😀', 3), 'a😀…')
  t.equal(printable('\n\n\n\n', 3), '\\u{a}\\u{a}…')
  t.equal(printable('x'.repeat(200)), 'x'.repeat(200))
  t.equal(printable('x'.repeat(201)), `${'x'.repeat(199)}…`)
  t.equal(printable('ab', 1), '…')
})

t.test('shows nothing unsafe, and never more than the limit allows, whatever it is given', async (t) => {
  const property = fc.property(anyText, fc.integer({ min: 1, max: 60 }), (text, limit) => {
    const shown = printable(text, limit)
    // The longest that one character can become is \u{10ffff}; what is unsafe is never beyond \u{ffff}.
    return !isUnsafe(shown) && shown.isWellFormed() && shown.length <= 8 * limit
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
})

t.test('leaves a safe text that is short enough as it is, and only such a one', async (t) => {
  const property = fc.property(anyText, fc.integer({ min: 1, max: 60 }), (text, limit) => {
    const isShort = [...text].length <= limit
    return (printable(text, limit) === text) === (isShort && !isUnsafe(text))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
})

t.test('loses nothing of a text that is short enough', async (t) => {
  const property = fc.property(anyText, (text) => {
    const shown = printable(text, 80)
    const back = shown.replace(/\\u\{([0-9a-f]+)\}/g, (_, point) => String.fromCodePoint(Number.parseInt(point, 16)))
    return back === text
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('does not work on what it will not show', async (t) => {
  // A megabyte of escapes would take eight to write down.
  t.equal(printable('\u001b'.repeat(1_000_000), 4), '\\u{1b}\\u{1b}\\u{1b}…')
})

t.test('makes one word for a shell of any text, without what could lie', async (t) => {
  const plain = ['a.txt', 'dir/a-b_c', 'host:9000', '--name=x', '[', '::1', 'a+b%c@d']
  for (const text of plain) t.equal(shellWord(text), text === '[' ? "'['" : text)
  t.equal(shellWord(''), "''")
  t.equal(shellWord("it's $(id) `x` *"), `'it'\\''s $(id) \`x\` *'`)
  t.equal(shellWord('a\nb\u001b'), "'a\\u{a}b\\u{1b}'")
})

t.test('makes a word that a real shell reads as the text', async () => {
  const text = fc.string({ unit: 'binary' }).filter((text) => !isUnsafe(text))
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 20 }), (texts) => {
      const { stdout } = spawnSync('sh', ['-c', `printf '%s\\0' ${texts.map(shellWord).join(' ')}`], {
        encoding: 'utf8',
      })
      return stdout === texts.map((one) => `${one}\0`).join('')
    }),
    { numRuns: 20 },
  )
})
