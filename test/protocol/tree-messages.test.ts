/** The fields of the frames in a directory: what each must hold, and what is ignored or refused. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { encodeTree, parseTree } from '../../dist/protocol/tree-messages.js'
import { breach } from '../fixtures/fields.ts'
import { someDigest } from '../fixtures/literals.ts'

type Name = keyof typeof parseTree

const least: Record<Name, Record<string, unknown>> = {
  directory: { name: 'a' },
  leave: {},
  symlink: { name: 'a', target: 'b' },
  file: { name: 'a', size: 0 },
  end: { blake3: someDigest },
  abort: {},
  kept: { name: 'a', size: 0 },
  digests: { digests: [someDigest] },
}
const names = Object.keys(least) as Name[]
const parse = (name: Name, json: string) => parseTree[name](Buffer.from(json))
const withField = (name: Name, field: string, json: string) => {
  const { [field]: _, ...others } = least[name]
  return parse(
    name,
    `${JSON.stringify(others).replace(/\}$/, Object.keys(others).length > 0 ? ',' : '')}"${field}":${json}}`,
  )
}

t.test('reads what must be there, and takes the rest for not known', async (t) => {
  t.strictSame(parse('directory', '{"name":"a"}'), { name: 'a', mtime: null, mode: null })
  t.strictSame(parse('symlink', '{"name":"a","target":"b"}'), { name: 'a', target: 'b', mtime: null })
  t.strictSame(parse('file', '{"name":"a","size":0}'), { name: 'a', size: 0, mtime: null, mode: null })
  t.strictSame(parse('file', `{"name":"a","size":0,"blake3":null,"mode":null,"mtime":null}`), {
    ...{ name: 'a', size: 0, mtime: null, mode: null },
  })
  for (const name of ['leave', 'abort'] as const) t.strictSame(parse(name, '{}'), {})
})

t.test('refuses every field of a wrong type or range', async (t) => {
  const wrong: [Name[], string, string[]][] = [
    [['directory', 'symlink', 'file', 'kept'], 'name', ['1', 'null', '[]', '{}', 'true', '"\\ud800"', '"\\udc00x"']],
    [['symlink'], 'target', ['1', 'null', '[]', '"\\ud800"']],
    [['file', 'kept'], 'size', ['-1', '1.5', '"12"', 'true', '[]', '{}', 'null', '1e400', '9007199254740993']],
    [['directory', 'symlink', 'file', 'kept'], 'mtime', ['1e20', '-1e20', '0.5', '"1"', '8640000000000001', '[]']],
    [['digests'], 'digests', ['null', '[]', '"a"', '[1]', `["${someDigest}",null]`]],
    [['directory', 'file', 'kept'], 'mode', ['-1', '65536', '1e9', '0.5', '"0644"', '[]']],
    [['file', 'end'], 'blake3', ['"x"', '1', `"${someDigest.toUpperCase()}"`, `"${someDigest}0"`, '[]']],
    [['end'], 'blake3', ['null']],
  ]
  for (const [frames, field, values] of wrong) {
    for (const name of frames) {
      for (const json of values) {
        const message = new RegExp(`^"${field}" of the ${name} frame must be `)
        t.throws(() => withField(name, field, json), breach(message), `${name} ${field} ${json}`)
      }
    }
  }
  for (const [name, field] of [
    ['directory', 'name'],
    ['symlink', 'name'],
    ['symlink', 'target'],
    ['file', 'name'],
    ['file', 'size'],
    ['end', 'blake3'],
  ] as const) {
    const { [field]: _, ...others } = least[name]
    t.throws(() => parse(name, JSON.stringify(others)), breach(/ and is missing$/), `${name} without ${field}`)
  }
})

t.test('takes the largest and smallest values', async (t) => {
  const extremes = '{"name":"","size":9007199254740991,"mtime":-8640000000000000,"mode":65535}'
  t.match(parse('file', extremes), { name: '', size: Number.MAX_SAFE_INTEGER, mtime: -8.64e15, mode: 65535 })
  t.match(parse('directory', '{"name":"a","mtime":8640000000000000,"mode":0}'), { mtime: 8.64e15, mode: 0 })
})

t.test('ignores what it does not know, unless it must be understood', async (t) => {
  for (const name of names) {
    t.strictSame(withField(name, 'later', '[{"a":1}]'), parse(name, JSON.stringify(least[name])))
    t.throws(
      () => withField(name, '!later', '1'),
      breach(new RegExp(`^the ${name} frame needs "!later", which`), 'field'),
    )
    t.throws(() => withField(name, '!', 'null'), breach(/needs "!"/, 'field'))
  }
})

t.test('lets no name reach a prototype, and takes the last of two of the same name', async (t) => {
  for (const name of names) {
    const message = withField(name, '__proto__', '{"mode":1,"name":"evil","polluted":true}')
    t.strictSame(message, parse(name, JSON.stringify(least[name])))
    t.notOk('polluted' in message)
    t.strictSame(withField(name, 'constructor', '{"prototype":{}}'), parse(name, JSON.stringify(least[name])))
    t.throws(() => withField(name, '__proto__', '{}') && parse(name, '{"__proto__":{"name":"a"'), breach(/is not JSON/))
  }
  t.throws(() => parse('directory', '{"__proto__":{"name":"a"}}'), breach(/^"name" .* is missing$/))
  t.throws(() => parse('directory', '{"toString":1}'), breach(/^"name" .* is missing$/))
  t.match(parse('directory', '{"name":"a","name":"b"}'), { name: 'b' })
  t.throws(() => parse('file', '{"name":"a","size":1,"size":null}'), breach(/^"size"/))
})

t.test('refuses a payload that is no object in UTF-8', async (t) => {
  for (const name of names) {
    for (const json of ['', '[]', 'null', '1', '"a"', '{"name":', '\ufeff{}']) {
      t.throws(() => parse(name, json), breach(/^the [a-z]+ frame is not (a )?JSON/), `${name} ${json}`)
    }
    t.throws(() => parseTree[name](Buffer.from('7b226e616d65223a22ff227d', 'hex')), breach(/is not JSON in UTF-8$/))
  }
})

t.test('reads what it writes', async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 300 })
  const mtime = fc.option(fc.integer({ min: -8.64e15, max: 8.64e15 }))
  const mode = fc.option(fc.nat(0o177777))
  const blake3 = fc.constant(someDigest)
  const items: Record<Name, fc.Arbitrary<object>> = {
    directory: fc.record({ name: text, mtime, mode }),
    leave: fc.constant({}),
    symlink: fc.record({ name: text, target: text, mtime }),
    file: fc.record(
      { name: text, size: fc.maxSafeNat(), mtime, mode, blake3 },
      { requiredKeys: ['name', 'size', 'mtime', 'mode'] },
    ),
    end: fc.record({ blake3 }),
    abort: fc.constant({}),
    kept: fc.record({ name: text, size: fc.maxSafeNat(), mtime, mode }),
    digests: fc.record({ digests: fc.array(blake3, { minLength: 1, maxLength: 200 }) }),
  }
  for (const name of names) {
    const property = fc.property(items[name], (item) => {
      const bytes = (encodeTree[name] as (item: object) => Buffer)(item)
      const isWhole = bytes.readUInt32BE(1) === bytes.length - 5
      return isWhole && isDeepStrictEqual(parseTree[name](bytes.subarray(5)), { ...item })
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }), name)
  }
})
