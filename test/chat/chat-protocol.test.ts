import fc from 'fast-check'
import t from 'tap'
import {
  greetingLine,
  isName,
  MAGIC,
  MAX_JSON,
  MAX_NAMES,
  type Message,
  Outgoing,
  parseGreeting,
  parseMessage,
  shown,
} from '../../dist/chat/chat-protocol.js'
import { MAX_LINE } from '../../dist/chat/lines.js'
import { reasons } from '../../dist/errors.js'
import { ProtocolError } from '../../dist/protocol/protocol-error.js'

const name = fc.stringMatching(/^[a-zA-Z0-9äöüß._-]{1,32}$/)
const text = fc.string({ unit: 'binary', maxLength: 200 })
const bye = fc.oneof(fc.constant(true as const), fc.constantFrom(...Object.keys(reasons)))

const message = fc.oneof(
  fc.record({ say: text }),
  fc.record({ say: text, from: name }),
  fc.record({ joined: name }),
  fc.record({ left: name }),
  fc.record({ who: fc.oneof(fc.constant(true as const), fc.array(name, { maxLength: MAX_NAMES })) }),
  fc.record({ bye }),
) as fc.Arbitrary<Message>

/** The reason of what `work` throws. */
function breachOf(work: () => unknown): string | null {
  try {
    work()
    return null
  } catch (error) {
    if (error instanceof ProtocolError) return error.reason
    throw error
  }
}

t.test('reads what it writes', async (t) => {
  fc.assert(
    fc.property(message, fc.boolean(), (message, isRoom) => {
      const line = new Outgoing(message, isRoom).json.toString()
      t.match(line, /^[^\n]*\n$/)
      t.same(parseMessage(line.trimEnd()), message)
    }),
  )
  fc.assert(
    fc.property(name, fc.option(name, { nil: undefined }), fc.boolean(), (name, of, room) => {
      const greeting = { name, ...(of === undefined ? {} : { of }), room }
      t.same(parseGreeting(greetingLine(greeting).trimEnd()), greeting)
    }),
  )
  t.same(parseGreeting(greetingLine({ bye: 'busy' }).trimEnd()), { bye: 'busy' })
})

t.test('the longest line and the longest list of names have room in a line of JSON', async (t) => {
  const longest = new Outgoing({ say: '\u0001'.repeat(MAX_LINE), from: 'x'.repeat(32) }, true)
  const names = new Outgoing({ who: Array.from({ length: MAX_NAMES }, () => '𝒳'.repeat(32)) }, true)
  for (const { json } of [longest, names]) t.ok(json.toString().length <= MAX_JSON, `${json.toString().length}`)
  t.same(parseMessage(longest.json.toString()), { say: '\u0001'.repeat(MAX_LINE), from: 'x'.repeat(32) })
})

t.test('takes nothing but its messages, and ignores what it does not know', async (t) => {
  t.equal(parseMessage('{"typing":true}'), null)
  t.same(parseMessage('{"say":"x","colour":"red"}'), { say: 'x' })
  t.same(parseMessage('{"bye":"tired"}'), { bye: 'policy' }, 'a reason of a later version')
  for (const line of [
    '',
    'hello',
    '[]',
    'null',
    '"say"',
    '{"say":1}',
    '{"say":null}',
    `{"say":"${'x'.repeat(MAX_LINE + 1)}"}`,
    '{"say":"x","from":"a b"}',
    '{"joined":"a:"}',
    '{"left":7}',
    '{"who":false}',
    '{"who":["a","*"]}',
    JSON.stringify({ who: Array.from({ length: MAX_NAMES + 1 }, () => 'a') }),
  ])
    t.equal(
      breachOf(() => parseMessage(line)),
      'protocol',
      line.slice(0, 40),
    )
  for (const json of ['{}', 'x', '{"name":""}', '{"name":"a\\u001b"}', '{"name":"a","of":"b c"}'])
    t.equal(
      breachOf(() => parseGreeting(MAGIC + json)),
      'protocol',
      json,
    )
})

t.test('whatever comes is a message or a breach', async (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.object().map((value) => JSON.stringify(value)),
      ),
      (line) => {
        try {
          const message = parseMessage(line)
          if (message !== null) t.same(parseMessage(new Outgoing(message, false).json.toString()), message)
        } catch (error) {
          t.type(error, ProtocolError)
        }
      },
    ),
  )
})

t.test('a name can be part of no other line', async (t) => {
  for (const right of ['anna', 'Änne_2', 'x.y-z', '名前', 'a'.repeat(32)]) t.ok(isName(right), right)
  for (const wrong of ['', 'a b', 'a:', '*', '* anna', 'a\n', '\u202eanna', 'a'.repeat(33), null, 5, ['anna']])
    t.notOk(isName(wrong), String(wrong))
})

t.test('a plain peer gets lines of text, which nobody can forge', async (t) => {
  const textOf = (message: Message, isRoom = true) => new Outgoing(message, isRoom).text.toString()
  t.equal(textOf({ say: 'hello', from: 'anna' }), 'anna: hello\n')
  t.equal(textOf({ say: 'hello' }, false), 'hello\n')
  t.equal(textOf({ joined: 'anna' }), '* anna has joined\n')
  t.equal(textOf({ left: 'anna' }), '* anna has left\n')
  for (const message of [{ who: true }, { bye: true }] as const) t.equal(textOf(message), '')
  t.equal(textOf({ say: 'a\n* bob has left\u001b[2J', from: 'eve' }), 'eve: a\\u{a}* bob has left\\u{1b}[2J\n')
  fc.assert(
    fc.property(text, (say) => {
      t.match(textOf({ say, from: 'eve' }), /^eve: [^\p{Cc}\u2028\u2029]*\n$/u)
    }),
  )
})

t.test('tabs become spaces, whatever is before them', async (t) => {
  t.equal(shown('a\tb'), 'a    b')
})

t.test('no name is invisible, in part or in whole, or that of the program, which begins its notices', async (t) => {
  for (const name of ['bob\u3164', '\u115f', '\uffa0bob', 'tcp-chat', 'TCP-Chat']) t.notOk(isName(name), name)
  for (const name of ['tcp-chat-2', 'my-tcp-chat', '한글', 'Zoë']) t.ok(isName(name), name)
})
