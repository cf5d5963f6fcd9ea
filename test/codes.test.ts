/** Codes as people write them: four words, of which each says whether it stands at its place. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { EVEN_WORDS, ODD_WORDS } from '../dist/code-words.js'
import { completions, isCodeWord, isMeantAsCode, newCode, parseCode } from '../dist/codes.js'

const [even, odd] = [EVEN_WORDS, ODD_WORDS].map((words) => words.trim().split(/\s/)) as [string[], string[]]

t.test('has the words of the PGP word list', async (t) => {
  t.strictSame([even.length, odd.length, new Set([...even, ...odd]).size], [256, 256, 512])
  const digest = createHash('sha256')
    .update([...even, ...odd].join(' '))
    .digest('hex')
  t.equal(digest, 'e732a7c847b5ceea625e50b7dbd670d080d4b681a606c8805d588ed1848653de')
  // The first words of an example in the description of the list.
  t.strictSame(parseCode('topmost Istanbul Pluto vagabond'), Buffer.from('e58294f2', 'hex'))
})

const bytes = fc.uint8Array({ minLength: 4, maxLength: 4 })
const wordsOf = ([a = 0, b = 0, c = 0, d = 0]: Uint8Array) => [even[a], odd[b], even[c], odd[d]] as string[]

t.test('reads every code, in any case and however its words are separated', async (t) => {
  const separator = fc.stringMatching(/^[ ,\t-]{1,3}$/)
  const property = fc.property(bytes, separator, fc.boolean(), (code, between, isUpper) => {
    const text = `${between}${wordsOf(code).join(between)}${between}`
    t.strictSame(parseCode(isUpper ? text.toUpperCase() : text), Buffer.from(code))
    if (!isMeantAsCode(text)) t.fail(text)
  })
  fc.assert(property)
  for (const code of Array.from({ length: 20 }, newCode)) t.match(code, /^[a-z]+(-[a-z]+){3}$/)
})

t.test('takes no other text, and says what is wrong with it in one printable line', async (t) => {
  const property = fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
    try {
      parseCode(text)
    } catch (error) {
      const { message } = error as Error
      if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(message)) t.fail(message)
      return
    }
    t.fail(text)
  })
  fc.assert(property)
})

t.test('notices a word that is missing, swapped, doubled or mistyped', async (t) => {
  const property = fc.property(bytes, fc.integer({ min: 0, max: 2 }), (code, at) => {
    const words = wordsOf(code)
    t.throws(() => parseCode(words.toSpliced(at, 1).join(' ')), { code: 'usage', message: /not 3$/ })
    t.throws(() => parseCode(words.toSpliced(at, 0, 'adult').join(' ')), { code: 'usage', message: /not 5$/ })
    const swapped = words.toSpliced(at, 2, words[at + 1] as string, words[at] as string)
    t.throws(() => parseCode(swapped.join(' ')), { code: 'usage', message: /at the wrong place$/ })
  })
  fc.assert(property, { numRuns: 30 })
  for (const [typed, word] of [
    ['muric', 'music'],
    ['peachie', 'peachy'],
    ['klaxxon', 'klaxon'],
    ['egghed', 'egghead'],
    ['x'.repeat(10_000), /\w+/],
  ] as const) {
    const about =
      typeof word === 'string' ? new RegExp(`^word 3 of the code, "${typed}", is none; did you mean ${word}\\?$`) : word
    t.throws(() => parseCode(`adult undaunted ${typed} visitor`), { code: 'usage', message: about })
  }
})

t.test('tells a code from a path, also if a word of it is wrong', async (t) => {
  for (const code of [
    'topmost istanbul pluto vagabond',
    'topmost-istanbul-pluto-vagabond',
    'topmost,istanbul,pluto,vagabond',
    'topmust-istunbul-pluto-vagabond',
    'four words at all',
  ])
    t.equal(isMeantAsCode(code), true, code)
  for (const path of [
    'file',
    'my-big-data-file',
    'python-data-file-list',
    './topmost-istanbul-pluto-vagabond',
    'topmost-istanbul-pluto',
    'topmost-istanbul-pluto-vagabond.txt',
    'topmost istanbul pluto vagabond x',
    '--quiet',
  ])
    t.equal(isMeantAsCode(path), false, path)
  t.equal(isCodeWord('Istanbul'), true)
  t.equal(isCodeWord('pluto'), true)
  t.equal(isCodeWord('file'), false)
})

t.test('completes a word by its position', async (t) => {
  t.strictSame(completions('top'), ['topmost'])
  t.strictSame(completions('Topmost-IST'), ['istanbul'])
  t.strictSame(completions('topmost istanbul pl'), ['playhouse', 'pluto'])
  t.strictSame(completions('ist'), [])
  t.equal(completions('topmost ').length, 256)
  t.strictSame(completions('topmost istanbul pluto vagabond '), [])
})
