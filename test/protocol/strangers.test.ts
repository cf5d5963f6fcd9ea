/** Peers that speak something else: each is called by its name where its first bytes tell it. */
import t from 'tap'
import { describeStranger } from '../../dist/protocol/strangers.js'
import { isUnsafe } from '../../dist/text.js'

const known: [who: string, starts: string[]][] = [
  [
    'an HTTP client',
    [
      'GET / HT',
      'HEAD / H',
      'POST /x ',
      'PUT /x H',
      'DELETE /',
      'OPTIONS ',
      'CONNECT ',
      'PATCH /x',
      'TRACE / ',
      'PRI * HT',
    ],
  ],
  ['an HTTP server', ['HTTP/1.1', 'HTTP/2 2']],
  ['a TLS peer', ['\x16\x03\x01\x02\x00\x01\x00\x01', '\x15\x03\x03\x00\x02\x02\x28']],
  ['an SSH peer', ['SSH-2.0-', 'SSH-1.99']],
  ['a sender, as this side is', ['tcp-send']],
  ['a receiver, as this side is', ['tcp-recv']],
]

t.test('calls a peer by its name where its first bytes tell it', async (t) => {
  for (const [who, starts] of known) {
    for (const start of starts) {
      const text = describeStranger(Buffer.from(start, 'latin1'))
      t.ok(text.startsWith(`the other side is ${who} (its first bytes are "`), text)
      t.notOk(text.includes('--plain'), 'it would not help to take such bytes as a file')
    }
  }
})

t.test('says of any other that it does not know it, and what could be done', async (t) => {
  for (const start of [
    'hello wo',
    'G',
    'GETTING ',
    'HTTP',
    '\x16',
    '\x16\x02',
    '\x15\x02',
    'ssh-2.0-',
    'tcp-senD',
    'tcp-sen',
    ' GET / ',
  ]) {
    const text = describeStranger(Buffer.from(start, 'latin1'))
    t.match(text, /^the other side does not speak this protocol \(its first bytes are ".+"\); with --plain/)
  }
})

t.test('quotes any first bytes without harm', async (t) => {
  for (let byte = 0; byte < 256; byte++) {
    const text = describeStranger(Buffer.alloc(8, byte))
    t.notOk(isUnsafe(text), `eight times ${byte}`)
    t.ok(text.length < 250)
  }
  t.match(
    describeStranger(Buffer.from('\x1b[2J\r\n\x9b\x00', 'latin1')),
    /"\\u\{1b\}\[2J\\u\{d\}\\u\{a\}\\u\{9b\}\\u\{0\}"/,
  )
})
