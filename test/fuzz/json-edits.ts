/** Changes of a JSON object as text: what JSON allows and nobody writes, and what it does not allow. */
import type { RawFrame } from './corpus.ts'
import type { Random } from './random.ts'

/** Values as JSON text, right and wrong. */
const values: readonly string[] = [
  ...['null', 'true', 'false', '[]', '{}', '[[]]', '{"a":{"b":[1]}}', '""', '" "', '"0"', '"null"', '["directories"]'],
  ...['0', '-0', '1', '-1', '2', '1.0', '1e0', '1.5', '0.1e1', '1e400', '-1e400', '1e-400', '5e-324', '00', '+1', '.5'],
  ...['1023', '1024', '1025', '65535', '65536', '65537', '1048576', '1048577', '4294967295', '4294967296'],
  ...['9007199254740991', '9007199254740992', '9007199254740993', '8640000000000000', '-8640000000000000'],
  ...['8640000000000001', '-8640000000000001', '18446744073709551616', '0x10', 'NaN', 'Infinity', '-', 'undefined'],
  ...['"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\u202eexe.txt"', '"\\u2028"', '"\ufeff"'],
  ...['"e\u0301"', '"\u00e9"', '"\uffff"', '"\\u001b[2J"', '"a\u0000b"', '"\ud7ff\ue000"', '"\u{10ffff}"', '"ﬁ"'],
  ...[
    '".."',
    '"."',
    '"../x"',
    '"/etc/passwd"',
    '"a/b"',
    '"a\\\\..\\\\b"',
    '".tcp-recv"',
    '".bashrc"',
    '"con"',
    '"a:b"',
  ],
  ...['"a"', '"a!"', '"a-"', '"a0"', '"b"', '"__proto__"', '"constructor"', '"x/y/z"', '"text/plain"', '"TEXT/Plain"'],
  ...['"sha256"', '"file"', '"message"', '"directory"', '"link"', '"digest"', '"unverifiable"', '"skipped"', '"busy"'],
  ...[`"${'0'.repeat(64)}"`, `"${'f'.repeat(63)}"`, `"${'F'.repeat(64)}"`, `"${'a'.repeat(255)}"`],
  ...['"offset"', '"compare"', `"${'0'.repeat(32)}"`, `"${'e'.repeat(31)}"`, `"${'E'.repeat(32)}"`],
  ...['[0,1024]', '[1024,1024]', '[2048,1024]', '[1024]', '[0,1]', '[0,-1]', '[0,16777216,33554432,50331648]'],
  ...[`["${'0'.repeat(64)}"]`, `["${'0'.repeat(64)}","${'f'.repeat(64)}"]`, `["${'0'.repeat(63)}"]`],
  ...[199, 200, 201].map((count) => JSON.stringify(Array.from({ length: count }, (_, index) => 1024 * index))),
  ...[`"${'é'.repeat(128)}"`, `"${'x'.repeat(300)}"`, `"t/${'x'.repeat(127)}"`, `"t/${'x'.repeat(128)}"`],
]

const keys: readonly string[] = [
  ...['"__proto__"', '"constructor"', '"hasOwnProperty"', '"toString"', '""', '"0"', '"!"', '"!later"', '"!kind"'],
  ...['"x"', '"version"', '"digest"', '"software"', '"features"', '"name"', '"size"', '"type"', '"mtime"', '"mode"'],
  ...['"entry"', '"bytes"', '"blake3"', '"sha256"', '"header"', '"reason"', '"message"', '"entries"', '"target"'],
  ...[
    '"transfer"',
    '"id"',
    '"source"',
    '"edition"',
    '"resume"',
    '"digests"',
    '"lengths"',
    '"samples"',
    '"connections"',
    '"blocks"',
    '"limit"',
    '"offset"',
    '"ranges"',
    '"changed"',
  ],
  ...['"n\\u0061me"', '"Name"', '"name "', '"\\u0021kind"', 'name', "'name'"],
]

/** Bytes that are not UTF-8, or that stand at a place where JSON has none. */
const junk = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xef, 0xbb, 0xbf], [0], [0x80]].map(
  (bytes) => Buffer.from(bytes),
)

type Member = [key: string, value: string]

/** The members of an object, each as JSON text; null if the payload is none. */
const known = new WeakMap<Buffer, Member[] | null>()

function membersOf(payload: Buffer): Member[] | null {
  const before = known.get(payload)
  if (before !== undefined) return before
  let members: Member[] | null = null
  try {
    const value = JSON.parse(payload.toString())
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      members = Object.entries(value).map(([key, one]) => [JSON.stringify(key), JSON.stringify(one)])
    }
  } catch {
    // It was spoiled before.
  }
  known.set(payload, members)
  return members
}

/** A value that is a little different, or a lot. */
function otherValue(value: string, random: Random): string {
  const number = Number(value)
  if (!Number.isNaN(number) && random.once(2)) return String(number + random.pick([1, -1, 2, 1024, 0.5, -2 * number]))
  if (value.startsWith('"') && random.once(3)) {
    const at = 1 + random.below(value.length - 1)
    return value.slice(0, at) + random.pick(['a', '\\u0041', '/', '\\n', '\\\\', '\u202e', '"', '😀']) + value.slice(at)
  }
  if (random.once(300)) return '['.repeat(random.pick([10, 1000, 30_000]))
  if (random.once(100)) {
    const depth = random.pick([14, 15, 16, 17, 1000])
    return `${'['.repeat(depth)}"]}"${']'.repeat(depth)}`
  }
  if (random.once(100))
    return JSON.stringify(Array(random.pick([250, 256, 257, 258, 5000])).fill(random.pick([0, ',', '"'])))
  if (random.once(300))
    return `"${random.pick(['x', '\\u001b', '漢'])}`.padEnd(random.pick([4096, 20_000, 65_600]), 'x')
  if (random.once(8)) return `[${value}]`
  return random.pick(values)
}

function editMembers(members: Member[], random: Random): void {
  const at = random.below(members.length)
  const member = members[at]
  if (!member || random.once(4)) {
    members.splice(random.below(members.length + 1), 0, [random.pick(keys), random.pick(values)])
    return
  }
  const [key, value] = member
  switch (random.below(6)) {
    case 0:
      members.splice(at, 1)
      return
    case 1:
      // The last of two members with the same name counts.
      members.splice(random.below(members.length + 1), 0, [key, otherValue(value, random)])
      return
    case 2:
      members[at] = [random.pick(keys), value]
      return
    default:
      members[at] = [key, otherValue(value, random)]
  }
}

/** The same frame with an edited payload. */
export function editJson({ letter, payload }: RawFrame, random: Random): RawFrame {
  const found = membersOf(payload)
  if (found === null) return { letter, payload: Buffer.from(random.pick(values)) }
  const members = found.slice()
  for (let count = random.few(3); count > 0; count--) editMembers(members, random)
  const [gap, end] = random.once(8)
    ? [random.pick([' ', '\n', '\t\r ', '\u00a0']), random.pick(['', ' ', ',', '}'])]
    : ['', '']
  const text = members.map(([key, value]) => `${key}${gap}:${value}`).join(`,${gap}`)
  const json = Buffer.from(`{${text}${end}}`)
  if (!random.once(12)) return { letter, payload: json }
  const at = random.below(json.length + 1)
  return { letter, payload: Buffer.concat([json.subarray(0, at), random.pick(junk), json.subarray(at)]) }
}
